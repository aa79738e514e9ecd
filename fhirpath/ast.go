package fhirpath

// syntax is a node of the syntax tree. offset is its place in the source.
type syntax interface{ offset() int }

type at int

func (a at) offset() int { return int(a) }

type (
	// literal is a constant; a nil value is the empty collection {}.
	literal struct {
		at
		value *Item
	}
	// variable is $this, $index or $total.
	variable struct {
		at
		name string
	}
	// external is %name.
	external struct {
		at
		name string
	}
	// member is a name after a dot, or at the start where on is nil.
	member struct {
		at
		on   syntax
		name string
	}
	// call is a function call; on is nil at the start of an expression.
	call struct {
		at
		on   syntax
		name string
		args []syntax
	}
	// indexer is on[index].
	indexer struct {
		at
		on, index syntax
	}
	// unary is + or - before an operand.
	unary struct {
		at
		operator string
		operand  syntax
	}
	// binary is left operator right.
	binary struct {
		at
		operator    string
		left, right syntax
	}
	// typeOperation is operand "is" or "as" a type.
	typeOperation struct {
		at
		operator string
		operand  syntax
		typeName string
	}
)

// typeName reads a syntax tree as a type specifier: Quantity, FHIR.Quantity.
func typeName(s syntax) (string, bool) {
	m, ok := s.(*member)
	if !ok {
		return "", false
	}
	if m.on == nil {
		return m.name, true
	}
	outer, ok := typeName(m.on)
	return outer + "." + m.name, ok
}

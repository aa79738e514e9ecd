package fhir

// Limits bound what Parse accepts.
type Limits struct {
	// Depth is the greatest nesting of objects and arrays.
	Depth int
	// Nodes is the greatest number of values.
	Nodes int
}

// DefaultLimits suit resources and bundles up to 50 MB.
var DefaultLimits = Limits{Depth: 64, Nodes: 8 << 20}

// Parse reads one resource in JSON. It checks, in one pass, the JSON syntax
// (RFC 8259, UTF-8), that every key is a property of its type and occurs once,
// and that every value has the JSON form of its type. The error is an *Error of
// KindInvalid whose issues have the FHIRPath location, line and column, or of
// KindTooLarge for a limit. src must not change while the tree is in use.
func Parse(schema *Schema, src []byte, limits Limits) (*Tree, error) { panic("not implemented") }

// NewBody is the body to store of a resource under an id: the source bytes
// with id set and the client's meta.versionId and meta.lastUpdated removed.
// All other bytes stay as they are.
func NewBody(resource Node, id string) Body { panic("not implemented") }

// Path is the FHIRPath location of the value: "Patient.name[0].given[1]",
// with an index on the elements that may repeat.
func (n Node) Path() string { panic("not implemented") }

// Position is the line and column, from 1, of the value in Source. The column
// counts bytes.
func (n Node) Position() (line, column int) { panic("not implemented") }

func unescape(raw []byte) string { panic("not implemented") }

package patch

import (
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// Diff is the FHIRPath Patch, as a Parameters resource in JSON, that makes one
// version of a resource into another of the same type. What the version owns
// (id, meta.versionId, meta.lastUpdated) is left out, and so is what JSON does
// not tell apart: white space, the order of members, the digits of a number.
// Contained resources are replaced as a whole.
func Diff(from, to *fhir.Tree) []byte {
	d := differ{}
	d.object(from.Root().Type().Name, from.Root(), to.Root())
	out := []byte(`{"resourceType":"Parameters"`)
	if len(d.operations) > 0 {
		out = append(out, `,"parameter":[`...)
		out = append(out, strings.Join(d.operations, ",")...)
		out = append(out, ']')
	}
	return append(out, '}')
}

type differ struct{ operations []string }

// emit adds an operation: pairs of a part's name and its JSON after the name.
func (d *differ) emit(kind, path string, parts ...string) {
	text := `{"name":"operation","part":[{"name":"type","valueCode":"` + kind + `"},{"name":"path","valueString":` + string(fhir.AppendString(nil, path)) + `}`
	for i := 0; i < len(parts); i += 2 {
		text += `,{"name":"` + parts[i] + `",` + parts[i+1] + `}`
	}
	d.operations = append(d.operations, text+`]}`)
}

// object compares two values of one type, element by element. What is to be
// removed goes last, so that nothing is ever left empty and with it removed.
func (d *differ) object(path string, a, b fhir.Node) {
	typ := a.Type()
	if a.IsPrimitive() {
		typ = a.Tree().Schema.Type("Element")
	}
	var deletions differ
	for _, e := range typ.Elements {
		if !ownedByVersion(path, e) {
			d.element(path, e, elements(a, e), elements(b, e), &deletions)
		}
	}
	d.operations = append(d.operations, deletions.operations...)
}

// ownedByVersion reports whether an element is the server's to write.
func ownedByVersion(path string, e *fhir.Element) bool {
	switch {
	case !strings.Contains(path, "."):
		return e.Name == "id"
	case strings.HasSuffix(path, ".meta") && strings.Count(path, ".") == 1:
		return e.Name == "versionId" || e.Name == "lastUpdated"
	}
	return false
}

func elements(n fhir.Node, e *fhir.Element) []fhir.Node {
	var all []fhir.Node
	for c := range n.Children() {
		if c.Element().Name == e.Name {
			all = append(all, c)
		}
	}
	return all
}

func (d *differ) element(parent string, e *fhir.Element, a, b []fhir.Node, deletions *differ) {
	path := parent + "." + name(e)
	if e.Max == 1 {
		switch {
		case len(a) == 0 && len(b) == 0:
		case len(a) == 0:
			d.emit("add", parent, "name", `"valueString":"`+e.Name+`"`, "value", asPart(b[0]))
		case len(b) == 0:
			deletions.emit("delete", path)
		default:
			d.value(path, a[0], b[0])
		}
		return
	}
	d.list(parent, path, e, a, b, deletions)
}

// name is an element's name as FHIRPath takes it.
func name(e *fhir.Element) string {
	switch e.Name {
	case "div", "mod", "and", "or", "xor", "implies", "true", "false", "is", "as", "in", "contains":
		return "`" + e.Name + "`"
	}
	return e.Name
}

// value compares two values that are both there.
func (d *differ) value(path string, a, b fhir.Node) {
	switch {
	case same(a, b):
	case a.Type() != b.Type(), a.IsPrimitive(), a.Type().Kind == fhir.KindResource:
		d.emit("replace", path, "value", asPart(b))
	default:
		d.object(path, a, b)
	}
}

// list compares lists: what both begin and end with stays, what is between is
// changed item by item.
func (d *differ) list(parent, path string, e *fhir.Element, a, b []fhir.Node, deletions *differ) {
	first := 0
	for first < len(a) && first < len(b) && same(a[first], b[first]) {
		first++
	}
	tail := 0
	for tail < len(a)-first && tail < len(b)-first && same(a[len(a)-1-tail], b[len(b)-1-tail]) {
		tail++
	}
	aEnd, bEnd := len(a)-tail, len(b)-tail
	for i := first; i < min(aEnd, bEnd); i++ {
		d.value(indexed(path, i), a[i], b[i])
	}
	for i := aEnd; i < bEnd; i++ {
		if tail == 0 {
			d.emit("add", parent, "name", `"valueString":"`+e.Name+`"`, "value", asPart(b[i]))
		} else {
			d.emit("insert", path, "index", `"valueInteger":`+strconv.Itoa(i), "value", asPart(b[i]))
		}
	}
	for i := aEnd - 1; i >= bEnd; i-- {
		deletions.emit("delete", indexed(path, i))
	}
}

func indexed(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// same reports whether two values are the same, companions included.
func same(a, b fhir.Node) bool {
	if a.Type() != b.Type() {
		return false
	}
	if !a.IsPrimitive() {
		return equal(a.Raw(), b.Raw())
	}
	x, y := raw(a), raw(b)
	if (x == "") != (y == "") || x != "" && !equal([]byte(x), []byte(y)) {
		return false
	}
	x, y = companion(a), companion(b)
	return x == y || x != "" && y != "" && equal([]byte(x), []byte(y))
}

// companion is the JSON of a primitive's id and extensions, "" for none.
func companion(n fhir.Node) string {
	var members []string
	var extensions []string
	for c := range n.Children() {
		if c.Name() == "extension" {
			extensions = append(extensions, raw(c))
		} else {
			members = append(members, `"`+c.Property().JSON+`":`+raw(c))
		}
	}
	if len(extensions) > 0 {
		members = append(members, `"extension":[`+strings.Join(extensions, ",")+`]`)
	}
	if len(members) == 0 {
		return ""
	}
	return "{" + strings.Join(members, ",") + "}"
}

// asPart is what a parameter holds beside its name to be a value: value[x],
// resource, or parts for the types that a parameter cannot hold.
func asPart(n fhir.Node) string {
	if n.Type().Kind == fhir.KindResource {
		return `"resource":` + raw(n)
	}
	key := parameterKey(n)
	if key == "" {
		return `"part":[` + strings.Join(parts(n), ",") + `]`
	}
	var members []string
	if text := raw(n); text != "" {
		members = append(members, `"`+key+`":`+text)
	}
	if n.IsPrimitive() {
		if text := companion(n); text != "" {
			members = append(members, `"_`+key+`":`+text)
		}
	}
	return strings.Join(members, ",")
}

// parameterKey is the property of a parameter that holds values of a type, ""
// where none does. XHTML goes as a string.
func parameterKey(n fhir.Node) string {
	wanted := n.Type().Name
	if wanted == "xhtml" {
		wanted = "string"
	}
	for _, p := range n.Tree().Schema.Type("Parameters.parameter").Element("value").Properties {
		if p.Type.Name == wanted {
			return p.JSON
		}
	}
	return ""
}

func parts(n fhir.Node) []string {
	var all []string
	for c := range n.Children() {
		all = append(all, `{"name":"`+c.Name()+`",`+asPart(c)+`}`)
	}
	return all
}

package patch

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// JSON applies a JSON Patch to a resource in JSON. A malformed patch is
// KindInvalid, an operation that cannot be carried out KindUnprocessable.
// http://hl7.org/fhir/R4/http.html#patch, RFC 6902
func JSON(resource, patch []byte) ([]byte, error) {
	e := editor{src: resource}
	if err := e.jsonPatch(patch); err != nil {
		return nil, err
	}
	if err := e.tidy(); err != nil {
		return nil, err
	}
	return e.src, nil
}

// A jsonOperation is one operation of a JSON Patch.
type jsonOperation struct {
	op, path, from string
	value          string // raw, "" where there is none
}

func (e *editor) jsonPatch(patch []byte) error {
	operations, err := parseJSONPatch(patch)
	if err != nil {
		return err
	}
	for i := range operations {
		o := &operations[i]
		if err := e.jsonOperation(o); err != nil {
			return atOperation(err, i, o.op, o.path)
		}
	}
	return nil
}

// atOperation says which operation an error is about.
func atOperation(err error, i int, op, path string) error {
	e, ok := err.(*fhir.Error)
	if !ok || len(e.Issues) == 0 {
		return err
	}
	located := &fhir.Error{Kind: e.Kind, Issues: slices.Clone(e.Issues), Cause: e.Cause}
	located.Issues[0].Diagnostics = "operation " + strconv.Itoa(i) + " of the patch (" + op + " " + strconv.Quote(path) + "): " + e.Issues[0].Diagnostics
	return located
}

func parseJSONPatch(patch []byte) ([]jsonOperation, error) {
	at := skipSpace(patch, 0)
	if !readable(patch) || patch[at] != '[' {
		return nil, fhir.Errorf(fhir.KindInvalid, `a JSON Patch is a JSON array in UTF-8 of operations, such as [{"op":"replace","path":"/active","value":true}]`)
	}
	all := items(patch, at)
	if len(all) > maxOperations {
		return nil, fhir.Errorf(fhir.KindTooCostly, "the patch has %d operations; at most %d are allowed", len(all), maxOperations)
	}
	operations := make([]jsonOperation, len(all))
	for i, s := range all {
		if err := operations[i].parse(patch[s.start:s.end]); err != nil {
			return nil, fhir.Errorf(fhir.KindInvalid, "operation %d of the patch %v", i, err)
		}
	}
	return operations, nil
}

type problem string

func (p problem) Error() string { return string(p) }

func (o *jsonOperation) parse(src []byte) error {
	if src[0] != '{' {
		return problem("is not an object")
	}
	given := map[string]bool{}
	for _, m := range members(src, 0) {
		raw := src[m.value:m.end]
		var to *string
		switch m.name {
		case "op":
			to = &o.op
		case "path":
			to = &o.path
		case "from":
			to = &o.from
		case "value":
			o.value = string(raw)
		default:
			continue // RFC 6902 section 4 has them ignored
		}
		if given[m.name] {
			return problem("has " + m.name + " twice")
		}
		given[m.name] = true
		if to != nil {
			if raw[0] != '"' {
				return problem("has a " + m.name + " that is not a string")
			}
			*to = text(raw)
		}
	}
	return o.check(given)
}

func (o *jsonOperation) check(given map[string]bool) error {
	need := ""
	switch o.op {
	case "add", "replace", "test":
		need = "value"
	case "move", "copy":
		need = "from"
	case "remove":
	case "":
		return problem(`has no "op"`)
	default:
		return problem("has the op " + strconv.Quote(o.op) + "; there are add, remove, replace, move, copy and test")
	}
	if !given["path"] {
		return problem(`has no "path"`)
	}
	if need != "" && !given[need] {
		return problem(`has no "` + need + `", which ` + o.op + " needs")
	}
	return nil
}

func (e *editor) jsonOperation(o *jsonOperation) error {
	switch o.op {
	case "add":
		return e.add(o.path, o.value)
	case "remove":
		_, err := e.take(o.path)
		return err
	case "replace":
		s, err := e.value(o.path)
		if err != nil {
			return err
		}
		return e.replace(s, o.value)
	case "move":
		return e.move(o.from, o.path)
	case "copy":
		s, err := e.value(o.from)
		if err != nil {
			return err
		}
		return e.add(o.path, string(e.src[s.start:s.end]))
	}
	s, err := e.value(o.path)
	if err != nil {
		return err
	}
	if !equal(e.src[s.start:s.end], []byte(o.value)) {
		return unprocessable("the value there is not the one that is asked for")
	}
	return nil
}

func unprocessable(format string, args ...any) *fhir.Error {
	return fhir.Errorf(fhir.KindUnprocessable, format, args...)
}

func (e *editor) move(from, to string) error {
	if strings.HasPrefix(to, from+"/") {
		return unprocessable("%q lies inside of %q, and nothing can be moved into itself", to, from)
	}
	if from == to {
		_, err := e.value(from)
		return err
	}
	value, err := e.take(from)
	if err != nil {
		return err
	}
	return e.add(to, value)
}

// A place is what the last part of a JSON Pointer names inside a container.
type place struct {
	container int // offset; -1 where the pointer is the whole text
	object    bool
	key       string
	index     int  // among members or items; of an array it may be one past the end
	count     int  // of members or items
	value     span // where it exists
	exists    bool
}

// find resolves a JSON Pointer, of which the last part need not exist.
// RFC 6901
func (e *editor) find(pointer string) (place, error) {
	start := skipSpace(e.src, 0)
	p := place{container: -1, value: span{start, valueEnd(e.src, start)}, exists: true}
	if pointer == "" {
		return p, nil
	}
	if pointer[0] != '/' {
		return p, unprocessable("%q is not a JSON Pointer: it must begin with /", pointer)
	}
	done := ""
	for part := range strings.SplitSeq(pointer[1:], "/") {
		if !p.exists {
			return p, unprocessable("there is no %s", done)
		}
		done += "/" + part
		next, err := e.step(p.value.start, part, done)
		if err != nil {
			return p, err
		}
		p = next
	}
	return p, nil
}

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// step goes one part of a pointer down from the value at an offset.
func (e *editor) step(at int, part, pointer string) (place, error) {
	p := place{container: at}
	switch e.src[at] {
	case '{':
		p.object, p.key = true, unescapePointer.Replace(part)
		all := members(e.src, at)
		p.count = len(all)
		if p.index = named(all, p.key); p.index >= 0 {
			p.value, p.exists = span{all[p.index].value, all[p.index].end}, true
		}
		return p, nil
	case '[':
		all := items(e.src, at)
		p.count = len(all)
		if part == "-" {
			p.index = p.count
			return p, nil
		}
		n, err := strconv.Atoi(part)
		if err != nil || strconv.Itoa(n) != part || n < 0 {
			return p, unprocessable("%s: %q is not the index of an item", pointer, part)
		}
		if p.index = n; n < p.count {
			p.value, p.exists = all[n], true
		}
		return p, nil
	}
	return p, unprocessable("%s: what is above it is neither an object nor an array", pointer)
}

// value resolves a pointer to a value that must exist.
func (e *editor) value(pointer string) (span, error) {
	p, err := e.find(pointer)
	if err == nil && !p.exists {
		err = unprocessable("there is no %s", pointer)
	}
	return p.value, err
}

func (e *editor) add(pointer, value string) error {
	p, err := e.find(pointer)
	switch {
	case err != nil:
		return err
	case p.container < 0, p.object && p.exists:
		return e.replace(p.value, value)
	case p.object:
		return e.addMember(p.container, p.key, value)
	case p.index > p.count:
		return unprocessable("the array has %d items; index %d is beyond its end", p.count, p.index)
	}
	return e.insertItem(p.container, p.index, value)
}

// take removes a value and returns it.
func (e *editor) take(pointer string) (string, error) {
	p, err := e.find(pointer)
	if err != nil {
		return "", err
	}
	value := string(e.src[p.value.start:p.value.end])
	switch {
	case p.container < 0:
		return "", unprocessable("the whole resource cannot be removed by a patch; delete it")
	case !p.exists:
		return "", unprocessable("there is no %s", pointer)
	case p.object:
		return value, e.removeMember(p.container, p.index)
	}
	return value, e.removeItem(p.container, p.index)
}

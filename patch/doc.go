// Package patch owns the three patch formats of FHIR in JSON: JSON Patch
// (RFC 6902), JSON Merge Patch (RFC 7396) and FHIRPath Patch
// (http://hl7.org/fhir/R4/fhirpatch.html), and Diff, which writes the last.
//
// Each works on the bytes of the resource: what an operation does not touch
// stays byte for byte, decimals and white space included. Elements that lose
// their last value go too, as FHIR knows no empty ones.
//
// It leaves to others: which resource is patched, whether the result is valid,
// and storing it (datastore).
package patch

import (
	"github.com/tarnhealth/tarn/fhir"
)

// Limits of one patch: each operation reads and writes the whole resource.
const (
	maxOperations = 10_000
	maxGrowth     = 16 << 20 // bytes that the resource may grow by
	maxWork       = 2 << 30  // bytes copied by all operations together
)

// An editor changes a JSON text in place of a tree: by splicing its bytes.
// The text must be valid JSON. Offsets into it stay good up to the place of
// an edit.
type editor struct {
	src   []byte
	limit int // of len(src), set by the first splice
	work  int
	// sentEmpty is set where a value that went in holds an empty object or
	// array: such are for the reader to refuse, not to be tidied away.
	sentEmpty bool
	// removed is set once something was taken out.
	removed bool
}

func (e *editor) splice(edits ...fhir.Edit) error {
	if e.limit == 0 {
		e.limit = len(e.src) + maxGrowth
	}
	e.src = fhir.Splice(e.src, edits)
	e.work += len(e.src)
	switch {
	case len(e.src) > e.limit:
		return fhir.Errorf(fhir.KindTooLarge, "the patch makes the resource grow by more than %d bytes", maxGrowth)
	case e.work > maxWork:
		return fhir.Errorf(fhir.KindTooCostly, "the patch has too many operations for a resource of this size; send it in parts")
	}
	return nil
}

// replace puts a value in the place of another.
func (e *editor) replace(s span, value string) error {
	e.note(value)
	return e.splice(fhir.Edit{Start: s.start, End: s.end, Text: value})
}

// addMember adds a member to the object at an offset, after its last one and
// with the white space of the others.
func (e *editor) addMember(object int, key, value string) error {
	e.note(value)
	name := string(fhir.AppendString(nil, key))
	all := members(e.src, object)
	if len(all) == 0 {
		return e.splice(fhir.Edit{Start: object + 1, End: object + 1, Text: name + ":" + value})
	}
	last := all[len(all)-1]
	lead, colon := string(e.src[object+1:all[0].start]), string(e.src[last.keyEnd:last.value])
	return e.splice(fhir.Edit{Start: last.end, End: last.end, Text: "," + lead + name + colon + value})
}

// removeMember takes the i-th member out of the object at an offset.
func (e *editor) removeMember(object, i int) error {
	e.removed = true
	all := members(e.src, object)
	spans := make([]span, len(all))
	for j, m := range all {
		spans[j] = m.span()
	}
	return e.splice(cut(spans, i)...)
}

// insertItem puts a value before the i-th item of the array at an offset, or
// after the last.
func (e *editor) insertItem(array, i int, value string) error {
	e.note(value)
	all := items(e.src, array)
	if len(all) == 0 {
		return e.splice(fhir.Edit{Start: array + 1, End: array + 1, Text: value})
	}
	lead := string(e.src[array+1 : all[0].start])
	if i < len(all) {
		return e.splice(fhir.Edit{Start: all[i].start, End: all[i].start, Text: value + "," + lead})
	}
	end := all[len(all)-1].end
	return e.splice(fhir.Edit{Start: end, End: end, Text: "," + lead + value})
}

func (e *editor) removeItem(array, i int) error {
	e.removed = true
	return e.splice(cut(items(e.src, array), i)...)
}

func (e *editor) note(value string) { e.sentEmpty = e.sentEmpty || holdsEmpty(value) }

// tidy takes out the objects and arrays that removing has left empty.
func (e *editor) tidy() error {
	if !e.removed || e.sentEmpty {
		return nil
	}
	edits, empty := prune(e.src, skipSpace(e.src, 0), false)
	if empty || len(edits) == 0 {
		return nil
	}
	return e.splice(edits...)
}

// cut takes one of the members or items of a container out, with a comma.
func cut(all []span, i int) []fhir.Edit {
	kept := make([]bool, len(all))
	for j := range kept {
		kept[j] = j != i
	}
	return cuts(all, kept)
}

// cuts takes out all that is not kept, each with the comma that goes with it.
func cuts(all []span, kept []bool) []fhir.Edit {
	first := 0
	for first < len(kept) && !kept[first] {
		first++
	}
	if first == len(all) && first > 0 {
		return []fhir.Edit{{Start: all[0].start, End: all[first-1].end}}
	}
	var edits []fhir.Edit
	for i := range all {
		switch {
		case kept[i]:
		case i < first: // with the comma after it
			edits = append(edits, fhir.Edit{Start: all[i].start, End: all[i+1].start})
		default: // with the comma before it
			edits = append(edits, fhir.Edit{Start: all[i-1].end, End: all[i].end})
		}
	}
	return edits
}

// prune finds what to take out of the value at an offset so that nothing in it
// is empty; empty says that all of it is. In the arrays of primitives'
// companions ("_given") an empty item becomes null, so that the others keep
// their places.
func prune(src []byte, at int, companion bool) (edits []fhir.Edit, empty bool) {
	switch src[at] {
	case '{':
		all := members(src, at)
		spans, kept := make([]span, len(all)), make([]bool, len(all))
		for i, m := range all {
			inner, gone := prune(src, m.value, src[m.start+1] == '_')
			spans[i], kept[i] = m.span(), !gone
			edits = appendKept(edits, inner, gone)
		}
		return append(edits, cuts(spans, kept)...), !anyKept(kept)
	case '[':
		all := items(src, at)
		kept := make([]bool, len(all))
		for i, s := range all {
			inner, gone := prune(src, s.start, false)
			kept[i] = !gone && !(companion && src[s.start] == 'n')
			if companion && gone {
				inner, gone = []fhir.Edit{{Start: s.start, End: s.end, Text: "null"}}, false
			}
			edits = appendKept(edits, inner, gone)
		}
		if companion && anyKept(kept) {
			return edits, false
		}
		return append(edits, cuts(all, kept)...), !anyKept(kept)
	}
	return nil, false
}

func appendKept(edits, inner []fhir.Edit, gone bool) []fhir.Edit {
	if gone {
		return edits
	}
	return append(edits, inner...)
}

func anyKept(kept []bool) bool {
	for _, k := range kept {
		if k {
			return true
		}
	}
	return false
}

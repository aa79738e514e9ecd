package fhir

import (
	"cmp"
	"fmt"
	"slices"
)

// An Edit replaces the bytes from Start to End with Text, which goes in as it
// is: use AppendString for the text of a JSON string.
type Edit struct {
	Start, End int
	Text       string
}

// Splice returns a copy of src with the edits applied. It sorts edits in place
// by Start; edits at the same place keep their order. Edits may touch but not
// overlap: Splice panics where they do or where one lies outside src.
func Splice(src []byte, edits []Edit) []byte { return appendSpliced(nil, src, edits) }

// appendSpliced is Splice with the copy appended to out.
func appendSpliced(out, src []byte, edits []Edit) []byte {
	sortEdits(edits)
	size, from := len(src), 0
	for _, e := range edits {
		if e.Start < from || e.End < e.Start || e.End > len(src) {
			panic(fmt.Sprintf("fhir: edit %d:%d of %d bytes overlaps another or lies outside", e.Start, e.End, len(src)))
		}
		size += len(e.Text) - (e.End - e.Start)
		from = e.End
	}
	if cap(out)-len(out) < size {
		// What was appended before stays where it is.
		grown := make([]byte, len(out), len(out)+max(size, len(out)))
		copy(grown, out)
		out = grown
	}
	from = 0
	for _, e := range edits {
		out = append(out, src[from:e.Start]...)
		out = append(out, e.Text...)
		from = e.End
	}
	return append(out, src[from:]...)
}

func sortEdits(edits []Edit) {
	slices.SortStableFunc(edits, func(a, b Edit) int { return cmp.Compare(a.Start, b.Start) })
}

// moved is where an offset of the source is after the edits. An offset at the
// end of an edit, or where one inserts, lies behind the new text.
func moved(edits []Edit, at int) int {
	shift := 0
	for _, e := range edits {
		if e.End <= at {
			shift += len(e.Text) - (e.End - e.Start)
		} else if e.Start < at {
			return e.Start + shift
		}
	}
	return at + shift
}

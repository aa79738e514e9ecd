package fhir

import (
	"slices"
	"time"
)

// A Body is a resource as it is stored: the client's bytes with the id set and
// without meta.versionId and meta.lastUpdated, which belong to the version and
// are written into place whenever the resource is sent.
type Body struct {
	JSON []byte
	// At is the offset in JSON where the version's part of meta goes.
	At int
	// Form says how it goes there.
	Form MetaForm
}

// MetaForm says what the version's part of meta needs around it.
type MetaForm uint8

// The forms.
const (
	MetaAlone  MetaForm = iota // inside an otherwise empty meta object
	MetaBefore                 // inside meta, before other members
	MetaWhole                  // no meta object yet: a member of the resource, after another
)

// TimeLayout is how Tarn writes instants: UTC with milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// appendTime appends a time in TimeLayout, in a fifth of the time that a layout
// takes: every resource that is answered has one.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 1000 || year > 9999 {
		return t.AppendFormat(b, TimeLayout)
	}
	hour, minute, second := t.Clock()
	b = append(appendTwo(appendTwo(b, year/100), year%100), '-')
	b = append(appendTwo(b, int(month)), '-')
	b = append(appendTwo(b, day), 'T')
	b = append(appendTwo(b, hour), ':')
	b = append(appendTwo(b, minute), ':')
	b = append(appendTwo(b, second), '.')
	millis := t.Nanosecond() / int(time.Millisecond)
	return append(appendTwo(append(b, byte('0'+millis/100)), millis%100), 'Z')
}

func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// Append appends the resource with its version's meta to b.
func (d Body) Append(b []byte, versionID string, lastUpdated time.Time) []byte {
	b = append(b, d.JSON[:d.At]...)
	if d.Form == MetaWhole {
		b = append(b, `,"meta":{`...)
	}
	b = append(b, `"versionId":"`...)
	b = append(b, versionID...)
	b = append(b, `","lastUpdated":"`...)
	b = appendTime(b, lastUpdated)
	b = append(b, '"')
	switch d.Form {
	case MetaWhole:
		b = append(b, '}')
	case MetaBefore:
		b = append(b, ',')
	}
	return append(b, d.JSON[d.At:]...)
}

// NewBody is the body to store of a resource under an id: the source bytes
// with id set and the client's meta.versionId and meta.lastUpdated removed.
// All other bytes stay as they are; white space around the resource is not
// part of it. JSON is a copy, except of what Rewrite made where nothing is to be
// changed: it does not share the source's memory with anybody else.
//
// A body made again from what Append wrote, under the same id, is the same.
func NewBody(resource Node, id string) Body {
	body, _ := AppendBody(nil, resource, id)
	return body
}

// AppendBody is NewBody with JSON in the memory of b, to which it is appended
// where it is a copy.
func AppendBody(b []byte, resource Node, id string) (Body, []byte) {
	src := resource.Raw()
	edits, at := idEdit(src, resource, id)
	if meta := resource.Child("meta"); meta.Exists() {
		var cuts []Edit
		cuts, at = metaCuts(src, resource, meta, at)
		edits = append(edits, cuts...)
	}
	if len(edits) == 0 && resource.tree.owned {
		return Body{JSON: src, At: at.offset - at.back, Form: at.form}, b
	}
	start := len(b)
	b = appendSpliced(b, src, edits)
	json := b[start:len(b):len(b)]
	return Body{JSON: json, At: moved(edits, at.offset) - at.back, Form: at.form}, b
}

// place is where the version's part of meta goes: back bytes before where
// offset, in the source, lies after the edits.
type place struct {
	offset, back int
	form         MetaForm
}

// within is a node's span relative to the resource that holds it, quotes
// included.
func within(resource, n Node) (start, end int) {
	from, _ := resource.Span()
	start, end = n.Span()
	if n.node().kind == nodeString {
		start, end = start-1, end+1
	}
	return start - from, end - from
}

// idEdit sets the id and says where a whole meta may follow it.
func idEdit(src []byte, resource Node, id string) ([]Edit, place) {
	n := resource.Child("id")
	if n.HasValue() && n.View() == id {
		_, end := within(resource, n)
		return nil, place{end, 0, MetaWhole}
	}
	text := string(AppendString(nil, id))
	if n.HasValue() {
		start, end := within(resource, n)
		return []Edit{{start, end, text}}, place{end, 0, MetaWhole}
	}
	// The new member copies the white space of the first one.
	first := members(src, 1)[0]
	lead := string(src[1:first.start])
	member := `"id"` + string(src[first.keyEnd:first.value]) + text
	if first.name(src) == "resourceType" {
		return []Edit{{first.end, first.end, "," + lead + member}}, place{first.end, 0, MetaWhole}
	}
	after := "," + lead
	return []Edit{{first.start, first.start, member + after}}, place{first.start, len(after), MetaWhole}
}

// metaCuts removes versionId and lastUpdated and says where the version's own
// go; afterID is the place after the id.
func metaCuts(src []byte, resource, meta Node, afterID place) ([]Edit, place) {
	start, end := within(resource, meta)
	if !versioned(meta) {
		first := start + 1
		for src[first] != '"' { // white space
			first++
		}
		return nil, place{first, 0, MetaBefore}
	}
	inner := members(src[start:end], -1)
	var kept []bool
	for _, m := range inner {
		kept = append(kept, !ownedByVersion(m.name(src[start:end])))
	}
	first := slices.Index(kept, true)
	if first < 0 {
		return emptyMeta(src, start, end, afterID)
	}
	var cuts []Edit
	for i, m := range inner {
		switch {
		case kept[i]:
		case i < first: // with the comma after it
			cuts = append(cuts, Edit{start + m.start, start + inner[i+1].start, ""})
		default: // with the comma before it
			cuts = append(cuts, Edit{start + inner[i-1].end, start + m.end, ""})
		}
	}
	return cuts, place{start + inner[first].start, 0, MetaBefore}
}

// versioned reports whether a meta has something that is the server's to write,
// or nothing at all.
func versioned(meta Node) bool {
	if !meta.First().Exists() {
		return true
	}
	for c := meta.First(); c.Exists(); c = c.Next() {
		if ownedByVersion(c.Name()) {
			return true
		}
	}
	return false
}

// ownedByVersion reports whether a member of meta is the server's to write.
func ownedByVersion(name string) bool {
	switch name {
	case "versionId", "lastUpdated", "_versionId", "_lastUpdated":
		return true
	}
	return false
}

// emptyMeta removes all that a meta holds. A meta that stands as Append writes
// it goes as a whole, so that a resource read and sent back makes the body it
// came from; so does one that is the first member.
func emptyMeta(src []byte, start, end int, afterID place) ([]Edit, place) {
	const lead = `,"meta":`
	if from := start - len(lead); from > 0 && string(src[from:start]) == lead {
		return []Edit{{from, end, ""}}, place{from, 0, MetaWhole}
	}
	if m := members(src, 2); m[0].value == start {
		return []Edit{{m[0].start, m[1].start, ""}}, afterID
	}
	return []Edit{{start + 1, end - 1, ""}}, place{start + 1, 0, MetaAlone}
}

// A member is one member of a JSON object: where its key begins and ends,
// quotes included, and its value begins and ends.
type member struct{ start, keyEnd, value, end int }

// name is the member's key.
func (m member) name(src []byte) string { return unescape(src[m.start+1 : m.keyEnd-1]) }

// members finds the first members of an object that Parse has accepted, at
// most n of them; all where n is negative.
func members(object []byte, n int) []member {
	p := parser{src: object, at: 1, limits: Limits{Depth: len(object)}}
	var found []member
	for len(found) != n && p.next() == '"' {
		m := member{start: p.at}
		p.text()
		m.keyEnd = p.at
		p.next() // the colon
		p.at++
		p.next()
		m.value = p.at
		p.skip()
		m.end = p.at
		found = append(found, m)
		if p.next() == ',' {
			p.at++
			p.next()
		}
	}
	return found
}

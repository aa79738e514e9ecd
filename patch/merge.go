package patch

import (
	"bytes"

	"github.com/tarnhealth/tarn/fhir"
)

// Merge applies a JSON Merge Patch to a resource in JSON. A malformed patch
// is KindInvalid. RFC 7396
func Merge(resource, patch []byte) ([]byte, error) {
	if !readable(patch) || patch[skipSpace(patch, 0)] != '{' {
		return nil, fhir.Errorf(fhir.KindInvalid, `a JSON Merge Patch is a JSON object in UTF-8 that holds what is to change, such as {"active":true}`)
	}
	e := editor{src: resource}
	if err := e.mergePatch(patch); err != nil {
		return nil, err
	}
	if err := e.tidy(); err != nil {
		return nil, err
	}
	return e.src, nil
}

// mergePatch applies a merge patch that is valid JSON of any kind.
func (e *editor) mergePatch(patch []byte) error {
	from, at := skipSpace(patch, 0), skipSpace(e.src, 0)
	if patch[from] == '{' && e.src[at] == '{' {
		return e.splice(e.merge(at, patch, from)...)
	}
	return e.splice(fhir.Edit{Start: at, End: valueEnd(e.src, at), Text: e.plain(patch[from:valueEnd(patch, from)])})
}

// plain is a value of a patch as it stands where nothing was: without nulls.
func (e *editor) plain(value []byte) string {
	if value[0] != '{' || !bytes.Contains(value, []byte("null")) {
		e.note(string(value))
		return string(value)
	}
	all := members(value, 0)
	text, comma := "{", ""
	for i, m := range all {
		if value[m.value] != 'n' && lastNamed(all, i) {
			text += comma + string(value[m.start:m.keyEnd]) + ":" + e.plain(value[m.value:m.end])
			comma = ","
		}
	}
	return text + "}"
}

// lastNamed reports whether no later member has the name of the i-th: of
// members that repeat a name the last one counts.
func lastNamed(all []member, i int) bool { return named(all[i+1:], all[i].name) < 0 }

// merge makes the edits that a patch's object asks of the object at an offset.
func (e *editor) merge(at int, patch []byte, from int) []fhir.Edit {
	all := members(e.src, at)
	spans, kept := make([]span, len(all)), make([]bool, len(all))
	for i, m := range all {
		spans[i], kept[i] = m.span(), true
	}
	var edits []fhir.Edit
	var added [][2]string
	wanted := members(patch, from)
	for i, w := range wanted {
		if !lastNamed(wanted, i) {
			continue
		}
		j, value := named(all, w.name), patch[w.value:w.end]
		switch {
		case value[0] == 'n' && j < 0:
		case value[0] == 'n':
			kept[j], e.removed = false, true
		case j < 0:
			added = append(added, [2]string{string(patch[w.start:w.keyEnd]), e.plain(value)})
		case value[0] == '{' && e.src[all[j].value] == '{':
			edits = append(edits, e.merge(all[j].value, patch, w.value)...)
		default:
			edits = append(edits, fhir.Edit{Start: all[j].value, End: all[j].end, Text: e.plain(value)})
		}
	}
	return append(edits, e.mergeMembers(at, all, spans, kept, added)...)
}

// mergeMembers takes members out of the object at an offset and adds others
// after those that stay.
func (e *editor) mergeMembers(at int, all []member, spans []span, kept []bool, added [][2]string) []fhir.Edit {
	last := len(all) - 1
	for last >= 0 && !kept[last] {
		last--
	}
	lead, colon, comma, place := "", ":", "", at+1
	if len(all) > 0 {
		lead, colon = string(e.src[at+1:all[0].start]), string(e.src[all[0].keyEnd:all[0].value])
	}
	if last >= 0 {
		comma, place = ","+lead, all[last].end
	}
	text := ""
	for _, a := range added {
		text += comma + a[0] + colon + a[1]
		comma = "," + lead
	}
	removals := cuts(spans, kept)
	if last < 0 && len(all) > 0 {
		removals[0].Text = text
		return removals
	}
	if text == "" {
		return removals
	}
	return append([]fhir.Edit{{Start: place, End: place, Text: text}}, removals...)
}

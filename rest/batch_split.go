package rest

import (
	"encoding/json"
	"errors"

	"github.com/tarnhealth/tarn/fhir"
)

// splitBatch reads a batch that as a whole does not parse, entry by entry: the
// entries of a batch are independent, so the ones that are FHIR are carried
// out and the others answered each with what is wrong. It returns nil where the
// body is not a batch, or not JSON, or is wrong outside its entries.
func (r *request) splitBatch(src []byte) []*entry {
	var bundle struct {
		ResourceType, Type string
		Entry              []json.RawMessage
	}
	if json.Unmarshal(src, &bundle) != nil || bundle.ResourceType != "Bundle" || bundle.Type != "batch" {
		return nil
	}
	if len(bundle.Entry) > r.h.MaxEntries || !r.soundApartFromEntries(src) {
		return nil
	}
	entries := make([]*entry, len(bundle.Entry))
	for i, raw := range bundle.Entry {
		entries[i] = r.splitEntry(i, raw)
	}
	return entries
}

// soundApartFromEntries reports whether the Bundle without its entries parses.
func (r *request) soundApartFromEntries(src []byte) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(src, &members) != nil {
		return false
	}
	delete(members, "entry")
	rest, err := json.Marshal(members)
	if err != nil {
		return false
	}
	_, err = r.store.Parse(rest)
	return err == nil
}

func (r *request) splitEntry(index int, raw json.RawMessage) *entry {
	var named struct {
		FullURL string `json:"fullUrl"`
	}
	_ = json.Unmarshal(raw, &named) // of what is not FHIR too, to which others may refer
	e := &entry{index: index, fullURL: named.FullURL}
	single := append([]byte(`{"resourceType":"Bundle","type":"batch","entry":[`), raw...)
	tree, err := r.store.Parse(append(single, "]}"...))
	if err != nil {
		e.err = relocate(err, index)
		return e
	}
	node := tree.Root().Child("entry")
	e.err = r.readEntry(e, node)
	return e
}

// relocate moves the locations of an error in an entry that was parsed as the
// only one to its place in the Bundle.
func relocate(err error, index int) error {
	var e *fhir.Error
	if !errors.As(err, &e) {
		return err
	}
	moved := &fhir.Error{Kind: e.Kind, Cause: e.Cause}
	for _, issue := range e.Issues {
		issue.Line, issue.Column = 0, 0
		if _, rest, ok := entryIndex(issue.Expression); ok {
			issue.Expression = entryPath(index) + rest
		}
		moved.Issues = append(moved.Issues, issue)
	}
	return moved
}

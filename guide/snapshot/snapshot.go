// Package snapshot owns the making of snapshots: all elements of a profile, from
// what its differential says and from the profile or type that it is based on.
//
// It leaves to others: where definitions are found (guide), and what a snapshot
// demands (validate/profile).
//
// http://hl7.org/fhir/R4/profiling.html#snapshot
package snapshot

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A Find finds StructureDefinitions, as JSON, by canonical URL with or without a
// |version; nil where there is none.
type Find func(canonical string) ([]byte, error)

// maxChain is how many profiles may be based on each other.
const maxChain = 32

// maxElements bounds what a differential may blow up to.
const maxElements = 50_000

// base is where R4's own types are.
const base = "http://hl7.org/fhir/StructureDefinition/"

// definition is what matters of a StructureDefinition.
type definition struct {
	URL            string `json:"url"`
	Type           string `json:"type"`
	Derivation     string `json:"derivation"`
	BaseDefinition string `json:"baseDefinition"`
	Snapshot       struct {
		Element []element `json:"element"`
	} `json:"snapshot"`
	Differential struct {
		Element []element `json:"element"`
	} `json:"differential"`
}

// Generate is a StructureDefinition, as JSON, with a snapshot made of its
// differential; one that has a snapshot stays as it is. A definition that it
// needs and find does not have, and a differential that does not fit, are errors
// of KindUnprocessable.
func Generate(src []byte, find Find) ([]byte, error) {
	var d definition
	if err := json.Unmarshal(src, &d); err != nil {
		return nil, unusable("", "it cannot be read: %v", err)
	}
	if len(d.Snapshot.Element) > 0 {
		return src, nil
	}
	g := &generator{find: find, known: map[string][]element{}}
	elements, err := g.generate(&d)
	if err != nil {
		return nil, err
	}
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(src, &whole); err != nil {
		return nil, unusable(d.URL, "it cannot be read: %v", err)
	}
	if whole["snapshot"], err = json.Marshal(map[string]any{"element": elements}); err != nil {
		return nil, err
	}
	return json.Marshal(whole)
}

// ErrNotKnown says that a definition that a profile is based on is not known: it
// may be one day.
var ErrNotKnown = errors.New("snapshot: a definition is not known")

func notKnown(url, of string) error {
	e := fhir.Errorf(fhir.KindUnprocessable, "no snapshot can be made of the profile %s: it is based on %s, which is not known here", url, of)
	return e.Because(ErrNotKnown)
}

func unusable(url, format string, args ...any) error {
	e := fhir.Errorf(fhir.KindUnprocessable, format, args...)
	e.Issues[0].Diagnostics = "no snapshot can be made of the profile " + url + ": " + e.Issues[0].Diagnostics
	return e
}

// A generator makes one snapshot, and those that it needs for it.
type generator struct {
	find Find
	// known are the elements of definitions, by canonical URL.
	known map[string][]element
	// chain are the profiles that are being made.
	chain []string
	made  int
}

// generate makes the elements of a definition.
func (g *generator) generate(d *definition) ([]element, error) {
	switch {
	case slices.Contains(g.chain, d.URL):
		return nil, unusable(d.URL, "it is based on itself, by way of %s", strings.Join(g.chain, ", "))
	case len(g.chain) >= maxChain:
		return nil, unusable(d.URL, "more than %d profiles are based on each other", maxChain)
	case d.BaseDefinition == "" || len(d.Differential.Element) == 0:
		return nil, unusable(d.URL, "it has no baseDefinition or no differential")
	}
	g.chain = append(g.chain, d.URL)
	defer func() { g.chain = g.chain[:len(g.chain)-1] }()
	elements, err := g.elements(d.BaseDefinition)
	if err != nil {
		return nil, err
	}
	if elements == nil {
		return nil, notKnown(d.URL, d.BaseDefinition)
	}
	t, err := build(elements)
	if err != nil {
		return nil, unusable(d.URL, "its base %s: %v", d.BaseDefinition, err)
	}
	m := &merger{generator: g, tree: t, url: d.URL, ids: map[string]string{}}
	for _, e := range d.Differential.Element {
		if err := m.merge(e); err != nil {
			return nil, err
		}
	}
	t.root.settle()
	out := t.root.flatten(nil, "", "")
	if g.made += len(out); g.made > maxElements {
		return nil, unusable(d.URL, "it comes to more than %d elements", maxElements)
	}
	return out, nil
}

// elements are those of the snapshot of a definition; nil where it is not known.
func (g *generator) elements(canonical string) ([]element, error) {
	if known, ok := g.known[canonical]; ok {
		return known, nil
	}
	src, err := g.find(canonical)
	if err != nil || src == nil {
		return nil, err
	}
	var d definition
	if err := json.Unmarshal(src, &d); err != nil {
		return nil, unusable(canonical, "it cannot be read: %v", err)
	}
	elements := d.Snapshot.Element
	if len(elements) == 0 {
		if elements, err = g.generate(&d); err != nil {
			return nil, err
		}
	}
	g.known[canonical] = elements
	return elements, nil
}

package guide

import (
	"encoding/json"
	"fmt"
	"slices"
)

// IndexFormat is that of the text that Index makes. A package whose index has
// another is to be read again from its bytes.
const IndexFormat = 1

// index is a package without its resources.
type index struct {
	Format       int               `json:"format"`
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Canonical    string            `json:"canonical,omitempty"`
	Title        string            `json:"title,omitempty"`
	FHIRVersions []string          `json:"fhirVersions,omitempty"`
	Dependencies map[string]string `json:"dependencies,omitempty"`
	Skipped      []Skipped         `json:"skipped,omitempty"`
	Entries      []Entry           `json:"entries"`
}

// Index is what a package that was read holds, and the compressed text of each
// of its Entries, in their order: what Open makes the package of again, without
// reading any of the resources.
func (p *Package) Index() (text []byte, bodies [][]byte, err error) {
	text, err = json.Marshal(index{
		IndexFormat, p.Name, p.Version, p.Canonical, p.Title, p.FHIRVersions, p.Dependencies, p.Skipped, p.Entries,
	})
	return text, slices.Clone(p.bodies), err
}

// Open makes a package of its index. body gives the compressed text of an entry
// by its place, whenever the resource is asked for; it must be safe for
// concurrent use.
func Open(text []byte, body func(place int) ([]byte, error)) (*Package, error) {
	var i index
	if err := json.Unmarshal(text, &i); err != nil {
		return nil, fmt.Errorf("guide: the index of a package cannot be read: %w", err)
	}
	if i.Format != IndexFormat {
		return nil, fmt.Errorf("guide: the index of %s#%s has the format %d, not %d", i.Name, i.Version, i.Format, IndexFormat)
	}
	p := &Package{
		Name: i.Name, Version: i.Version, Canonical: i.Canonical, Title: i.Title, FHIRVersions: i.FHIRVersions,
		Dependencies: i.Dependencies, Skipped: i.Skipped, Entries: i.Entries,
		places: make(map[string]int, len(i.Entries)), body: body,
	}
	for place := range p.Entries {
		p.places[p.Entries[place].key()] = place
	}
	return p, nil
}

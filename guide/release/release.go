// Package release owns the StructureDefinitions that FHIR R4 itself publishes:
// its types, its profiles and its extensions, as an embedded table of what
// matters for validation (r4.bin, made by go generate from the published
// hl7.fhir.r4.core package).
//
// It leaves to others: what they demand (validate/profile), and the table of
// types that resources are read with (definition).
package release

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/tarnhealth/tarn/definition/packed"
)

//go:generate go run ./internal/pack -in ../../../shared/data/definitions/r4-core-package/hl7.fhir.r4.core-4.0.1.tgz -out r4.bin

//go:embed r4.bin
var r4 []byte

// Version is that of all definitions of the table.
const Version = "4.0.1"

// A Table finds StructureDefinitions. It is immutable and safe for concurrent
// use.
type Table struct {
	bodies map[string][]byte // compressed, by URL
}

// R4 is the table of FHIR R4 (4.0.1). It is unpacked at the first call, which
// takes some tens of milliseconds and a megabyte. It panics where the table that
// the program was built with cannot be read: a test unpacks it, so no build that
// passed its tests does.
var R4 = sync.OnceValue(func() *Table {
	t, err := unpack(r4)
	if err != nil {
		panic(err)
	}
	return t
})

// unpack reads lines of "url TAB json".
func unpack(table []byte) (*Table, error) {
	t := &Table{bodies: map[string][]byte{}}
	err := packed.ReadLines(table, 2, func(parts [][]byte) {
		t.bodies[string(parts[0])] = s2.Encode(nil, parts[1])
	})
	return t, err
}

// Find is the StructureDefinition of a canonical URL, with or without a
// |version, as JSON; nil where there is none. Extensions have no snapshot.
func (t *Table) Find(canonical string) ([]byte, error) {
	url, version, _ := strings.Cut(canonical, "|")
	body, ok := t.bodies[url]
	if !ok || version != "" && version != Version {
		return nil, nil
	}
	return s2.Decode(nil, body)
}

// Has reports whether Find finds a definition.
func (t *Table) Has(canonical string) bool {
	url, version, _ := strings.Cut(canonical, "|")
	return t.bodies[url] != nil && (version == "" || version == Version)
}

// URLs are the canonical URLs of all definitions, in their order.
func (t *Table) URLs() []string {
	urls := make([]string, 0, len(t.bodies))
	for url := range t.bodies {
		urls = append(urls, url)
	}
	slices.Sort(urls)
	return urls
}

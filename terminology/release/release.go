// Package release owns the code systems, value sets and concept maps that FHIR
// R4 itself publishes, as an embedded table of facts: for each resource the
// elements that terminology operations need, one a line, compressed (r4.bin,
// made by go generate from the published hl7.fhir.r4.core package).
//
// It leaves to others: what they mean (terminology).
package release

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/definition/packed"
	"github.com/tarnhealth/tarn/fhir"
)

//go:generate go run ./internal/pack -in ../../../shared/data/definitions/r4-core-package/hl7.fhir.r4.core-4.0.1.tgz -out r4.bin

//go:embed r4.bin
var r4 []byte

// A Table finds resources by type and canonical URL. It is immutable and safe
// for concurrent use.
type Table struct {
	lines map[key]line
	order []key
}

// A key is a resource's type and URL.
type key struct{ of, url string }

// A line is a resource's version and its JSON.
type line struct {
	version string
	json    []byte
}

// R4 is the table of FHIR R4 (4.0.1). It is unpacked at the first call, which
// takes some ten milliseconds and three megabytes. It panics where the table
// that the program was built with cannot be read: a test unpacks it, so no
// build that passed its tests does.
var R4 = sync.OnceValue(func() *Table {
	t, err := unpack(r4)
	if err != nil {
		panic(err)
	}
	return t
})

// unpack reads lines of "type TAB url TAB version TAB json".
func unpack(table []byte) (*Table, error) {
	t := &Table{lines: map[key]line{}}
	err := packed.ReadLines(table, 4, func(parts [][]byte) {
		k := key{string(parts[0]), string(parts[1])}
		t.lines[k] = line{string(parts[2]), parts[3]}
		t.order = append(t.order, k)
	})
	return t, err
}

// Find finds a resource by its canonical URL, with or without a |version; nil
// where there is none.
func (t *Table) Find(resourceType, canonical string) (*fhir.Tree, error) {
	found, ok := t.lines[key{resourceType, canonical}] // R4 has URLs with a version in them
	if !ok {
		url, version, _ := strings.Cut(canonical, "|")
		if found, ok = t.lines[key{resourceType, url}]; !ok || version != found.version {
			return nil, nil
		}
	}
	return fhir.Parse(definition.R4().Schema, found.json, fhir.DefaultLimits)
}

// URLs are the canonical URLs of all resources of a type, in their order.
func (t *Table) URLs(resourceType string) []string {
	var urls []string
	for _, k := range t.order {
		if k.of == resourceType {
			urls = append(urls, k.url)
		}
	}
	return urls
}

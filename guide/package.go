// Package guide owns implementation guides: packages of profiles, extensions,
// value sets and other definitions in the layout of the FHIR package
// specification (.tgz, as NPM has it), read with limits and put together by
// their dependencies.
//
// It leaves to others: what the definitions mean (validate/profile,
// terminology, search/define).
//
// https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
package guide

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// Limits keep a package from outside from exhausting memory and time.
type Limits struct {
	// Files is how many an archive may have, File how many bytes one of them,
	// Total how many all of them.
	Files       int
	File, Total int64
}

// DefaultLimits suit all guides that are published.
var DefaultLimits = Limits{Files: 50_000, File: 64 << 20, Total: 1 << 30}

// A Package is one guide in one version. It is immutable.
type Package struct {
	Name, Version, Canonical, Title string
	FHIRVersions                    []string
	// Digest names its bytes, where somebody keeps it by that; "" else.
	Digest string
	// Dependencies are versions, or patterns of them (1.2.x), by name.
	Dependencies map[string]string
	// Skipped are the files that could not be used, and why.
	Skipped []Skipped
	// Entries say what it holds, in the order of its files.
	Entries []Entry

	places map[string]int // of Entries, by type and URL
	// broken are the files that are no resources, types what the package's own
	// index says of files: both are there while it is read.
	broken []Skipped
	types  map[string]string
	// body is the compressed text of an entry.
	body func(place int) ([]byte, error)
	// bodies are all of them, of a package that was just read.
	bodies [][]byte
}

// An Entry is what a package's index says of one resource.
type Entry struct {
	Type    string `json:"type"`
	URL     string `json:"url"`
	Version string `json:"version,omitempty"`
	// Of is the type that a StructureDefinition is for, Kind and Derivation are
	// its own words.
	Of         string `json:"of,omitempty"`
	Kind       string `json:"kind,omitempty"`
	Derivation string `json:"derivation,omitempty"`
	Status     string `json:"status,omitempty"`
}

// A Skipped file is one whose resource is not of R4.
type Skipped struct{ File, Reason string }

// kept are the types of resources that a guide is read for.
var kept = []string{
	"StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap", "SearchParameter", "OperationDefinition",
	"CapabilityStatement", "ImplementationGuide", "NamingSystem", "Questionnaire",
}

// Read reads a package. An archive that is not one, is too large, has names that
// lead out of it, or definitions that are no JSON or have no resourceType, is an
// error.
func Read(r io.Reader, limits Limits) (*Package, error) {
	p, err := read(r, limits, true)
	if err != nil {
		return nil, err
	}
	if all := p.malformed(); len(all) > 0 {
		return nil, refuse("%s: %s%s", all[0].File, all[0].Reason, others(len(all)-1))
	}
	return p, nil
}

func others(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d other files)", n)
}

// Manifest reads what a package says of itself, and none of its resources.
func Manifest(r io.Reader, limits Limits) (*Package, error) { return read(r, limits, false) }

func read(r io.Reader, limits Limits, whole bool) (*Package, error) {
	unzip, err := gzip.NewReader(r)
	if err != nil {
		return nil, refuse("it is not a gzip archive: %v", err)
	}
	limited := &io.LimitedReader{R: unzip, N: limits.Total + 1}
	files := tar.NewReader(limited)
	p := &Package{places: map[string]int{}}
	p.body = func(place int) ([]byte, error) { return p.bodies[place], nil }
	for n := 0; ; n++ {
		header, err := files.Next()
		if errors.Is(err, io.EOF) && limited.N > 0 {
			break
		}
		switch {
		case limited.N <= 0:
			return nil, refuse("it unpacks to more than %d MB", limits.Total>>20)
		case err != nil:
			return nil, refuse("it is not a tar archive: %v", err)
		case n >= limits.Files:
			return nil, refuse("it has more than %d files", limits.Files)
		}
		if err := p.file(header, files, limits, whole); err != nil {
			return nil, err
		}
	}
	if p.Name == "" {
		return nil, refuse("it has no package/package.json, which every FHIR package has")
	}
	return p, nil
}

func refuse(format string, args ...any) error {
	e := fhir.Errorf(fhir.KindUnprocessable, format, args...)
	e.Issues[0].Diagnostics = "the package cannot be used: " + e.Issues[0].Diagnostics
	return e
}

func (p *Package) file(header *tar.Header, r io.Reader, limits Limits, whole bool) error {
	name := header.Name
	clean := path.Clean(strings.ReplaceAll(name, `\`, "/"))
	switch {
	case path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") || strings.Contains(name, "\x00"):
		return refuse("the name %q leads out of it", name)
	case header.Typeflag == tar.TypeSymlink || header.Typeflag == tar.TypeLink:
		return refuse("%s is a link", name)
	case header.Typeflag != tar.TypeReg || path.Dir(clean) != "package" || path.Ext(clean) != ".json":
		return nil
	case strings.HasPrefix(path.Base(clean), ".") && path.Base(clean) != indexFile:
		return nil
	case header.Size > limits.File:
		return refuse("%s has more than %d MB", name, limits.File>>20)
	case !whole && clean != "package/package.json":
		return nil
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return refuse("%s: %v", name, err)
	}
	switch path.Base(clean) {
	case "package.json":
		return p.manifest(data)
	case indexFile:
		p.listed(data)
		return nil
	}
	return p.resource(clean, data)
}

func (p *Package) manifest(data []byte) error {
	var m struct {
		Name, Version, Canonical, Title string
		FHIRVersions                    []string          `json:"fhirVersions"`
		FHIRVersionList                 []string          `json:"fhir-version-list"`
		Dependencies                    map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(data, bom), &m); err != nil {
		return refuse("package/package.json: %v", err)
	}
	if m.Name == "" || m.Version == "" {
		return refuse("package/package.json has no name or no version")
	}
	p.Name, p.Version, p.Canonical, p.Title, p.Dependencies = m.Name, m.Version, m.Canonical, m.Title, m.Dependencies
	p.FHIRVersions = slices.Concat(m.FHIRVersions, m.FHIRVersionList)
	if len(p.FHIRVersions) > 0 && !slices.ContainsFunc(p.FHIRVersions, func(v string) bool { return v == "4.0" || strings.HasPrefix(v, "4.0.") }) {
		return refuse("%s#%s is for FHIR %s, not for R4 (4.0.1)", p.Name, p.Version, strings.Join(p.FHIRVersions, ", "))
	}
	return nil
}

func (p *Package) resource(file string, data []byte) error {
	file = path.Base(file)
	if why := broken(data); why != "" {
		p.broken = append(p.broken, Skipped{file, why})
		return nil
	}
	if !byName(file) {
		return nil
	}
	tree, err := fhir.Parse(definition.R4().Schema, data, fhir.DefaultLimits)
	if err != nil {
		p.Skipped = append(p.Skipped, Skipped{file, err.Error()})
		return nil
	}
	root := tree.Root()
	url := root.TextOf("url")
	if url == "" || !slices.Contains(kept, root.Type().Name) {
		return nil
	}
	entry := Entry{Type: root.Type().Name, URL: url, Version: root.TextOf("version"), Status: root.TextOf("status")}
	if entry.Type == "StructureDefinition" {
		entry.Of, entry.Kind, entry.Derivation = root.TextOf("type"), root.TextOf("kind"), root.TextOf("derivation")
	}
	if _, twice := p.places[entry.key()]; twice {
		p.Skipped = append(p.Skipped, Skipped{file, "another file has the same url " + url})
		return nil
	}
	p.places[entry.key()] = len(p.Entries)
	p.Entries = append(p.Entries, entry)
	p.bodies = append(p.bodies, s2.EncodeBetter(nil, data))
	return nil
}

func (e *Entry) key() string { return e.Type + " " + e.URL }

// String is the name and version, as packages are referred to.
func (p *Package) String() string { return p.Name + "#" + p.Version }

// URLs are the canonical URLs of its resources of a type.
func (p *Package) URLs(resourceType string) []string {
	var urls []string
	for i := range p.Entries {
		if p.Entries[i].Type == resourceType {
			urls = append(urls, p.Entries[i].URL)
		}
	}
	slices.Sort(urls)
	return urls
}

// Find finds a resource by its canonical URL, with or without a |version; nil
// where there is none.
func (p *Package) Find(resourceType, canonical string) (*fhir.Tree, error) {
	src, err := p.Source(resourceType, canonical)
	if err != nil || src == nil {
		return nil, err
	}
	return fhir.Parse(definition.R4().Schema, src, fhir.DefaultLimits)
}

// Source is the text of what Find finds.
func (p *Package) Source(resourceType, canonical string) ([]byte, error) {
	place, ok := p.place(resourceType, canonical)
	if !ok {
		return nil, nil
	}
	packed, err := p.body(place)
	if err != nil {
		return nil, err
	}
	return s2.Decode(nil, packed)
}

// Entry is what the index says of a resource; nil where there is none.
func (p *Package) Entry(resourceType, canonical string) *Entry {
	if place, ok := p.place(resourceType, canonical); ok {
		return &p.Entries[place]
	}
	return nil
}

// place is that of an entry; the version of the package stands for that of what
// it holds.
func (p *Package) place(resourceType, canonical string) (int, bool) {
	url, version, _ := strings.Cut(canonical, "|")
	place, ok := p.places[resourceType+" "+url]
	if !ok || version != "" && version != p.Entries[place].Version && version != p.Version {
		return 0, false
	}
	return place, true
}

package guide

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A Set is guides that are used together, in any number of versions beside each
// other. It is immutable.
type Set struct {
	packages []*Package
	// Missing are the dependencies that are not in the set.
	Missing []Dependency
	// preferred are the packages whose definitions count where no version is
	// asked for, ofURL the versions of single definitions.
	preferred []*Package
	ofURL     map[string]*Package
	// having are the packages that have a resource, by type and URL, the newest
	// first.
	having map[string][]*Package
}

// A Dependency is a package that another one, Of, needs. Version may be a
// pattern, such as 1.2.x.
type Dependency struct {
	Name, Version string
	Of            *Package
}

// String says which package is needed, and by which.
func (d Dependency) String() string {
	return d.Name + "#" + d.Version + ", which " + d.Of.String() + " needs"
}

var builtIn = map[string]bool{
	"hl7.fhir.r4.core": true, "hl7.fhir.r4.expansions": true, "hl7.fhir.r4.examples": true, "hl7.fhir.r4.search": true,
}

// NewSet puts packages together. Two of one name and version, and packages that
// depend on each other in a circle, are errors, and so are dependencies of which
// the set has another version alone; those that it has not at all are in
// Missing.
func NewSet(packages ...*Package) (*Set, error) { return NewSetOf(packages, nil) }

// NewSetOf is NewSet, but that dependencies of which there is another version
// alone are missing too where their package is incomplete: somebody decided to
// use it without them. A nil function is for none.
func NewSetOf(packages []*Package, incomplete func(*Package) bool) (*Set, error) {
	s := &Set{packages: slices.Clone(packages)}
	slices.SortFunc(s.packages, func(a, b *Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), CompareVersions(b.Version, a.Version))
	})
	for i := 1; i < len(s.packages); i++ {
		if s.packages[i].String() == s.packages[i-1].String() {
			return nil, refuse("%s is there twice", s.packages[i])
		}
	}
	s.having = map[string][]*Package{}
	newestFirst := slices.SortedStableFunc(slices.Values(s.packages), func(a, b *Package) int { return CompareVersions(b.Version, a.Version) })
	for _, p := range newestFirst {
		for key := range p.places {
			s.having[key] = append(s.having[key], p)
		}
	}
	c := &chain{set: s, incomplete: incomplete, done: map[*Package]bool{}}
	for _, p := range s.packages {
		if err := c.check(p, nil); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(s.Missing, func(a, b Dependency) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Of.String(), b.Of.String()))
	})
	return s, nil
}

// A chain follows dependencies.
type chain struct {
	set        *Set
	incomplete func(*Package) bool
	// done are packages whose dependencies are followed already.
	done map[*Package]bool
}

// check follows the dependencies of a package.
func (c *chain) check(p *Package, path []string) error {
	if slices.Contains(path, p.String()) {
		return refuse("packages depend on each other in a circle: %s", strings.Join(append(path, p.String()), " needs "))
	}
	if c.done[p] {
		return nil
	}
	path = append(path, p.String())
	for _, name := range slices.Sorted(maps.Keys(p.Dependencies)) {
		version := p.Dependencies[name]
		if builtIn[name] {
			continue
		}
		needed, err := c.set.dependency(p, name, version)
		if err != nil && (c.incomplete == nil || !c.incomplete(p)) {
			return err
		}
		if needed == nil {
			c.set.Missing = append(c.set.Missing, Dependency{name, version, p})
			continue
		}
		if err := c.check(needed, path); err != nil {
			return err
		}
	}
	c.done[p] = true
	return nil
}

func (s *Set) dependency(p *Package, name, version string) (*Package, error) {
	var others []string
	for _, q := range s.packages {
		if q.Name != name {
			continue
		}
		if Fits(q.Version, version) {
			return q, nil
		}
		others = append(others, q.Version)
	}
	if len(others) > 0 {
		return nil, refuse("%s needs %s in version %s; there is %s", p, name, version, strings.Join(others, ", "))
	}
	return nil, nil
}

// BuiltIn reports whether a package need not be there for others to use it: its
// content is part of the program, or of no consequence to what guides are used
// for.
func BuiltIn(name string) bool { return builtIn[name] }

// Fits reports whether a version is the one asked for, or of its pattern.
func Fits(version, asked string) bool {
	if asked == "latest" || asked == "current" || asked == "dev" || asked == "" || asked == "x" || asked == "*" {
		return true
	}
	if prefix, ok := strings.CutSuffix(asked, ".x"); ok {
		return strings.HasPrefix(version, prefix+".")
	}
	return version == asked
}

// CompareVersions orders versions by their numbers (Semantic Versioning 2.0.0);
// one with a label comes before the same without.
func CompareVersions(a, b string) int {
	numbers := func(v string) ([]string, string) {
		base, label, _ := strings.Cut(v, "-")
		return strings.Split(base, "."), label
	}
	x, labelX := numbers(a)
	y, labelY := numbers(b)
	for i := range max(len(x), len(y)) {
		var m, n int
		if i < len(x) {
			m, _ = strconv.Atoi(x[i]) // 0 for what is no number
		}
		if i < len(y) {
			n, _ = strconv.Atoi(y[i])
		}
		if c := cmp.Compare(m, n); c != 0 {
			return c
		}
	}
	switch {
	case labelX == labelY:
		return 0
	case labelX == "":
		return 1
	case labelY == "":
		return -1
	}
	return cmp.Compare(labelX, labelY)
}

// Packages are those of the set, by name, the newest version first.
func (s *Set) Packages() []*Package { return s.packages }

// Find finds a resource by its canonical URL; nil where there is none. Without
// a |version it is that of the version preferred, or else of the newest package
// that has it.
func (s *Set) Find(resourceType, canonical string) (*fhir.Tree, error) {
	p := s.Package(resourceType, canonical)
	if p == nil {
		return nil, nil
	}
	return p.Find(resourceType, canonical)
}

// Package is the package that Find takes a resource of; nil where there is none.
func (s *Set) Package(resourceType, canonical string) *Package {
	url, _, versioned := strings.Cut(canonical, "|")
	if !versioned {
		if p := s.ofURL[url]; p != nil {
			return p
		}
		for _, p := range s.preferred {
			if _, has := p.place(resourceType, canonical); has {
				return p
			}
		}
	}
	for _, p := range s.having[resourceType+" "+url] {
		if _, has := p.place(resourceType, canonical); has {
			return p
		}
	}
	return nil
}

// Newest is the newest package of a name whose version fits a pattern; nil where
// there is none.
func (s *Set) Newest(name, pattern string) *Package {
	for _, p := range s.packages { // of a name the newest comes first
		if p.Name == name && Fits(p.Version, pattern) {
			return p
		}
	}
	return nil
}

// Prefer is the set with versions that count where a definition is referred to
// without one: of a whole package (name#version), or of one definition
// (url|version). What the set does not have is an error of KindInvalid.
func (s *Set) Prefer(defaults []string) (*Set, error) {
	other := *s
	other.preferred, other.ofURL = nil, map[string]*Package{}
	for _, text := range defaults {
		if err := other.prefer(text); err != nil {
			return nil, err
		}
	}
	return &other, nil
}

func (s *Set) prefer(text string) error {
	name, version, ok := strings.Cut(text, "#")
	if !ok {
		name, version, ok = strings.Cut(text, "|")
	}
	if !ok || version == "" {
		return fhir.Errorf(fhir.KindInvalid, "%q names no version; write the name of a package and #version, or the URL of a profile and |version", text)
	}
	for _, p := range s.packages {
		if p.Version == version && (p.Name == name || p.Canonical != "" && p.Canonical == name) {
			s.preferred = append(s.preferred, p)
			return nil
		}
	}
	for _, p := range s.packages {
		if _, has := p.place("StructureDefinition", name+"|"+version); has {
			s.ofURL[name] = p
			return nil
		}
	}
	return fhir.Errorf(fhir.KindInvalid, "no guide here has %s; there are %s", text, s.names())
}

func (s *Set) names() string {
	if len(s.packages) == 0 {
		return "none"
	}
	names := make([]string, len(s.packages))
	for i, p := range s.packages {
		names[i] = p.String()
	}
	return strings.Join(names, ", ")
}

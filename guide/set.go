package guide

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A Set is guides that are used together, in any number of versions beside each
// other. It is immutable.
type Set struct {
	packages []*Package
	// Missing are the dependencies that are not in the set, as
	// "name#version, which X#1.0.0 needs".
	Missing []string
}

// builtIn are the packages whose content is part of the program, or of no
// consequence to what guides are used for.
var builtIn = map[string]bool{
	"hl7.fhir.r4.core": true, "hl7.fhir.r4.expansions": true, "hl7.fhir.r4.examples": true, "hl7.fhir.r4.search": true,
}

// NewSet puts packages together. Two of one name and version, and packages that
// depend on each other in a circle, are errors, and so are dependencies of which
// the set has another version alone; those that it has not at all are in
// Missing.
func NewSet(packages ...*Package) (*Set, error) {
	s := &Set{packages: slices.Clone(packages)}
	slices.SortFunc(s.packages, func(a, b *Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), compareVersions(b.Version, a.Version))
	})
	for i := 1; i < len(s.packages); i++ {
		if s.packages[i].String() == s.packages[i-1].String() {
			return nil, refuse("%s is there twice", s.packages[i])
		}
	}
	for _, p := range s.packages {
		if err := s.check(p, nil); err != nil {
			return nil, err
		}
	}
	slices.Sort(s.Missing)
	s.Missing = slices.Compact(s.Missing)
	return s, nil
}

// check follows the dependencies of a package.
func (s *Set) check(p *Package, path []string) error {
	if slices.Contains(path, p.String()) {
		return refuse("packages depend on each other in a circle: %s", strings.Join(append(path, p.String()), " needs "))
	}
	path = append(path, p.String())
	for name, version := range p.Dependencies {
		if builtIn[name] {
			continue
		}
		needed, err := s.dependency(p, name, version)
		if err != nil {
			return err
		}
		if needed == nil {
			s.Missing = append(s.Missing, name+"#"+version+", which "+p.String()+" needs")
			continue
		}
		if err := s.check(needed, path); err != nil {
			return err
		}
	}
	return nil
}

func (s *Set) dependency(p *Package, name, version string) (*Package, error) {
	var others []string
	for _, q := range s.packages {
		if q.Name != name {
			continue
		}
		if fits(q.Version, version) {
			return q, nil
		}
		others = append(others, q.Version)
	}
	if len(others) > 0 {
		return nil, refuse("%s needs %s in version %s; there is %s", p, name, version, strings.Join(others, ", "))
	}
	return nil, nil
}

// fits reports whether a version is the one asked for, or of its pattern.
func fits(version, asked string) bool {
	if asked == "latest" || asked == "current" || asked == "dev" || asked == "" || asked == "x" || asked == "*" {
		return true
	}
	if prefix, ok := strings.CutSuffix(asked, ".x"); ok {
		return strings.HasPrefix(version, prefix+".")
	}
	return version == asked
}

// compareVersions orders versions by their numbers (Semantic Versioning 2.0.0);
// one with a label comes before the same without.
func compareVersions(a, b string) int {
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
// a |version it is that of the newest package that has it.
func (s *Set) Find(resourceType, canonical string) (*fhir.Tree, error) {
	var newest *Package
	var found *fhir.Tree
	for _, p := range s.packages {
		if newest != nil && compareVersions(p.Version, newest.Version) <= 0 {
			continue
		}
		tree, err := p.Find(resourceType, canonical)
		if err != nil {
			return nil, err
		}
		if tree != nil {
			newest, found = p, tree
		}
	}
	return found, nil
}

// Package terminology answers what codes mean: it expands value sets, checks
// codes, looks concepts up, tells which concept subsumes which, and translates
// between code systems.
//
// It knows the CodeSystem, ValueSet and ConceptMap resources of a Library and
// those of FHIR R4 itself (terminology/release). What it cannot know (a system
// whose concepts nobody has given) is an error that says so; nothing is left
// out silently.
//
// It leaves to others: where resources are kept and who may read them
// (datastore), parameters and answers on the wire (rest), and the codes that
// searches need (search/terminology).
//
// http://hl7.org/fhir/R4/terminology-service.html
package terminology

import (
	"strings"
	"sync"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology/release"
)

// A Library finds a CodeSystem, ValueSet or ConceptMap by its canonical URL,
// with or without a |version; nil where it has none.
type Library func(resourceType, canonical string) (*fhir.Tree, error)

// A Service answers from one library, as it is at one moment: it remembers what
// it has read. It is safe for concurrent use where the library is.
type Service struct {
	library Library
	systems sync.Map // string to *CodeSystem
	sets    sync.Map // string to *ValueSet
}

// New makes a service. A nil library has nothing.
func New(library Library) *Service { return &Service{library: library} }

// find looks among the release's own resources and then in the library. A
// release's code system of which the release has not all concepts (LOINC,
// SNOMED CT) is one that the library may have more of.
func (s *Service) find(resourceType, canonical string) (*fhir.Tree, error) {
	own, err := release.R4().Find(resourceType, canonical)
	if err != nil {
		return nil, err
	}
	if own != nil && (resourceType != "CodeSystem" || own.Root().TextOf("content") == "complete") {
		return own, nil
	}
	if s.library != nil {
		tree, err := s.library(resourceType, canonical)
		if err != nil || tree != nil {
			return tree, err
		}
	}
	return own, nil
}

// A Coding is a code with where it is from.
type Coding struct {
	System, Version, Code, Display string
}

// Canonical joins a URL and a version.
func Canonical(url, version string) string {
	if version == "" {
		return url
	}
	return url + "|" + version
}

// System finds a code system by its canonical URL. It is an error of
// KindNotFound where there is none.
func (s *Service) System(canonical string) (*CodeSystem, error) {
	if known, ok := s.systems.Load(canonical); ok {
		return known.(*CodeSystem), nil
	}
	tree, err := s.find("CodeSystem", canonical)
	if err != nil {
		return nil, err
	}
	if tree == nil {
		return nil, fhir.Errorf(fhir.KindNotFound, "the code system %s is not known; a CodeSystem resource with that url would make it known", canonical)
	}
	system := ReadSystem(tree.Root())
	s.systems.Store(canonical, system)
	return system, nil
}

// ValueSet finds a value set by its canonical URL. It is an error of
// KindNotFound where there is none.
func (s *Service) ValueSet(canonical string) (*ValueSet, error) {
	if known, ok := s.sets.Load(canonical); ok {
		return known.(*ValueSet), nil
	}
	tree, err := s.find("ValueSet", canonical)
	if err != nil {
		return nil, err
	}
	if tree == nil {
		return s.implicit(canonical)
	}
	set, err := s.ReadValueSet(tree.Root())
	if err == nil {
		s.sets.Store(canonical, set)
	}
	return set, err
}

// implicit is the value set of all codes of a system, which a CodeSystem names
// in its element valueSet; R4's own are named like the system with /vs.
// http://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.valueSet
func (s *Service) implicit(canonical string) (*ValueSet, error) {
	unknown := fhir.Errorf(fhir.KindNotFound, "the value set %s is not known; a ValueSet resource with that url would make it known", canonical)
	url, _, _ := strings.Cut(canonical, "|")
	of, ok := strings.CutSuffix(url, "?fhir_vs")
	if !ok {
		if of, ok = strings.CutSuffix(url, "/vs"); !ok {
			return nil, unknown
		}
	}
	if _, err := s.System(of); err != nil {
		return nil, unknown
	}
	return &ValueSet{URL: url, include: []clause{{system: of}}, service: s}, nil
}

// ConceptMap finds a concept map by its canonical URL. It is an error of
// KindNotFound where there is none.
func (s *Service) ConceptMap(canonical string) (*ConceptMap, error) {
	tree, err := s.find("ConceptMap", canonical)
	if err != nil {
		return nil, err
	}
	if tree == nil {
		return nil, fhir.Errorf(fhir.KindNotFound, "the concept map %s is not known; a ConceptMap resource with that url would make it known", canonical)
	}
	return s.ReadMap(tree.Root()), nil
}

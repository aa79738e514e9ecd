package terminology

import (
	"fmt"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
)

// maxNesting is how deep value sets may include each other.
const maxNesting = 16

// A ValueSet is a ValueSet resource as answers need it.
// http://hl7.org/fhir/R4/valueset.html
type ValueSet struct {
	URL, Version, Name, Title, Status string
	include, exclude                  []clause
	// listed is the stored expansion of a value set without compose.
	listed  []Entry
	service *Service
}

// A clause is one include or exclude: of a system the concepts or those that
// the filters let through, and of that what is in every value set.
type clause struct {
	system, version string
	concepts        []Entry
	filters         []filter
	sets            []string
}

// An Entry is a code of a value set.
type Entry struct {
	Coding
	Inactive, Abstract bool
	Definition         string
	Designations       []Designation
}

// ReadValueSet reads a ValueSet resource.
func (s *Service) ReadValueSet(root fhir.Node) (*ValueSet, error) {
	v := &ValueSet{
		URL: root.TextOf("url"), Version: root.TextOf("version"), Name: root.TextOf("name"),
		Title: root.TextOf("title"), Status: root.TextOf("status"), service: s,
	}
	compose := root.Child("compose")
	if !compose.Exists() {
		if !root.Child("expansion").Exists() {
			return nil, v.errorf("has neither compose nor expansion: its codes are not known")
		}
		v.contains(root.Child("expansion"))
		return v, nil
	}
	for n := range compose.Each("include") {
		v.include = append(v.include, v.clause(n))
	}
	for n := range compose.Each("exclude") {
		v.exclude = append(v.exclude, v.clause(n))
	}
	for _, c := range slices.Concat(v.include, v.exclude) {
		if c.system == "" && len(c.sets) == 0 {
			return nil, v.errorf("has an include with neither a system nor a value set")
		}
	}
	return v, nil
}

func (v *ValueSet) errorf(format string, args ...any) error {
	name := v.URL
	if name == "" {
		name = "given"
	}
	return fhir.Errorf(fhir.KindUnprocessable, "the value set %s %s", name, fmt.Sprintf(format, args...))
}

func (v *ValueSet) contains(n fhir.Node) {
	for c := range n.Each("contains") {
		if c.TextOf("code") != "" {
			e := Entry{Coding: readCoding(c), Abstract: c.TextOf("abstract") == "true", Inactive: c.TextOf("inactive") == "true"}
			for d := range c.Each("designation") {
				e.Designations = append(e.Designations, readDesignation(d))
			}
			v.listed = append(v.listed, e)
		}
		v.contains(c)
	}
}

func (v *ValueSet) clause(n fhir.Node) clause {
	c := clause{system: n.TextOf("system"), version: n.TextOf("version")}
	for x := range n.Each("concept") {
		e := Entry{Coding: Coding{System: c.system, Version: c.version, Code: x.TextOf("code"), Display: x.TextOf("display")}}
		for d := range x.Each("designation") {
			e.Designations = append(e.Designations, readDesignation(d))
		}
		c.concepts = append(c.concepts, e)
	}
	for f := range n.Each("filter") {
		c.filters = append(c.filters, filter{f.TextOf("property"), f.TextOf("op"), f.TextOf("value")})
	}
	for set := range n.Each("valueSet") {
		c.sets = append(c.sets, set.Text())
	}
	return c
}

// A scope is one evaluation of a value set: the versions asked for, and how
// deep it has come.
type scope struct {
	versions Versions
	depth    int
}

// Versions choose versions of code systems where a value set does not
// (Default), or in spite of it (Force), or refuse another (Check); by URL.
type Versions struct{ Default, Force, Check map[string]string }

// system finds the code system of a clause in the version to use.
func (v *ValueSet) system(c *clause, in scope) (*CodeSystem, error) {
	version := c.version
	if version == "" {
		version = in.versions.Default[c.system]
	}
	if forced := in.versions.Force[c.system]; forced != "" {
		version = forced
	}
	system, err := v.service.System(Canonical(c.system, version))
	if err != nil {
		return nil, err
	}
	if wanted := in.versions.Check[c.system]; wanted != "" && system.Version != wanted {
		return nil, v.errorf("would use version %s of %s, not %s", system.Version, c.system, wanted)
	}
	return system, nil
}

// each yields the codes of the value set in their order, each once.
func (v *ValueSet) each(in scope, yield func(Entry) bool) error {
	if in.depth > maxNesting {
		return v.errorf("is part of value sets that include each other more than %d deep", maxNesting)
	}
	seen := map[[2]string]bool{}
	var failed error
	once := func(e Entry) bool {
		key := [2]string{e.System, e.Code}
		if seen[key] {
			return true
		}
		seen[key] = true
		out, err := v.excluded(in, e.Coding)
		if err != nil {
			failed = err
			return false
		}
		return out || yield(e)
	}
	for _, e := range v.listed {
		if !once(e) {
			return failed
		}
	}
	for i := range v.include {
		more, err := v.eachOf(&v.include[i], in, once)
		if err == nil {
			err = failed
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// eachOf yields the codes of one include; more is false where yield wants no
// more.
func (v *ValueSet) eachOf(c *clause, in scope, yield func(Entry) bool) (more bool, err error) {
	others := c.sets
	list := func(yield func(Entry) bool) error { return v.ofSystem(c, in, yield) }
	if c.system == "" {
		first, err := v.service.ValueSet(c.sets[0])
		if err != nil {
			return false, err
		}
		others = c.sets[1:]
		list = func(yield func(Entry) bool) error { return first.each(in.deeper(), yield) }
	}
	more = true
	var failed error
	err = list(func(e Entry) bool {
		ok, err := v.inAll(others, in, e.Coding)
		if failed = err; err != nil {
			return false
		}
		if ok {
			more = yield(e)
		}
		return more
	})
	if err == nil {
		err = failed
	}
	return more, err
}

func (s scope) deeper() scope {
	s.depth++
	return s
}

// ofSystem yields what a clause says of its system.
func (v *ValueSet) ofSystem(c *clause, in scope, yield func(Entry) bool) error {
	if len(c.concepts) > 0 {
		return v.named(c, in, yield)
	}
	system, err := v.system(c, in)
	if err != nil {
		return err
	}
	if !system.Complete() {
		return v.errorf("takes codes from %s, of which not all concepts are known here: its content is %q", c.system, system.Content)
	}
	tests, err := v.tests(system, c.filters)
	if err != nil {
		return err
	}
	for at := range system.Concepts {
		if passes(tests, at) && !yield(system.entry(at)) {
			return nil
		}
	}
	return nil
}

// named yields the concepts that a clause lists, with what the system says of
// them where it is known.
func (v *ValueSet) named(c *clause, in scope, yield func(Entry) bool) error {
	system, err := v.system(c, in)
	if err != nil && !isNotFound(err) {
		return err
	}
	for _, e := range c.concepts {
		if !yield(system.completed(e)) {
			return nil
		}
	}
	return nil
}

func (s *CodeSystem) entry(at int) Entry {
	c := &s.Concepts[at]
	return Entry{
		Coding:   Coding{System: s.URL, Version: s.Version, Code: c.Code, Display: c.Display},
		Inactive: c.Inactive, Abstract: c.Abstract, Definition: c.Definition, Designations: c.Designations,
	}
}

// completed adds what the system says to a concept that a value set lists; the
// value set's own display stands. The system may be nil.
func (s *CodeSystem) completed(e Entry) Entry {
	if s == nil {
		return e
	}
	at := s.Find(e.Code)
	if at < 0 {
		return e
	}
	known := s.entry(at)
	if e.Display != "" {
		known.Display = e.Display
	}
	known.Designations = slices.Concat(e.Designations, known.Designations)
	return known
}

func (v *ValueSet) excluded(in scope, c Coding) (bool, error) {
	for i := range v.exclude {
		_, ok, err := v.inClause(&v.exclude[i], in, c)
		if err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

func (v *ValueSet) inAll(sets []string, in scope, c Coding) (bool, error) {
	for _, url := range sets {
		other, err := v.service.ValueSet(url)
		if err != nil {
			return false, err
		}
		if _, ok, err := other.has(in.deeper(), c); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// has reports whether a code is in the value set, and what is known of it. It
// lists nothing.
func (v *ValueSet) has(in scope, c Coding) (Entry, bool, error) {
	if in.depth > maxNesting {
		return Entry{}, false, v.errorf("is part of value sets that include each other more than %d deep", maxNesting)
	}
	if out, err := v.excluded(in, c); err != nil || out {
		return Entry{}, false, err
	}
	for _, e := range v.listed {
		if e.System == c.System && e.Code == c.Code {
			return e, true, nil
		}
	}
	var failed error
	for i := range v.include {
		e, ok, err := v.inClause(&v.include[i], in, c)
		if ok {
			return e, true, nil
		}
		if failed == nil {
			failed = err
		}
	}
	return Entry{}, false, failed
}

// Has reports whether a code is in the value set.
func (v *ValueSet) Has(c Coding) (bool, error) {
	_, ok, err := v.has(scope{}, c)
	return ok, err
}

// HasCode reports whether a code that came without its system is in the value
// set: then it is of any of the systems that the set names.
func (v *ValueSet) HasCode(code string) (bool, error) {
	systems, failed := v.systems(0)
	for _, system := range systems {
		ok, err := v.Has(Coding{System: system, Code: code})
		if ok {
			return true, nil
		}
		if err != nil {
			failed = err
		}
	}
	return false, failed
}

// systems are the code systems that the set names, directly and by others. The
// error is about those that are not known.
func (v *ValueSet) systems(depth int) (all []string, failed error) {
	for _, e := range v.listed {
		all = append(all, e.System)
	}
	for _, c := range v.include {
		if c.system != "" {
			all = append(all, c.system)
		}
		for _, url := range c.sets {
			other, err := v.service.ValueSet(url)
			if err == nil && depth < maxNesting {
				var more []string
				more, err = other.systems(depth + 1)
				all = append(all, more...)
			}
			if err != nil {
				failed = err
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), failed
}

func (v *ValueSet) inClause(c *clause, in scope, coding Coding) (Entry, bool, error) {
	entry := Entry{Coding: coding}
	if c.system != "" {
		if c.system != coding.System {
			return Entry{}, false, nil
		}
		var ok bool
		var err error
		if entry, ok, err = v.inSystem(c, in, coding); err != nil || !ok {
			return Entry{}, false, err
		}
	} else if len(c.sets) > 0 {
		first, err := v.service.ValueSet(c.sets[0])
		if err != nil {
			return Entry{}, false, err
		}
		var ok bool
		if entry, ok, err = first.has(in.deeper(), coding); err != nil || !ok {
			return Entry{}, false, err
		}
	}
	ok, err := v.inAll(c.sets, in, coding)
	return entry, ok, err
}

func (v *ValueSet) inSystem(c *clause, in scope, coding Coding) (Entry, bool, error) {
	system, err := v.system(c, in)
	if len(c.concepts) > 0 {
		if err != nil && !isNotFound(err) {
			return Entry{}, false, err
		}
		for _, e := range c.concepts {
			if e.Code == coding.Code || system != nil && system.key(e.Code) == system.key(coding.Code) {
				return system.completed(e), true, nil
			}
		}
		return Entry{}, false, nil
	}
	if err != nil {
		return Entry{}, false, err
	}
	at := system.Find(coding.Code)
	if at < 0 {
		if !system.Complete() {
			return Entry{}, false, v.errorf("takes codes from %s, of which not all concepts are known here: its content is %q", c.system, system.Content)
		}
		return Entry{}, false, nil
	}
	tests, err := v.tests(system, c.filters)
	if err != nil {
		return Entry{}, false, err
	}
	return system.entry(at), passes(tests, at), nil
}

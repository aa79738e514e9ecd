package terminology

import (
	"slices"

	"github.com/tarnhealth/tarn/terminology/concept"
)

// A scope is one evaluation of a value set: the versions asked for, and how
// deep it has come.
type scope struct {
	versions Versions
	depth    int
	// listing is there where codes are listed, and not one is checked.
	listing *listing
}

// A listing is what a whole evaluation that lists codes has in common.
type listing struct {
	// tests are the filters of clauses, compiled.
	tests map[*clause][]test
	// filter is the text that codes are searched by, words its words. Remote
	// servers, and systems that are found by words, are asked for what they find.
	filter string
	words  []string
}

// Versions choose versions of code systems where a value set does not
// (Default), or in spite of it (Force), or refuse another (Check); by URL.
type Versions struct{ Default, Force, Check map[string]string }

func (s scope) deeper() scope {
	s.depth++
	return s
}

// system finds the code system of a clause in the version to use.
func (v *ValueSet) system(c *clause, in scope) (*CodeSystem, error) {
	version := c.version
	if version == "" {
		version = in.versions.Default[c.system]
	}
	if forced := in.versions.Force[c.system]; forced != "" {
		version = forced
	}
	system, err := v.service.system(Canonical(c.system, version), v.supplements)
	if err != nil {
		return nil, err
	}
	if wanted := in.versions.Check[c.system]; wanted != "" && system.Version != wanted {
		return nil, v.errorf("would use version %s of %s, not %s", system.Version, c.system, wanted)
	}
	return system, nil
}

// An item is a code of a value set, as far as it had to be found out: an entry,
// or a concept of a system.
type item struct {
	e Entry
	m member
	// lazy is set where e is still to be made of m.
	lazy bool
	// found is set where the listing's filter was applied already.
	found bool
}

func (i *item) entry() Entry {
	if i.lazy {
		i.e, i.lazy = i.m.entry(), false
	}
	return i.e
}

func (i *item) coding() Coding {
	if i.lazy {
		return Coding{System: i.m.system.URL, Version: i.m.system.Version, Code: i.m.system.codeAt(i.m.at)}
	}
	return i.e.Coding
}

func (i *item) system() string {
	if i.lazy {
		return i.m.system.URL
	}
	return i.e.System
}

func (i *item) flags() (inactive, abstract bool) {
	if i.lazy {
		return i.m.flags()
	}
	return i.e.Inactive, i.e.Abstract
}

// A once tells which codes were there before: places where they are of one code
// system, and names.
type once struct {
	system *CodeSystem
	places concept.Bits
	names  map[[2]string]bool
}

func (o *once) seen(i *item) bool {
	if i.lazy && (o.system == nil || o.system == i.m.system) {
		if o.system == nil {
			o.system, o.places = i.m.system, concept.NewBits(i.m.system.concepts.Len())
		}
		if o.places.Has(i.m.at) || len(o.names) > 0 && o.names[o.name(i)] {
			return true
		}
		o.places.Add(i.m.at)
		return false
	}
	name := o.name(i)
	if o.names[name] || o.system != nil && o.system.URL == name[0] && o.places.Has(o.system.concepts.Find(name[1])) {
		return true
	}
	if o.names == nil {
		o.names = map[[2]string]bool{}
	}
	o.names[name] = true
	return false
}

func (o *once) name(i *item) [2]string {
	c := i.coding()
	return [2]string{c.System, c.Code}
}

// each yields the codes of the value set in their order, each once.
func (v *ValueSet) each(in scope, yield func(*item) bool) error {
	if in.depth > maxNesting {
		return v.errorf("is part of value sets that include each other more than %d deep", maxNesting)
	}
	v = v.evaluable(in)
	var before once
	var failed error
	unseen := func(i *item) bool {
		if before.seen(i) {
			return true
		}
		out, err := v.excluded(in, i)
		if err != nil {
			failed = err
			return false
		}
		return out || yield(i)
	}
	for _, e := range v.listed {
		if !unseen(&item{e: e}) {
			return failed
		}
	}
	for i := range v.include {
		more, err := v.eachOf(&v.include[i], in, unseen)
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
func (v *ValueSet) eachOf(c *clause, in scope, yield func(*item) bool) (more bool, err error) {
	others := c.sets
	list := func(yield func(*item) bool) error { return v.ofSystem(c, in, yield) }
	if c.system == "" {
		first, err := v.service.ValueSet(c.sets[0])
		if err != nil {
			return false, err
		}
		others = c.sets[1:]
		list = func(yield func(*item) bool) error { return first.each(in.deeper(), yield) }
	}
	more = true
	var failed error
	err = list(func(i *item) bool {
		ok := true
		if len(others) > 0 {
			if ok, failed = v.inAll(others, in, i.coding()); failed != nil {
				return false
			}
		}
		if ok {
			more = yield(i)
		}
		return more
	})
	if err == nil {
		err = failed
	}
	return more, err
}

// ofSystem yields what a clause says of its system.
func (v *ValueSet) ofSystem(c *clause, in scope, yield func(*item) bool) error {
	if len(c.concepts) > 0 {
		return v.named(c, in, yield)
	}
	system, err := v.system(c, in)
	switch {
	case err != nil:
		return err
	case system.remote != nil:
		return v.elsewhere(c, system, in, yield)
	case !system.Complete():
		return v.unlisted(system)
	}
	tests, err := v.tests(c, system, in)
	if err != nil {
		return err
	}
	i := &item{}
	try := func(at int, found bool) bool {
		m := member{system: system, at: at}
		if !passes(tests, m) {
			return true
		}
		*i = item{m: m, lazy: true, found: found}
		return yield(i)
	}
	if places := in.found(system); places != nil {
		for at := range places.All() {
			if !try(at, true) {
				break
			}
		}
		return nil
	}
	for at := range system.concepts.Len() {
		if !try(at, false) {
			break
		}
	}
	return nil
}

// found are the concepts that the listing's filter finds, nil where the system
// does not tell that by itself.
func (s scope) found(system *CodeSystem) concept.Bits {
	if s.listing == nil || len(s.listing.words) == 0 {
		return nil
	}
	if m, ok := system.concepts.(matching); ok {
		return m.Matching(s.listing.words)
	}
	return nil
}

// unlisted says why the concepts of a system cannot be listed.
func (v *ValueSet) unlisted(system *CodeSystem) error {
	if system.grammar != nil {
		return v.errorf("takes codes from %s, which are made by a rule: not all concepts are known, and there is no end of them", system.URL)
	}
	if system.Empty() {
		return v.errorf("takes codes from %s, whose concepts are not known; a CodeSystem resource with its concepts, or tarn terminology load, would make them known", system.URL)
	}
	return v.errorf("takes codes from %s, of which not all concepts are known here: its content is %q", system.URL, system.Content)
}

// elsewhere yields what another server lists.
func (v *ValueSet) elsewhere(c *clause, system *CodeSystem, in scope, yield func(*item) bool) error {
	filter := ""
	if in.listing != nil {
		filter = in.listing.filter
	}
	entries, err := system.remote.List(c.part(system.Version), filter, MaxExpansion)
	for _, e := range entries {
		if !yield(&item{e: e, found: true}) {
			return nil
		}
	}
	return err
}

// tests are the filters of a clause, compiled once a listing.
func (v *ValueSet) tests(c *clause, system *CodeSystem, in scope) ([]test, error) {
	if in.listing == nil {
		return compiler{v, system, false}.tests(c.filters)
	}
	if known, ok := in.listing.tests[c]; ok {
		return known, nil
	}
	tests, err := compiler{v, system, true}.tests(c.filters)
	if err == nil {
		in.listing.tests[c] = tests
	}
	return tests, err
}

// named yields the concepts that a clause lists, with what the system says of
// them where it is known.
func (v *ValueSet) named(c *clause, in scope, yield func(*item) bool) error {
	system, err := v.system(c, in)
	if err != nil && !isNotFound(err) {
		return err
	}
	for _, e := range c.concepts {
		if !yield(&item{e: system.completed(e)}) {
			return nil
		}
	}
	return nil
}

// completed adds what the system says to a concept that a value set lists; the
// value set's own display stands. The system may be nil. Other servers are not
// asked for each concept of a list.
func (s *CodeSystem) completed(e Entry) Entry {
	if s == nil || s.concepts == nil {
		return e
	}
	at := s.concepts.Find(e.Code)
	if at < 0 {
		return e
	}
	known := member{system: s, at: at}.entry()
	if e.Display != "" {
		known.Display = e.Display
	}
	known.Designations = slices.Concat(e.Designations, known.Designations)
	return known
}

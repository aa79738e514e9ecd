package terminology

import "slices"

func (v *ValueSet) excluded(in scope, i *item) (bool, error) {
	if len(v.exclude) == 0 {
		return false, nil
	}
	c := i.coding()
	for at := range v.exclude {
		_, ok, err := v.inClause(&v.exclude[at], in, c)
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
	v = v.evaluable(in)
	if out, err := v.excluded(in, &item{e: Entry{Coding: c}}); err != nil || out {
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
			if system.same(e.Code, coding.Code) {
				return system.completed(e), true, nil
			}
		}
		return Entry{}, false, nil
	}
	if err != nil {
		return Entry{}, false, err
	}
	if system.remote != nil && (len(c.filters) > 0 || c.url != "") {
		return system.remote.Has(c.part(system.Version), coding.Code)
	}
	m, err := system.member(coding.Code)
	switch {
	case isNotFound(err) && (system.Complete() || system.remote != nil):
		return Entry{}, false, nil
	case isNotFound(err):
		return Entry{}, false, v.unlisted(system)
	case err != nil:
		return Entry{}, false, err
	}
	tests, err := v.tests(c, system, in)
	if err != nil {
		return Entry{}, false, err
	}
	if !passes(tests, m) {
		return Entry{}, false, nil
	}
	return m.entry(), true, nil
}

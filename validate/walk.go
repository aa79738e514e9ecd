package validate

import "github.com/tarnhealth/tarn/fhir"

// walker is the state of one walk.
type walker struct {
	v      *Validator
	issues []fhir.Issue
	// holder is the resource that "#id" references point into.
	holder fhir.Node
	// inside maps the ids of the holder's contained resources to their types;
	// nil until it is needed.
	inside map[string]string
	// contained is set inside a contained resource.
	contained bool
	// bundle is the Bundle that holder is an entry of, absent for none, and
	// entries its entries, nil until they are needed.
	bundle  fhir.Node
	entries *Entries
}

func (w *walker) full() bool { return len(w.issues) >= issueLimit }

// object checks a resource or a complex value, or the id and extensions of a
// primitive, and everything inside.
func (w *walker) object(n fhir.Node) {
	check := &w.v.types[n.TypeIndex()]
	var seen elementSet
	last, count := -1, 0
	for c := n.First(); c.Exists() && !w.full(); c = c.Next() {
		p := &w.v.props[c.PropertyIndex()]
		seen.add(p.element)
		if p.max > 0 {
			if p.element != last {
				last, count = p.element, 0
			}
			if count++; count == p.max+1 {
				w.tooMany(c, p)
			}
		}
		w.value(c, p)
	}
	if !seen.holds(&check.required) && !w.full() {
		w.missing(n, &seen)
	}
	if check.resource {
		return
	}
	if check.extension >= 0 && seen.has(check.extension) == seen.has(check.value) {
		w.extension(n, seen.has(check.value))
		return
	}
	if check.id >= 0 {
		seen.remove(check.id)
	}
	if seen.empty() && !n.HasValue() {
		w.empty(n)
	}
}

// value checks one value of a property and everything inside.
func (w *walker) value(n fhir.Node, p *propertyCheck) {
	if p.primitive {
		w.primitive(n, p)
		return
	}
	if w.v.types[n.TypeIndex()].resource {
		w.resource(n, p)
		return
	}
	w.object(n)
	switch p.what {
	case checkReference:
		w.reference(n, p)
	case checkCoding:
		w.coding(n, p)
	case checkConcept:
		w.concept(n, p)
	}
}

func (w *walker) primitive(n fhir.Node, p *propertyCheck) {
	if n.HasValue() {
		switch p.what {
		case checkFormat:
			w.format(n, p)
		case checkCode:
			w.code(n, p)
		}
		if p.maxLength > 0 {
			w.length(n, p)
		}
		if !n.First().Exists() {
			return
		}
	}
	w.object(n)
}

// resource checks a resource inside another: contained ones belong to their
// holder, those in a Bundle or in Parameters stand for themselves.
func (w *walker) resource(n fhir.Node, p *propertyCheck) {
	if p.what == checkContained {
		if w.contained {
			w.nested(n)
			return
		}
		w.contained = true
		w.object(n)
		w.contained = false
		return
	}
	outer := *w
	if w.holder.TypeIndex() == w.v.bundle && n.Parent().Parent() == w.holder && n.Name() == "resource" {
		if w.bundle != w.holder {
			w.bundle, w.entries = w.holder, nil
		}
		w.entry(n)
	}
	w.holder, w.inside, w.contained = n, nil, false
	w.object(n)
	w.holder, w.inside, w.contained = outer.holder, outer.inside, outer.contained
	if n.TypeIndex() == w.v.bundle {
		w.bundle, w.entries = outer.bundle, outer.entries
	}
}

package fhirpath

import (
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath/xhtml"
)

// A Coding is a code as the functions about terminology ask for it.
type Coding struct {
	// System is the URL of the code system, "" where the code came alone.
	System, Code string
}

// Terminology tells what codes mean. Errors end the evaluation.
type Terminology interface {
	// MemberOf reports whether any of the codings is in a value set, which is
	// given by its canonical URL. A coding without system is in it where its
	// code is and the value set has codes of one system only; it is an error
	// to ask where it has several, or where the value set is not known.
	MemberOf(valueSet string, codings []Coding) (bool, error)
	// Subsumes reports whether one code is another or an ancestor of it.
	Subsumes(ancestor, descendant Coding) (bool, error)
}

// Profiles tells whether an element conforms to a profile, which is given by
// its canonical URL. It is an error where the profile is not known.
type Profiles interface {
	ConformsTo(n fhir.Node, profile string) (bool, error)
}

// serviceFunctions are those of FHIR that ask others.
// http://hl7.org/fhir/R4/fhirpath.html#functions
func serviceFunctions() map[string]signature {
	return map[string]signature{
		"memberOf":       values(1, 1, aboutURL(memberOf)),
		"subsumes":       values(1, 1, subsumption(false)),
		"subsumedBy":     values(1, 1, subsumption(true)),
		"conformsTo":     values(1, 1, aboutURL(conformsTo)),
		"htmlChecks":     values(0, 0, htmlChecks),
		"checkModifiers": sameTypes(0, maxArguments, checkModifiers),
	}
}

// aboutURL runs a function of one item and a canonical URL; where either is
// empty, so is the result.
func aboutURL(run func(m *machine, item Item, url string) error) runner {
	return func(m *machine, in []Item, args arguments) error {
		item, ok, err := single(in)
		if err != nil || !ok {
			return err
		}
		url, ok, err := stringArgument(args[0])
		if err != nil || !ok {
			return err
		}
		return run(m, item, url)
	}
}

func memberOf(m *machine, item Item, url string) error {
	codings, ok := codingsOf(item)
	if !ok {
		return evaluationError("memberOf() takes a code, Coding, CodeableConcept or string, not %s", item.TypeName())
	}
	if m.env.Terminology == nil {
		return evaluationError("memberOf() needs a terminology service, which is not at hand here")
	}
	member, err := m.env.Terminology.MemberOf(url, codings)
	if err == nil {
		m.push(Boolean(member))
	}
	return err
}

// subsumption is subsumes(), and subsumedBy() where swapped. A concept is its
// codings: one that subsumes one of the other's is enough.
func subsumption(swapped bool) runner {
	return func(m *machine, in []Item, args arguments) error {
		left, ok, err := single(in)
		if err != nil || !ok {
			return err
		}
		right, ok, err := single(args[0])
		if err != nil || !ok {
			return err
		}
		if swapped {
			left, right = right, left
		}
		ancestors, okLeft := codingsOf(left)
		descendants, okRight := codingsOf(right)
		if !okLeft || !okRight {
			return evaluationError("a Coding or CodeableConcept is expected, not %s and %s", left.TypeName(), right.TypeName())
		}
		if m.env.Terminology == nil {
			return evaluationError("subsumption needs a terminology service, which is not at hand here")
		}
		return m.anySubsumes(ancestors, descendants)
	}
}

func (m *machine) anySubsumes(ancestors, descendants []Coding) error {
	for _, a := range ancestors {
		for _, d := range descendants {
			if err := m.spend(1); err != nil {
				return err
			}
			yes, err := m.env.Terminology.Subsumes(a, d)
			if err != nil {
				return err
			}
			if yes {
				m.push(Boolean(true))
				return nil
			}
		}
	}
	m.push(Boolean(false))
	return nil
}

// codingsOf are the codings of a code, Coding, CodeableConcept, Quantity's code
// or string; not ok for another type.
func codingsOf(i Item) ([]Coding, bool) {
	if i.kind == KindNode {
		switch i.node.Type().Name {
		case "Coding":
			return []Coding{codingOf(i.node)}, true
		case "CodeableConcept":
			var all []Coding
			for c := i.node.First(); c.Exists(); c = c.Next() {
				if c.Name() == "coding" {
					all = append(all, codingOf(c))
				}
			}
			return all, true
		}
	}
	text, ok := i.system().value.(string)
	return []Coding{{Code: text}}, ok
}

func codingOf(n fhir.Node) Coding {
	return Coding{System: n.TextOf("system"), Code: n.TextOf("code")}
}

func conformsTo(m *machine, item Item, url string) error {
	if item.kind != KindNode {
		return evaluationError("conformsTo() takes an element, not %s", item.TypeName())
	}
	if m.env.Profiles == nil {
		return evaluationError("conformsTo() needs profiles, which are not at hand here")
	}
	conforms, err := m.env.Profiles.ConformsTo(item.node, url)
	if err == nil {
		m.push(Boolean(conforms))
	}
	return err
}

// htmlChecks holds where the one xhtml element of the input is as narratives
// must be.
func htmlChecks(m *machine, in []Item, _ arguments) error {
	item, ok, err := single(in)
	if err != nil || !ok {
		return err
	}
	text, ok := item.system().value.(string)
	if !ok {
		return evaluationError("htmlChecks() takes xhtml, not %s", item.TypeName())
	}
	if err := m.spend(len(text) / 16); err != nil {
		return err
	}
	m.push(Boolean(xhtml.Check(text) == nil))
	return nil
}

// checkModifiers is the input where no element of it has modifier extensions
// other than the ones named.
func checkModifiers(m *machine, in []Item, args arguments) error {
	allowed := map[string]bool{}
	for _, arg := range args {
		for _, item := range arg {
			allowed[item.Text()] = true
		}
	}
	for _, item := range in {
		if item.kind != KindNode {
			continue
		}
		for c := item.node.First(); c.Exists(); c = c.Next() {
			if url := c.TextOf("url"); c.Name() == "modifierExtension" && !allowed[url] {
				return evaluationError("%s has the modifier extension %s, which is not expected", item.node.Path(), url)
			}
		}
	}
	m.stack = append(m.stack, in...)
	return m.spend(len(in))
}

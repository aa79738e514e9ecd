package terminology

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
)

// maxNesting is how deep value sets may include each other.
const maxNesting = 16

// A ValueSet is a ValueSet resource as answers need it.
// http://hl7.org/fhir/R4/valueset.html
type ValueSet struct {
	URL, Version, Name, Title, Status string
	include, exclude                  []clause
	// listed is the stored expansion of a value set without compose, stored that
	// of one whose compose comes first.
	listed, stored []Entry
	// supplements are the canonical URLs of what is merged into the code
	// systems.
	supplements []string
	service     *Service
}

// With is the value set with supplements merged into its code systems, beside
// those that it asks for itself.
func (v *ValueSet) With(supplements []string) *ValueSet {
	if len(supplements) == 0 {
		return v
	}
	out := *v
	out.supplements = slices.Concat(v.supplements, supplements)
	return &out
}

// supplementExtension names a supplement that a value set needs.
const supplementExtension = "http://hl7.org/fhir/StructureDefinition/valueset-supplement"

// A clause is one include or exclude: of a system the concepts or those that
// the filters let through, and of that what is in every value set.
type clause struct {
	system, version string
	concepts        []Entry
	filters         []Filter
	sets            []string
	// url is that of the implicit value set that the clause is of.
	url string
}

func (c *clause) part(version string) Part { return Part{c.system, version, c.filters, c.url} }

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
	for x := range root.Each("extension") {
		if x.TextOf("url") == supplementExtension {
			v.supplements = append(v.supplements, x.Child("value").Text())
		}
	}
	compose := root.Child("compose")
	if !compose.Exists() {
		if !root.Child("expansion").Exists() {
			return nil, v.errorf("has neither compose nor expansion: its codes are not known")
		}
		v.listed = contained(root.Child("expansion"), nil)
		return v, nil
	}
	v.stored = storedExpansion(root.Child("expansion"))
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

// storedExpansion is an expansion that came with a value set, if it is a whole
// one.
func storedExpansion(n fhir.Node) []Entry {
	all := contained(n, nil)
	if total := n.TextOf("total"); total != "" && total != strconv.Itoa(len(all)) || n.TextOf("offset") != "" {
		return nil
	}
	return all
}

func contained(n fhir.Node, all []Entry) []Entry {
	for c := range n.Each("contains") {
		if c.TextOf("code") != "" {
			e := Entry{Coding: readCoding(c), Abstract: c.TextOf("abstract") == "true", Inactive: c.TextOf("inactive") == "true"}
			for d := range c.Each("designation") {
				e.Designations = append(e.Designations, readDesignation(d))
			}
			all = append(all, e)
		}
		all = contained(c, all)
	}
	return all
}

// evaluable is the value set as it can be evaluated: where the concepts of its
// code systems are not known, it is the expansion that came with it.
func (v *ValueSet) evaluable(in scope) *ValueSet {
	if len(v.stored) == 0 || v.known(in) {
		return v
	}
	out := *v
	out.listed, out.stored, out.include, out.exclude = v.stored, nil, nil, nil
	return &out
}

// known reports whether all that the clauses of the value set need is known.
func (v *ValueSet) known(in scope) bool {
	for _, c := range slices.Concat(v.include, v.exclude) {
		if c.system != "" && len(c.concepts) == 0 {
			system, err := v.system(&c, in)
			if err != nil || !system.Complete() && system.remote == nil {
				return false
			}
		}
		for _, url := range c.sets {
			other, err := v.service.ValueSet(url)
			if err != nil || in.depth > maxNesting || len(other.stored) == 0 && !other.known(in.deeper()) {
				return false
			}
		}
	}
	return true
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
		c.filters = append(c.filters, Filter{f.TextOf("property"), f.TextOf("op"), f.TextOf("value")})
	}
	for set := range n.Each("valueSet") {
		c.sets = append(c.sets, set.Text())
	}
	return c
}

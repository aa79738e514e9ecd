// Package profile owns what profiles demand of resources beyond R4:
// StructureDefinitions with a snapshot are compiled into rules on elements
// (cardinality, types, fixed values and patterns, bindings, invariants, slices,
// extensions), and resources are checked against those that they declare in
// meta.profile and those that they are asked about. It is a Rule of package
// validate.
//
// What a profile repeats of R4 is not checked again. What cannot be evaluated,
// such as a slice that depends on a resource that is not at hand, is a warning
// that says so.
//
// It leaves to others: where definitions are from (guide), and what codes mean
// (terminology).
//
// http://hl7.org/fhir/R4/profiling.html
package profile

import (
	"strings"
	"sync"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/validate"
)

// Rules checks resources against profiles. It is safe for concurrent use.
type Rules struct {
	*Profiles
	opt   Options
	codes *terminology.Service
	sets  sync.Map // *terminology.ValueSet by canonical
}

// Options say how profiles are used. The zero value uses them as they are.
type Options struct {
	// Asked are the canonical URLs of profiles that resources of their type must
	// conform to whether or not they declare them.
	Asked []string
	// Codes is what is known of codes beside the definitions of the source.
	Codes terminology.Options
	// More are profiles that count where the source has none of a name; nil for
	// none.
	More *Profiles
	// Within, where not nil, tells which profiles and extensions are looked at
	// where resources have them. Others are passed over in silence.
	Within func(canonical string) bool
}

// New makes rules of definitions. asked are Options.Asked.
func New(set *definition.Set, library Library, asked ...string) *Rules {
	return NewProfiles(set, Source{Find: library}).Rules(Options{Asked: asked})
}

// Rules makes rules of the profiles, which it shares.
func (p *Profiles) Rules(opt Options) *Rules {
	r := &Rules{Profiles: p, opt: opt, codes: p.codes}
	if opt.Codes.Books != nil || opt.Codes.Remote != nil || opt.Codes.Find != nil {
		r.codes = p.codes.Beside(opt.Codes)
	}
	return r
}

// Profile finds and compiles a profile. It is an error of KindNotFound where
// there is none, of KindUnprocessable where it cannot be used.
func (r *Rules) Profile(canonical string) (*Profile, error) {
	found, err := r.Profiles.find(canonical)
	if found == nil && err == nil && r.opt.More != nil {
		found, err = r.opt.More.find(canonical)
	}
	if found == nil && err == nil {
		err = notKnown(canonical)
	}
	return found, err
}

// unknown is the error of extensions that are not known, which nobody reads.
var unknown = fhir.Errorf(fhir.KindNotFound, "the extension is not known")

// extension finds the definition of an extension as the profile home means it.
func (r *Rules) extension(home, url string) (*Profile, error) {
	if home != "" {
		if r.opt.More != nil {
			url = r.opt.More.pin(home, structure, url)
		}
		url = r.pin(home, structure, url)
	}
	found, err := r.Profiles.find(url)
	if found == nil && err == nil && r.opt.More != nil {
		found, err = r.opt.More.find(url)
	}
	if found == nil && err == nil {
		err = unknown
	}
	return found, err
}

// within reports whether a profile or extension of a resource is looked at.
func (r *Rules) within(canonical string) bool { return r.opt.Within == nil || r.opt.Within(canonical) }

// valueSet finds a value set.
func (r *Rules) valueSet(canonical string) (*terminology.ValueSet, error) {
	if known, ok := r.sets.Load(canonical); ok {
		return known.(*terminology.ValueSet), nil
	}
	set, err := r.codes.ValueSet(canonical)
	if err == nil {
		r.sets.Store(canonical, set)
	}
	return set, err
}

// Check reports where a resource, and those in it, break the profiles that they
// declare or were asked about.
func (r *Rules) Check(tree *fhir.Tree, report func(fhir.Issue)) {
	c := r.check(report)
	c.limit += stepsPerByte * len(tree.Root().Raw())
	c.resource(tree.Root())
}

func (r *Rules) check(report func(fhir.Issue)) *checker {
	return &checker{rules: r, report: report, limit: stepsAtLeast}
}

// checker is the check of one resource.
type checker struct {
	rules  *Rules
	report func(fhir.Issue)
	// seen keeps an issue that two profiles share from being reported twice.
	seen  map[string]bool
	depth int
	// values are those of the elements being checked, as a stack.
	values []fhir.Node
	// steps counts values checked, up to limit.
	steps, limit int
	// quiet is set where only whether there is an error counts.
	quiet, failed bool
	// env is what invariants know, nil until it is needed.
	env *fhirpath.Env
	// entries are those of the Bundle that is being checked, nil for none;
	// fullURL is that of the entry that is.
	entries *validate.Entries
	fullURL string
	// home is the profile that the resource being checked declares first: what
	// extensions are is said by the guide of that.
	home string
	// extensions are those that were checked against their definition already.
	extensions []visit
	// definitions are those that elementDefinition() asked for, by URL.
	definitions map[string]fhir.Node
	// visiting is what is being checked because a reference is to it.
	visiting map[visit]bool
}

// ConformsTo implements fhirpath.Profiles.
func (c *checker) ConformsTo(n fhir.Node, canonical string) (bool, error) {
	if c.rules.isBase(canonical) {
		return strings.HasSuffix(canonical, "/"+n.Type().Name), nil
	}
	p, err := c.rules.Profile(canonical)
	if err != nil {
		return false, err
	}
	return c.conforms(n, p.root), nil
}

// conforms checks without reporting.
func (c *checker) conforms(n fhir.Node, e *element) bool {
	quiet, failed := c.quiet, c.failed
	c.quiet, c.failed = true, false
	c.element(n, e)
	conforms := !c.failed
	c.quiet, c.failed = quiet, failed
	return conforms
}

// environment is what invariants know.
func (c *checker) environment() *fhirpath.Env {
	if c.env == nil {
		c.env = &fhirpath.Env{Terminology: codesOf{c.rules.codes}, Profiles: c, Definitions: c, Now: clock(), Resolve: c.resolve}
	}
	return c.env
}

// resolve finds a resource of the same Bundle.
func (c *checker) resolve(reference string) (fhir.Node, bool) {
	if c.entries == nil {
		return fhir.Node{}, false
	}
	found := c.entries.Resolve(c.fullURL, reference)
	return found, found.Exists()
}

// entry checks a resource that is another's entry, or inside it otherwise.
func (c *checker) entry(n fhir.Node) {
	entries, fullURL, home := c.entries, c.fullURL, c.home
	if holder := n.Parent(); n.Name() == "resource" && holder.Parent().Type().Name == "Bundle" {
		c.fullURL = holder.TextOf("fullUrl")
	}
	c.resource(n)
	c.entries, c.fullURL, c.home = entries, fullURL, home
}

// resource checks a resource and those inside it.
func (c *checker) resource(n fhir.Node) {
	if n.Type().Name == "Bundle" {
		c.entries = validate.EntriesOf(n)
	}
	checked := make([]string, 0, 4)
	for declared := n.Child("meta").First(); declared.Exists(); declared = declared.Next() {
		if declared.Name() == "profile" {
			checked = c.against(n, declared.View(), declared, checked)
		}
	}
	for _, asked := range c.rules.opt.Asked {
		checked = c.against(n, asked, fhir.Node{}, checked)
	}
	c.inside(n)
}

// inside looks for further resources, and for extensions that are defined.
func (c *checker) inside(n fhir.Node) {
	for child := n.First(); child.Exists(); child = child.Next() {
		switch t := child.Type(); {
		case t.Kind == fhir.KindResource:
			c.entry(child)
			continue
		case t.Kind == fhir.KindPrimitive && !child.First().Exists():
			continue
		case t.Name == "Extension":
			c.extension(child)
		}
		c.inside(child)
	}
}

// against checks a resource against one profile that it declares, at the node
// declared, or that was asked for. checked are those that it was checked against
// before.
func (c *checker) against(n fhir.Node, canonical string, declared fhir.Node, checked []string) []string {
	for _, before := range checked {
		if before == canonical {
			return checked
		}
	}
	if c.rules.isBase(canonical) || declared.Exists() && !c.rules.within(canonical) {
		return checked
	}
	p, err := c.rules.Profile(canonical)
	switch {
	case err != nil && declared.Exists():
		c.warn(declared, "not-found", "%v; the resource was not checked against it", err)
	case err != nil:
		c.fail(n, "not-found", "%v", err)
	case p.Type == n.Type().Name:
		if len(checked) == 0 {
			c.home = p.asked
		}
		c.element(n, p.root)
	case declared.Exists():
		c.fail(declared, "structure", "the profile %s is for %s, not for %s", canonical, p.Type, n.Type().Name)
	}
	return append(checked, canonical)
}

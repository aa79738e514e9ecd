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

// A Library finds definitions by type and canonical URL, with or without a
// |version; nil where it has none. It must be safe for concurrent use.
type Library func(resourceType, canonical string) (*fhir.Tree, error)

// Rules checks resources against profiles. It is safe for concurrent use.
type Rules struct {
	schema  *fhir.Schema
	library Library
	// asked are profiles that every resource of their type is checked against.
	asked []string
	// ofBase are the keys of R4's own invariants.
	ofBase map[string]bool
	codes  *terminology.Service

	mu       sync.Mutex
	compiled map[string]*Profile
}

// UseCodes makes loaded terminologies, and another server, known to bindings and
// to expressions.
func (r *Rules) UseCodes(opt terminology.Options) { r.codes.Use(opt) }

// New makes rules from definitions. asked are the canonical URLs of profiles
// that resources of their type must conform to whether or not they declare
// them.
func New(set *definition.Set, library Library, asked ...string) *Rules {
	r := &Rules{
		schema: set.Schema, library: library, asked: asked, ofBase: map[string]bool{}, compiled: map[string]*Profile{},
		codes: terminology.New(terminology.Library(library)),
	}
	for _, t := range set.Schema.Types {
		for _, k := range t.Constraints {
			r.ofBase[k.Key] = true
		}
		for _, e := range t.Elements {
			for _, k := range e.Constraints {
				r.ofBase[k.Key] = true
			}
		}
	}
	return r
}

const base = "http://hl7.org/fhir/StructureDefinition/"

// IsBase reports whether a canonical URL is that of one of R4's own types,
// which the validator knows.
func (r *Rules) isBase(canonical string) bool {
	url, _, _ := strings.Cut(canonical, "|")
	name, ok := strings.CutPrefix(url, base)
	return ok && r.schema.Type(name) != nil
}

// Profile finds and compiles a profile. It is an error of KindNotFound where
// there is none, of KindUnprocessable where it cannot be used.
func (r *Rules) Profile(canonical string) (*Profile, error) {
	r.mu.Lock()
	known := r.compiled[canonical]
	r.mu.Unlock()
	if known != nil {
		return known, nil
	}
	tree, err := r.library("StructureDefinition", canonical)
	if err != nil {
		return nil, err
	}
	if tree == nil {
		return nil, fhir.Errorf(fhir.KindNotFound, "the profile %s is not known", canonical)
	}
	p, err := r.compile(tree.Root())
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.compiled[canonical] = p
	r.mu.Unlock()
	return p, nil
}

// Check reports where a resource, and those in it, break the profiles that they
// declare or were asked about.
func (r *Rules) Check(tree *fhir.Tree, report func(fhir.Issue)) {
	c := r.check(report)
	c.limit += stepsPerByte * len(tree.Root().Raw())
	c.resource(tree.Root())
}

func (r *Rules) check(report func(fhir.Issue)) *checker {
	return &checker{rules: r, report: report, seen: map[string]bool{}, codes: r.codes, limit: stepsAtLeast}
}

// checker is the check of one resource.
type checker struct {
	rules  *Rules
	report func(fhir.Issue)
	// seen keeps an issue that two profiles share from being reported twice.
	seen  map[string]bool
	codes *terminology.Service
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
	quiet, failed, report := c.quiet, c.failed, c.report
	c.quiet, c.failed = true, false
	c.element(n, e)
	conforms := !c.failed
	c.quiet, c.failed, c.report = quiet, failed, report
	return conforms
}

// environment is what invariants know.
func (c *checker) environment() *fhirpath.Env {
	if c.env == nil {
		c.env = &fhirpath.Env{Terminology: codesOf{c.codes}, Profiles: c, Definitions: c, Now: clock(), Resolve: c.resolve}
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
	entries, fullURL := c.entries, c.fullURL
	if holder := n.Parent(); n.Name() == "resource" && holder.Parent().Type().Name == "Bundle" {
		c.fullURL = holder.TextOf("fullUrl")
	}
	c.resource(n)
	c.entries, c.fullURL = entries, fullURL
}

// resource checks a resource and those inside it.
func (c *checker) resource(n fhir.Node) {
	if n.Type().Name == "Bundle" {
		c.entries = validate.EntriesOf(n)
	}
	checked := map[string]bool{}
	for declared := range n.Child("meta").Each("profile") {
		c.against(n, declared.Text(), declared, checked)
	}
	for _, asked := range c.rules.asked {
		c.against(n, asked, fhir.Node{}, checked)
	}
	c.inside(n)
}

// inside looks for further resources, and for extensions that are defined.
func (c *checker) inside(n fhir.Node) {
	for child := n.First(); child.Exists(); child = child.Next() {
		switch child.Type().Kind {
		case fhir.KindResource:
			c.entry(child)
			continue
		case fhir.KindPrimitive:
			if !child.First().Exists() {
				continue
			}
		}
		if child.Type().Name == "Extension" {
			c.extension(child)
		}
		c.inside(child)
	}
}

// against checks a resource against one profile that it declares, at the node
// declared, or that was asked for.
func (c *checker) against(n fhir.Node, canonical string, declared fhir.Node, checked map[string]bool) {
	if checked[canonical] || c.rules.isBase(canonical) {
		return
	}
	checked[canonical] = true
	p, err := c.rules.Profile(canonical)
	switch {
	case err != nil && declared.Exists():
		c.warn(declared, "not-found", "%v; the resource was not checked against it", err)
	case err != nil:
		c.fail(n, "not-found", "%v", err)
	case p.Type == n.Type().Name:
		c.element(n, p.root)
	case declared.Exists():
		c.fail(declared, "structure", "the profile %s is for %s, not for %s", canonical, p.Type, n.Type().Name)
	}
}

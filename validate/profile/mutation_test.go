package profile_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/internal/published"
	"github.com/tarnhealth/tarn/validate"
	"github.com/tarnhealth/tarn/validate/invariant"
	"github.com/tarnhealth/tarn/validate/mutation"
	"github.com/tarnhealth/tarn/validate/profile"
)

// share is which part of the mutations an ordinary run tries: all of them where
// TARN_BREAK is "all".
const share = 24

// TestMutations breaks what the profiles of US Core say of each element that
// their examples have: what is required is removed, what may be there once
// repeated, types, codes, fixed values, patterns and targets are wrong, what may
// not be there is added. Each is found where it is.
func TestMutations(t *testing.T) {
	for _, version := range published.USCoreVersions {
		t.Run(version, func(t *testing.T) { mutate(t, version) })
	}
}

// profileBreaker breaks the examples of one guide.
type profileBreaker struct {
	*testing.T
	rules *profile.Rules
	v     *validate.Validator
	doc   *mutation.Doc
	pool  mutation.Pool
	done  map[string]bool
	count map[string]int
}

func mutate(t *testing.T, version string) {
	set := guidetest.USCore(t, version)
	b := &profileBreaker{
		T: t, rules: profile.New(definition.R4(), set.Find), pool: mutation.Pool{}, done: map[string]bool{}, count: map[string]int{},
	}
	b.v = validate.New(definition.R4(), invariant.New(definition.R4()), b.rules)
	examples := guidetest.USCoreExamples(t, version)
	var docs []*mutation.Doc
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		doc, err := mutation.New(definition.R4().Schema, examples[name])
		if err != nil {
			t.Fatal(err)
		}
		if faulty[version+"/"+name] == nil {
			docs = append(docs, doc)
			b.pool.Add(doc)
		}
	}
	for _, doc := range docs {
		b.doc = doc
		b.rules.Places(doc.Tree.Root(), b.place)
	}
	t.Logf("%v", b.count)
}

// try breaks one rule, unless that was done, and looks for the issue.
func (b *profileBreaker) try(p profile.Place, kind, path, code string, change func() []byte) {
	name := p.Profile + " " + p.ID + " " + kind
	if b.done[name] || !mutation.Tried(name, share) {
		return
	}
	b.done[name] = true
	broken := change()
	if broken == nil {
		return
	}
	tree, issues := mutation.Issues(definition.R4().Schema, broken, b.v.Validate)
	// What R4 allows to be referred to, and no more, is R4's own rule.
	if found(issues, path, code) || kind == "target" && found(issues, path+".reference", "value") {
		b.count[kind]++
		return
	}
	for _, s := range p.Slices {
		if tree == nil || b.rules.In(s, at(tree, s.Value.Path())) {
			continue
		}
		// The value is not in its slice any more, which is an error where the
		// slice is required, or there is to be nothing else.
		parent := s.Value.Parent().Path() + "." + s.Value.Name()
		if s.Min > 0 && found(issues, parent, "required") || s.Closed && found(issues, s.Value.Path(), "structure") {
			b.count[kind+" of the slice"]++
			return
		}
		if s.Min == 0 && !s.Closed {
			b.count[kind+", out of the slice"]++
			return
		}
	}
	b.Errorf("%s: nothing at %s in %v\n%.1500s", name, path, issues, broken)
}

func found(issues []fhir.Issue, path, code string) bool {
	return slices.ContainsFunc(issues, func(i fhir.Issue) bool {
		wanted := i.Severity != fhir.SeverityWarning
		if code == "not-supported" {
			wanted = i.Severity == fhir.SeverityWarning
		}
		return wanted && i.Expression == path && strings.Contains(code, i.Code)
	})
}

// at is the value at a path.
func at(tree *fhir.Tree, path string) fhir.Node {
	var found fhir.Node
	mutation.Each(tree.Root(), func(n fhir.Node) {
		if n.Path() == path {
			found = n
		}
	})
	return found
}

func (b *profileBreaker) place(p profile.Place) {
	of := p.In.Type().Element(p.Name)
	if of == nil { // the root
		return
	}
	path := p.In.Path() + "." + p.Name
	if len(p.Values) == 0 {
		if value := b.pool[of.Properties[0]]; p.Max == 0 && p.Slice == "" && value != nil && of.Max != 0 {
			b.try(p, "absent", path, "structure", func() []byte {
				if of.Max != 1 {
					return b.doc.Key(p.In, of.Properties[0].JSON, []any{value})
				}
				return b.doc.Key(p.In, of.Properties[0].JSON, value)
			})
		}
		return
	}
	first := p.Values[0]
	if p.Min > 0 {
		b.try(p, "required", path, "required", func() []byte { return b.doc.WithoutOnly(p.Values) })
	}
	if p.Max > 0 && p.Max < 10 && of.Max != 1 {
		b.try(p, "max", path, "structure", func() []byte { return b.doc.Repeated(first, p.Max) })
	}
	b.typesOf(p, of, first)
	b.codesOf(p, first)
	b.constants(p, first)
}

// typesOf breaks types and targets.
func (b *profileBreaker) typesOf(p profile.Place, of *fhir.Element, first fhir.Node) {
	if p.Choice {
		for _, other := range of.Properties {
			if b.pool[other] != nil && !slices.Contains(p.Types, other.Type.Name) {
				b.try(p, "type", first.Path(), "structure", func() []byte { return b.doc.As(first, other, b.pool[other]) })
				break
			}
		}
	}
	if first.Type().Name != "Reference" || p.Unknown || slices.Contains(p.Targets, "Resource") {
		return
	}
	if name := mutation.NotAmong(definition.R4().Schema, p.Targets); name != "" {
		target := func() []byte { return b.doc.Set(first, map[string]any{"reference": name + "/1"}) }
		b.try(p, "target", first.Path(), "structure", target)
	}
}

func (b *profileBreaker) codesOf(p profile.Place, first fhir.Node) {
	if p.Strength != "required" {
		return
	}
	coding := map[string]any{"system": "http://example.org/none", "code": "no-such-code"}
	var wrong any
	switch first.Type().Name {
	case "code":
		wrong = "no-such-code"
	case "Coding":
		wrong = coding
	case "CodeableConcept":
		wrong = map[string]any{"coding": []any{coding}}
	default:
		return
	}
	code := "code-invalid"
	if !b.rules.Knows(p.ValueSet) {
		code = "not-supported"
	}
	b.try(p, "code", first.Path(), code, func() []byte { return b.doc.Set(first, wrong) })
}

// constants breaks fixed values and patterns.
func (b *profileBreaker) constants(p profile.Place, first fhir.Node) {
	if !p.Constant {
		return
	}
	var other any
	switch first.Type().Name {
	case "boolean":
		other = first.Text() == "false"
	case "Coding", "Quantity", "Identifier":
		other = map[string]any{"system": "http://example.org/none"}
	case "CodeableConcept":
		other = map[string]any{"coding": []any{map[string]any{"system": "http://example.org/none", "code": "x"}}}
	case "code", "string":
		other = "other"
	case "uri", "canonical", "url":
		other = "http://example.org/other"
	default:
		b.Errorf("%s %s: no other value for a %s", p.Profile, p.ID, first.Type().Name)
		return
	}
	b.try(p, "constant", first.Path(), "value code-invalid", func() []byte { return b.doc.Set(first, other) })
}

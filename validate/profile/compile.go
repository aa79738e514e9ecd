package profile

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/validate/invariant"
)

// unbounded is the max of an element that may repeat without limit.
const unbounded = math.MaxInt

// compile reads a StructureDefinition. The caller holds mu.
func (r *Profiles) compile(root fhir.Node, asked string) (*Profile, error) {
	p := &Profile{URL: root.TextOf("url"), Name: root.TextOf("name"), Type: r.text(root.TextOf("type")), asked: strings.Clone(asked)}
	snapshot := root.Child("snapshot")
	if !snapshot.Exists() {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the profile %s has no snapshot: it has to be generated before the profile can be used", p.URL)
	}
	if r.schema.Type(p.Type) == nil {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the profile %s is for %q, which R4 has not", p.URL, p.Type)
	}
	if p.Type == "Extension" {
		p.usage = r.usage(root)
	}
	byID, all := map[string]*element{}, []*element(nil)
	for n := range snapshot.Each("element") {
		e := r.element(p, n)
		byID[e.id] = e
		all = append(all, e)
		if p.root == nil {
			p.root, e.inside = e, r.schema.Type(p.Type)
			r.constraints(e, n)
			continue
		}
		if err := r.place(p, byID, e); err != nil {
			return nil, err
		}
		r.constraints(e, n)
	}
	if p.root == nil {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the snapshot of the profile %s has no elements", p.URL)
	}
	for _, e := range all {
		if e.content == "" {
			continue
		}
		of := byID[e.content]
		if of == nil {
			return nil, fhir.Errorf(fhir.KindUnprocessable, "the element %s of the profile %s has the content of %s, which is not there", e.id, p.URL, e.content)
		}
		e.children = of.children
	}
	finish(all)
	return p, nil
}

// place puts an element below its parent, or, where it is a slice, beside the
// element that is sliced.
func (r *Profiles) place(p *Profile, byID map[string]*element, e *element) error {
	at := strings.LastIndexByte(e.id, '.')
	if at < 0 {
		return fhir.Errorf(fhir.KindUnprocessable, "the profile %s has two roots, %s and %s", p.URL, p.root.id, e.id)
	}
	if name, slice, sliced := strings.Cut(e.id[at+1:], ":"); sliced {
		of := byID[e.id[:at+1]+name]
		if of == nil {
			return fhir.Errorf(fhir.KindUnprocessable, "the profile %s has the slice %s of nothing", p.URL, e.id)
		}
		e.slice = slice
		r.typed(e, of.of)
		if outer, _, again := strings.Cut(slice, "/"); again { // a slice of a slice
			if whole := byID[e.id[:at+1]+name+":"+outer]; whole != nil {
				of = whole
			}
		}
		of.slices = append(of.slices, e)
		return nil
	}
	parent := byID[e.id[:at]]
	if parent == nil {
		return fhir.Errorf(fhir.KindUnprocessable, "the element %s of the profile %s has no parent", e.id, p.URL)
	}
	if parent.inside != nil {
		r.typed(e, parent.inside.Element(e.name))
	} else {
		r.typed(e, nil)
	}
	parent.children = append(parent.children, e)
	return nil
}

// typed notes what R4 says of an element, and leaves out of it what R4 says
// already.
func (r *Profiles) typed(e *element, of *fhir.Element) {
	e.of = of
	if len(e.types) == 1 {
		if t := r.schema.Type(e.types[0].code); t != nil && t.Kind != fhir.KindAbstract {
			e.inside = t
		}
	}
	if of == nil {
		e.narrow = e.choice
		return
	}
	if e.inside == nil && !of.Choice {
		e.inside = of.Types[0].Type
	}
	if e.binding != nil && of.Binding != nil && e.binding.required && of.Binding.Strength == fhir.BindingRequired && of.Binding.ValueSet == e.binding.valueSet {
		e.binding = nil
	}
	if of.Choice {
		e.narrow = slices.ContainsFunc(of.Types, func(t fhir.TypeRef) bool { return !e.allows(t.Type) })
		return
	}
	// Of the others only resources can be of several types.
	e.narrow = of.Types[0].Type.Name == "Resource" && !slices.ContainsFunc(e.types, func(t typeRef) bool { return t.code == "Resource" }) && len(e.types) > 0
}

// element reads an ElementDefinition.
func (r *Profiles) element(p *Profile, n fhir.Node) *element {
	path := n.TextOf("path")
	last := path[strings.LastIndexByte(path, '.')+1:]
	name, choice := strings.CutSuffix(last, "[x]")
	e := &element{
		profile: p, id: r.text(n.TextOf("id")), name: r.text(name), choice: choice,
		fixed: constantOf(n.Child("fixed")), pattern: constantOf(n.Child("pattern")), max: unbounded,
		content: strings.TrimPrefix(n.TextOf("contentReference"), "#"),
	}
	if e.id == "" {
		e.id = r.text(path)
	}
	if at := strings.LastIndexByte(e.content, '#'); at >= 0 {
		e.content = e.content[at+1:]
	}
	e.min, _ = strconv.Atoi(n.TextOf("min")) // 0 where it is not given
	if max, err := strconv.Atoi(n.TextOf("max")); err == nil {
		e.max = max
	}
	e.mustSupport = n.TextOf("mustSupport") == "true"
	e.maxLength, _ = strconv.Atoi(n.TextOf("maxLength"))
	if b := n.Child("binding"); b.Exists() {
		strength, valueSet := b.TextOf("strength"), b.TextOf("valueSet")
		if valueSet != "" && (strength == "required" || strength == "extensible") {
			e.binding = &binding{strength == "required", r.text(r.pin(p.asked, "ValueSet", valueSet))}
		}
	}
	for t := range n.Each("type") {
		e.types = append(e.types, r.readType(p, t))
	}
	if s := n.Child("slicing"); s.Exists() {
		e.slicing = r.readSlicing(s)
	}
	return e
}

func (r *Profiles) readType(of *Profile, n fhir.Node) typeRef {
	t := typeRef{code: r.text(strings.TrimPrefix(n.TextOf("code"), "http://hl7.org/fhirpath/System."))}
	for p := range n.Each("profile") {
		if canonical := p.Text(); !r.isBase(canonical) {
			t.profiles = append(t.profiles, r.text(r.pin(of.asked, structure, canonical)))
		}
	}
	for p := range n.Each("targetProfile") {
		to := target{canonical: r.text(p.Text())}
		if r.isBase(to.canonical) {
			to.name, _, _ = strings.Cut(strings.TrimPrefix(to.canonical, base), "|")
		} else {
			to.canonical = r.text(r.pin(of.asked, structure, to.canonical))
		}
		t.targets = append(t.targets, to)
	}
	for a := range n.Each("aggregation") {
		t.aggregation = append(t.aggregation, r.text(a.Text()))
	}
	return t
}

func (r *Profiles) readSlicing(n fhir.Node) *slicing {
	s := &slicing{rules: r.text(n.TextOf("rules")), ordered: n.TextOf("ordered") == "true"}
	for d := range n.Each("discriminator") {
		s.discriminators = append(s.discriminators, discriminator{r.text(d.TextOf("type")), splitPath(d.TextOf("path"))})
	}
	return s
}

// constraints compiles the invariants that are not R4's own.
func (r *Profiles) constraints(e *element, n fhir.Node) {
	context := ""
	if len(e.types) == 1 && r.schema.Type(e.types[0].code) != nil {
		context = e.types[0].code
	}
	if !strings.Contains(e.id, ".") {
		context = e.profile.Type
	}
	for k := range n.Each("constraint") {
		key, expression := k.TextOf("key"), k.TextOf("expression")
		if r.ofBase[key] || expression == "" {
			continue
		}
		e.rules = append(e.rules, r.rule(context, fhir.Constraint{
			Key: key, Error: k.TextOf("severity") == "error", Human: k.TextOf("human"), Expression: expression,
		}))
	}
}

// rule is an invariant, compiled once for all profiles that have it.
func (r *Profiles) rule(context string, k fhir.Constraint) invariant.Invariant {
	name := strings.Join([]string{context, k.Key, strconv.FormatBool(k.Error), k.Human, k.Expression}, "\x00")
	rule, ok := r.rules[name]
	if !ok {
		rule = invariant.Of(r.schema, context, k)
		r.rules[name] = rule
	}
	return rule
}

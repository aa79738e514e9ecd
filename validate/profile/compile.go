package profile

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/validate/invariant"
)

// A Profile is a compiled StructureDefinition. It is immutable.
type Profile struct {
	URL, Name, Type string
	root            *element
	// usage is where an extension may be, nil for other profiles.
	usage *usage
}

// An element is what a profile says of one element. http://hl7.org/fhir/R4/elementdefinition.html
type element struct {
	profile *Profile
	id      string
	// name is the element's without [x]; slice its slice's name, "" for none.
	name, slice string
	choice      bool
	min, max    int
	types       []typeRef
	fixed       fhir.Node
	pattern     fhir.Node
	maxLength   int
	mustSupport bool
	strength    string
	valueSet    string
	rules       []invariant.Invariant
	children    []*element
	slices      []*element
	slicing     *slicing
	// content is the id of the element that this one has the content of.
	content string
}

type typeRef struct {
	code              string
	profiles, targets []string
}

type slicing struct {
	discriminators []discriminator
	rules          string
	ordered        bool
}

type discriminator struct {
	kind string
	path []string
}

// compile reads a StructureDefinition.
func (r *Rules) compile(root fhir.Node) (*Profile, error) {
	p := &Profile{URL: root.TextOf("url"), Name: root.TextOf("name"), Type: root.TextOf("type")}
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
	byID := map[string]*element{}
	for n := range snapshot.Each("element") {
		e := r.element(p, n)
		byID[e.id] = e
		if p.root == nil {
			p.root = e
			continue
		}
		if err := place(p, byID, e); err != nil {
			return nil, err
		}
	}
	if p.root == nil {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the snapshot of the profile %s has no elements", p.URL)
	}
	for _, e := range byID {
		if e.content == "" {
			continue
		}
		of := byID[e.content]
		if of == nil {
			return nil, fhir.Errorf(fhir.KindUnprocessable, "the element %s of the profile %s has the content of %s, which is not there", e.id, p.URL, e.content)
		}
		e.children = of.children
	}
	return p, nil
}

// place puts an element below its parent, or, where it is a slice, beside the
// element that is sliced.
func place(p *Profile, byID map[string]*element, e *element) error {
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
	parent.children = append(parent.children, e)
	return nil
}

func (r *Rules) element(p *Profile, n fhir.Node) *element {
	path := n.TextOf("path")
	last := path[strings.LastIndexByte(path, '.')+1:]
	name, choice := strings.CutSuffix(last, "[x]")
	e := &element{
		profile: p, id: n.TextOf("id"), name: name, choice: choice,
		fixed: n.Child("fixed"), pattern: n.Child("pattern"), max: math.MaxInt,
		content: strings.TrimPrefix(n.TextOf("contentReference"), "#"),
	}
	if e.id == "" {
		e.id = path
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
		e.strength, e.valueSet = b.TextOf("strength"), b.TextOf("valueSet")
	}
	for t := range n.Each("type") {
		e.types = append(e.types, readType(t))
	}
	if s := n.Child("slicing"); s.Exists() {
		e.slicing = readSlicing(s)
	}
	r.constraints(e, n)
	return e
}

func readType(n fhir.Node) typeRef {
	t := typeRef{code: n.TextOf("code")}
	t.code = strings.TrimPrefix(t.code, "http://hl7.org/fhirpath/System.")
	for p := range n.Each("profile") {
		t.profiles = append(t.profiles, p.Text())
	}
	for p := range n.Each("targetProfile") {
		t.targets = append(t.targets, p.Text())
	}
	return t
}

func readSlicing(n fhir.Node) *slicing {
	s := &slicing{rules: n.TextOf("rules"), ordered: n.TextOf("ordered") == "true"}
	for d := range n.Each("discriminator") {
		s.discriminators = append(s.discriminators, discriminator{d.TextOf("type"), splitPath(d.TextOf("path"))})
	}
	return s
}

// constraints compiles the invariants that are not R4's own.
func (r *Rules) constraints(e *element, n fhir.Node) {
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
		e.rules = append(e.rules, invariant.Of(r.schema, context, fhir.Constraint{
			Key: key, Error: k.TextOf("severity") == "error", Human: k.TextOf("human"), Expression: expression,
		}))
	}
}

// allows reports whether a type is among those of an element; any is where it
// names none.
func (e *element) allows(t *fhir.Type) bool {
	return len(e.types) == 0 || slices.ContainsFunc(e.types, func(ref typeRef) bool { return isA(t, ref.code) })
}

// isA reports whether a type has a name or derives from the type of that name.
func isA(t *fhir.Type, name string) bool {
	if name == "Resource" || name == "DomainResource" || name == "Element" {
		return true
	}
	return strings.EqualFold(t.Name, name)
}

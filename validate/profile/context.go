package profile

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

// This file checks where extensions are.
// http://hl7.org/fhir/R4/defining-extensions.html#context

// A context is where an extension may be: one of a StructureDefinition's.
type context struct {
	kind, expression string
	// path is the expression, compiled, where the kind is fhirpath.
	path *fhirpath.Expr
}

// usage is what the definition of an extension says of where it may be.
type usage struct {
	contexts []context
	// invariants hold on the element that has the extension, which is
	// %extension in them.
	invariants []*fhirpath.Expr
	modifier   bool
}

// alsoAt are contexts that R4's own definitions leave out: every
// StructureDefinition that is published has the first there, and the
// CapabilityStatements and SearchParameters of guides the second on all sorts of
// elements.
var alsoAt = map[string]string{
	base + "structuredefinition-fhir-type":   "ElementDefinition.type",
	base + "capabilitystatement-expectation": "Element",
}

// usage reads a StructureDefinition's.
func (r *Profiles) usage(definition fhir.Node) *usage {
	u := &usage{}
	for n := range definition.Each("context") {
		k := context{kind: n.TextOf("type"), expression: n.TextOf("expression")}
		if k.kind == "fhirpath" {
			k.path = fhirpath.Later(r.schema, k.expression)
		}
		u.contexts = append(u.contexts, k)
	}
	if path := alsoAt[definition.TextOf("url")]; path != "" {
		u.contexts = append(u.contexts, context{kind: "element", expression: path})
	}
	for n := range definition.Each("contextInvariant") {
		u.invariants = append(u.invariants, fhirpath.Later(r.schema, n.Text(), fhirpath.WithVariables("extension")))
	}
	u.modifier = definition.Child("snapshot").Child("element").TextOf("isModifier") == "true"
	return u
}

// placed checks that an extension is where its definition allows it.
func (c *checker) placed(n fhir.Node, p *Profile) {
	u := p.usage
	modifies := n.Name() == "modifierExtension"
	if modifies != u.modifier {
		is, use := "no modifier", "extension"
		if u.modifier {
			is, use = "a modifier", "modifierExtension"
		}
		c.fail(n, "extension", "%s is %s extension; write it as %s", p.URL, is, use)
	}
	holder := n.Parent()
	if !holder.Exists() {
		return
	}
	allowed := len(u.contexts) == 0
	for i := range u.contexts {
		ok, known := c.inContext(holder, &u.contexts[i])
		allowed = allowed || ok || !known
	}
	if !allowed {
		c.fail(n, "extension", "the extension %s may not be on %s; it is for %s", p.URL, placeName(holder), u.shown())
	}
	for _, k := range u.invariants {
		env := *c.environment()
		env.Variables = map[string][]fhirpath.Item{"extension": {fhirpath.NodeItem(n)}}
		holds, known, err := k.Condition(holder, env)
		switch {
		case err != nil:
			c.warn(n, "extension", "the rule %s, about where the extension may be, cannot be evaluated: %v", k, err)
		case known && !holds:
			c.fail(n, "extension", "the extension %s may be here only where %s", p.URL, k)
		}
	}
}

// placeName is the element's definition for messages: Patient, HumanName.given.
func placeName(n fhir.Node) string {
	if e := n.Element(); e != nil && n.Type().Kind != fhir.KindResource {
		return e.Path
	}
	return n.Type().Name
}

func (u *usage) shown() string {
	var all []string
	for _, k := range u.contexts {
		all = append(all, k.expression)
	}
	return strings.Join(all, ", ")
}

// inContext reports whether an element is one that a context names; known is
// false where that cannot be told.
func (c *checker) inContext(holder fhir.Node, k *context) (ok, known bool) {
	switch k.kind {
	case "extension":
		return holder.Type().Name == "Extension" && holder.TextOf("url") == k.expression, true
	case "fhirpath":
		nodes, err := k.path.Nodes(resourceOf(holder))
		return slices.Contains(nodes, holder), err == nil
	}
	url, id, _ := strings.Cut(k.expression, "#")
	if !strings.Contains(url, ":") {
		return isNamed(holder, url), true
	}
	if c.rules.isBase(url) {
		if id == "" {
			id = strings.TrimPrefix(url, base)
		}
		return isNamed(holder, id), true
	}
	if id != "" && !isNamed(holder, withoutSlices(id)) {
		return false, true
	}
	conforms, err := c.ConformsTo(resourceOf(holder), url)
	return conforms, err == nil
}

// withoutSlices is the path that an element's id stands for.
func withoutSlices(id string) string {
	steps := strings.Split(id, ".")
	for i := range steps {
		steps[i], _, _ = strings.Cut(steps[i], ":")
	}
	return strings.Join(steps, ".")
}

// isNamed reports whether a type or a path is that of an element: that of its
// type, of what the type specializes, or of the element in any type on the way
// to it.
func isNamed(n fhir.Node, name string) bool {
	schema := n.Tree().Schema
	for t := n.Type(); t != nil; t = schema.Type(t.Base) {
		if t.Name == name {
			return true
		}
	}
	switch name {
	case "Element": // which stands for whatever can have extensions
		return true
	case "CanonicalResource", "MetadataResource":
		return n.Type().Kind == fhir.KindResource && n.Type().Element("url") != nil && n.Type().Element("status") != nil
	}
	tail := ""
	for ; n.Property() != nil && n.Type().Kind != fhir.KindResource; n = n.Parent() {
		p := n.Property()
		for t := p.Owner; t != nil; t = schema.Type(t.Base) {
			if t.Name+"."+p.Element.Name+tail == name || p.Element.Choice && (t.Name+"."+p.JSON+tail == name || t.Name+"."+p.Element.Name+"[x]"+tail == name) {
				return true
			}
		}
		step := "." + p.Element.Name
		if p.Element.Choice {
			step += "[x]"
		}
		tail = step + tail
	}
	return false
}

// resourceOf is the resource that a value is in, or the value itself.
func resourceOf(n fhir.Node) fhir.Node {
	for n.Type().Kind != fhir.KindResource && n.Parent().Exists() {
		n = n.Parent()
	}
	return n
}

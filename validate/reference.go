package validate

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// This file checks what references point to, as far as they say so themselves.
// http://hl7.org/fhir/R4/references.html

const structurePrefix = "http://hl7.org/fhir/StructureDefinition/"

// reference checks a Reference against the resource types that its element
// allows.
func (w *walker) reference(n fhir.Node, p *propertyCheck) {
	var literal, kind fhir.Node
	for c := n.First(); c.Exists(); c = c.Next() {
		if !c.HasValue() {
			continue
		}
		switch c.Name() {
		case "reference":
			literal = c
		case "type":
			kind = c
		}
	}
	var target, said string
	if literal.Exists() {
		target = w.target(literal)
		w.allowed(literal, target, p)
	}
	if kind.Exists() {
		said = strings.TrimPrefix(kind.View(), structurePrefix)
		if w.v.schema.Resource(said) == nil {
			return // a logical model's URL
		}
		w.allowed(kind, said, p)
	}
	if target != "" && said != "" && target != said {
		w.report(kind, "value", "the type is %s, but %q is of type %s; make them agree", said, literal.View(), target)
	}
}

func (w *walker) allowed(n fhir.Node, target string, p *propertyCheck) {
	if target == "" || len(p.targets) == 0 || slices.Contains(p.targets, target) {
		return
	}
	w.report(n, "value", "%q is of type %s, which may not be referred to here; allowed: %s",
		n.View(), target, strings.Join(p.targets, ", "))
}

// target is the resource type that a literal reference names, "" where it
// does not say: a URN, or a URL of another kind of server.
func (w *walker) target(literal fhir.Node) string {
	ref := literal.View()
	switch {
	case strings.HasPrefix(ref, "#"):
		return w.containedType(ref[1:])
	case strings.HasPrefix(ref, "urn:"):
		return w.inBundle(literal)
	}
	if found := w.inBundle(literal); found != "" {
		return found
	}
	name, relative := targetName(ref)
	if w.v.schema.Resource(name) != nil {
		return name
	}
	if relative && name != "" {
		w.report(literal, "value", "%q is not a resource type of FHIR %s; write Type/id, such as Patient/123", name, w.v.schema.Release)
	}
	return ""
}

// targetName is the place in a URL where a resource's type stands:
// "Patient/1", "http://…/Patient/1/_history/2", "Patient?identifier=x". It is
// relative where nothing stands before the type.
func targetName(ref string) (name string, relative bool) {
	path, _, conditional := strings.Cut(ref, "?")
	if !conditional {
		path, _, _ = strings.Cut(path, "#")
		if at := strings.Index(path, "/_history/"); at >= 0 {
			path = path[:at]
		}
		at := strings.LastIndexByte(path, '/')
		if at < 0 {
			return "", false
		}
		path = path[:at]
	}
	at := strings.LastIndexByte(path, '/')
	return path[at+1:], at < 0
}

// containedType is the type of the resource with an id inside the holder; an
// empty id stands for the holder itself. The ids are gathered at the first
// such reference, so that many of them stay cheap.
func (w *walker) containedType(id string) string {
	if id == "" {
		return w.holder.Type().Name
	}
	if w.inside == nil {
		w.inside = map[string]string{}
		for c := w.holder.First(); c.Exists(); c = c.Next() {
			if c.Name() == "contained" {
				w.inside[c.TextOf("id")] = c.Type().Name
			}
		}
	}
	return w.inside[id]
}

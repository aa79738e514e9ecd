package fhirpath

import "github.com/tarnhealth/tarn/fhir"

// Definitions tells what is defined of elements. Errors end the evaluation.
type Definitions interface {
	// ElementDefinition is the definition of an element, an ElementDefinition in
	// a StructureDefinition; absent where there is none.
	ElementDefinition(n fhir.Node) (fhir.Node, error)
	// InSlice reports whether an element is in the slice with a name that a
	// profile, given by its canonical URL, defines where the element is. It is an
	// error where the profile is not known.
	InSlice(n fhir.Node, profile, name string) (bool, error)
}

// definitionFunctions are those of FHIR that ask for definitions.
// http://hl7.org/fhir/R4/fhirpath.html#functions
func definitionFunctions() map[string]signature {
	return map[string]signature{
		"elementDefinition": {0, 0, func(c *compiler, s *callSite) (evaluator, typeSet, error) {
			f, err := c.function(s, elementDefinitions)
			if t := c.schema.Type("ElementDefinition"); t != nil {
				return f, c.family(t), err
			}
			return f, nil, err
		}},
		"slice": sameTypes(2, 2, inSlice),
	}
}

// elementDefinitions are the definitions of the elements of the input.
func elementDefinitions(m *machine, in []Item, _ arguments) error {
	for _, item := range in {
		if item.kind != KindNode {
			return evaluationError("elementDefinition() takes elements, not %s", item.TypeName())
		}
		if m.env.Definitions == nil {
			return evaluationError("elementDefinition() needs definitions, which are not at hand here")
		}
		found, err := m.env.Definitions.ElementDefinition(item.node)
		if err != nil {
			return err
		}
		if found.Exists() {
			m.push(NodeItem(found))
		}
	}
	return m.spend(16 * len(in))
}

// inSlice keeps the elements that are in a slice of a profile.
func inSlice(m *machine, in []Item, args arguments) error {
	profile, okProfile, err := stringArgument(args[0])
	if err != nil {
		return err
	}
	name, okName, err := stringArgument(args[1])
	if err != nil || !okProfile || !okName {
		return err
	}
	for _, item := range in {
		if item.kind != KindNode {
			return evaluationError("slice() takes elements, not %s", item.TypeName())
		}
		if m.env.Definitions == nil {
			return evaluationError("slice() needs profiles, which are not at hand here")
		}
		yes, err := m.env.Definitions.InSlice(item.node, profile, name)
		if err != nil {
			return err
		}
		if yes {
			m.push(item)
		}
	}
	return m.spend(16 * len(in))
}

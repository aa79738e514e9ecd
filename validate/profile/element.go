package profile

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/validate/invariant"
)

// A Profile is a compiled StructureDefinition. It is immutable.
type Profile struct {
	URL, Name, Type string
	root            *element
	// asked is the canonical by which it was found first.
	asked string
	// usage is where an extension may be, nil for other profiles.
	usage *usage
}

// An element is what a profile says of one element. http://hl7.org/fhir/R4/elementdefinition.html
type element struct {
	profile *Profile
	id      string
	// name is the element's without [x]; slice its slice's name, "" for none.
	name, slice string
	min, max    int
	types       []typeRef
	fixed       *constant
	pattern     *constant
	binding     *binding
	rules       []invariant.Invariant
	children    []*element
	slices      []*element
	slicing     *slicing
	// of is what R4 says of the element, and inside the type of its values; nil
	// where that is not one.
	of     *fhir.Element
	inside *fhir.Type
	// content is the id of the element that this one has the content of.
	content   string
	maxLength int
	// watched are the children that more is demanded of than R4 does.
	watched     []*element
	choice      bool
	mustSupport bool
	// narrow is set where not all types that R4 allows may be there.
	narrow bool
	// lent is set for a slice that has the children of what is sliced.
	lent bool
	// active is set where more is demanded than R4 does, here or inside.
	active bool
}

type typeRef struct {
	code string
	// profiles are those of the type that are not R4's own types.
	profiles []string
	targets  []target
	// aggregation is where what is referred to may be; empty for anywhere.
	aggregation []string
}

// A target is one that a reference may be to: a profile, or where name is not ""
// a type of R4.
type target struct{ canonical, name string }

// A binding that is not R4's own.
type binding struct {
	required bool
	valueSet string
}

type slicing struct {
	discriminators []discriminator
	rules          string
	ordered        bool
	// key is the path of texts that tell the slices apart, where nothing else
	// does; byText are the places of the slices by them.
	key    []string
	byText map[string]int
	// wanted are what the slices have at each discriminator's path, where that is
	// a constant of the profile itself.
	wanted [][]*constant
}

type discriminator struct {
	kind string
	path []string
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

// demands reports whether an element demands more than R4 does, of itself.
func (e *element) demands() bool {
	return e.fixed != nil || e.pattern != nil || e.binding != nil || len(e.rules) > 0 || e.narrow ||
		e.limits() || e.profiled() ||
		e.maxLength > 0 && (e.of == nil || e.of.MaxLength != e.maxLength) ||
		e.slicing != nil && len(e.slices) > 0 && e.slicing.rules != "open"
}

// limits reports whether an element may be there less often, or has to be more
// often, than R4 says.
func (e *element) limits() bool {
	if e.slice != "" || e.of == nil {
		return e.min > 0 || e.max != unbounded
	}
	return e.min > e.of.Min || e.max != unbounded && (e.of.Max < 0 || e.max < e.of.Max)
}

// profiled reports whether values conform to profiles, or refer to less than R4
// allows.
func (e *element) profiled() bool {
	if len(e.children) > 0 && !e.lent {
		return false
	}
	for i := range e.types {
		t := &e.types[i]
		if len(t.profiles) > 0 || len(t.aggregation) > 0 || !e.refersAsBase(t) {
			return true
		}
	}
	return false
}

// refersAsBase reports whether all that R4 allows to be referred to may be.
func (e *element) refersAsBase(t *typeRef) bool {
	if len(t.targets) == 0 || t.code != "Reference" || slices.Contains(t.targets, target{base + "Resource", "Resource"}) {
		return true
	}
	if e.of == nil {
		return false
	}
	for i := range e.of.Types {
		if e.of.Types[i].Type.Name != t.code {
			continue
		}
		for _, name := range e.of.Types[i].Targets {
			if !slices.ContainsFunc(t.targets, func(to target) bool { return to.name == name }) {
				return false
			}
		}
		return len(e.of.Types[i].Targets) > 0
	}
	return false
}

package authz

import (
	"slices"
	"sync"

	"github.com/tarnhealth/tarn/search"
)

// A confinement says which resources of a type somebody may touch.
type confinement interface {
	of(i Interaction, resourceType string) condition
}

type everything struct{}

func (everything) of(Interaction, string) condition { return always }

type nothing struct{}

func (nothing) of(Interaction, string) condition { return none }

// both holds where both do.
type both struct{ a, b confinement }

func (c both) of(i Interaction, resourceType string) condition {
	return c.a.of(i, resourceType).and(c.b.of(i, resourceType))
}

// patients confines to the data of some patients: those with ids, and those
// for whom where holds.
type patients struct {
	registry *search.Registry
	ids      []string
	// where is a condition on Patient.
	where condition
	// own and ownID name the user's own resource, which it may read.
	own, ownID string
	// writesShared lets shared types be written as well as read.
	writesShared bool
	// persons is set where Persons say whose data somebody may see.
	persons bool
	// identity is the caller's, whose Subscriptions are its own.
	identity string
}

func (p *patients) of(i Interaction, resourceType string) condition {
	if shared[resourceType] {
		if i.writes() && (!p.writesShared || resourceType == ownRole) {
			return none
		}
		return always
	}
	if resourceType == personType && i.writes() && p.persons {
		return none
	}
	if resourceType == subscriptionType {
		return subscriptions(p.registry, p.identity)
	}
	c := p.data(resourceType)
	if resourceType == p.own && !i.writes() {
		c = c.or(when(idsNode([]string{p.ownID})))
	}
	return c
}

// data are the resources about the patients.
func (p *patients) data(resourceType string) condition {
	switch {
	case resourceType == "Patient":
		// The standard's compartment of a patient also holds the Patients
		// that link to it. Whose those are, Policy.Links says.
		c := p.where
		if len(p.ids) > 0 {
			c = c.or(when(idsNode(p.ids)))
		}
		return c
	case namesOthers[resourceType]:
		return none
	}
	c := none
	if len(p.ids) > 0 {
		c = p.compartment(resourceType)
	}
	if p.where.ok {
		for _, code := range patientParams(p.registry, resourceType) {
			c = c.or(when(search.Chain{Param: p.registry.Param(resourceType, code), Target: "Patient", Where: p.where.where}))
		}
	}
	return c
}

// compartment are the resources of the patients with ids.
func (p *patients) compartment(resourceType string) condition {
	c := none
	codes := []string{search.MarkCompartment + "Patient"}
	if extra := aboutPatient[resourceType]; extra != "" {
		codes = []string{extra}
	}
	for _, code := range codes {
		if param := p.registry.Param(resourceType, code); param != nil {
			c = c.or(when(referTo(param, "Patient", p.ids)))
		}
	}
	return c
}

// patientParams are the reference parameters that put a type into the
// compartment of a patient.
func patientParams(registry *search.Registry, resourceType string) []string {
	if code := aboutPatient[resourceType]; code != "" {
		return []string{code}
	}
	c := registry.Definitions.Compartment("Patient")
	return slices.DeleteFunc(slices.Clone(c.Params[resourceType]), func(code string) bool { return code == "{def}" })
}

// referTo holds for resources that refer to one of ids by a parameter or mark.
func referTo(param *search.Param, resourceType string, ids []string) search.Node {
	keys := make([][]byte, len(ids))
	for i, id := range ids {
		keys[i] = search.ReferenceKey(resourceType, id)
	}
	return search.Terms{Param: param, Spans: search.Exact(keys)}
}

// idsNode holds for the resources with one of ids.
func idsNode(ids []string) search.Node {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return search.IDs{IDs: slices.Compact(ids)}
}

// aboutPatient are the types that R4 leaves out of the patient compartment
// though they are about a patient, with the parameter that says whom.
var aboutPatient = map[string]string{"Contract": "patient", "Device": "patient", "GuidanceResponse": "patient", "Task": "patient"}

// namesOthers are types of the patient compartment that name other patients
// as well, and therefore are not part of anybody's own data.
var namesOthers = map[string]bool{"Group": true, auditType: true}

// ownRole says whom a practitioner works for, by which it may see patients: it
// is written by those who are not confined.
const ownRole = "PractitionerRole"

// shared are the types that are about no patient, and that everybody with the
// scope may read: what clinical resources refer to, and definitions.
var shared = setOf(
	// what clinical data refers to
	"Endpoint", "HealthcareService", "InsurancePlan", "Location", "Medication", "MedicationKnowledge", "Organization",
	"OrganizationAffiliation", "Practitioner", "PractitionerRole", "ResearchStudy", "Slot", "Substance", "CatalogEntry",
	"SubstanceNucleicAcid", "SubstancePolymer", "SubstanceProtein", "SubstanceReferenceInformation", "SubstanceSourceMaterial", "SubstanceSpecification",
	"MedicinalProduct", "MedicinalProductAuthorization", "MedicinalProductContraindication", "MedicinalProductIndication", "MedicinalProductIngredient",
	"MedicinalProductInteraction", "MedicinalProductManufactured", "MedicinalProductPackaged", "MedicinalProductPharmaceutical", "MedicinalProductUndesirableEffect",
	// definitions
	"ActivityDefinition", "CapabilityStatement", "ChargeItemDefinition", "CodeSystem", "CompartmentDefinition", "ConceptMap", "DeviceDefinition",
	"EffectEvidenceSynthesis", "EventDefinition", "Evidence", "EvidenceVariable", "ExampleScenario", "GraphDefinition", "ImplementationGuide",
	"Library", "Measure", "MessageDefinition", "NamingSystem", "ObservationDefinition", "OperationDefinition", "PlanDefinition", "Questionnaire",
	"ResearchDefinition", "ResearchElementDefinition", "RiskEvidenceSynthesis", "SearchParameter", "SpecimenDefinition", "StructureDefinition",
	"StructureMap", "TerminologyCapabilities", "TestScript", "ValueSet",
)

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// AboutPatients is the condition that a resource of a type is a patient's own
// data: of one of those with ids, sorted, or, with others, of any but those. It
// is nil for the types that are about no patient, or name several.
func AboutPatients(registry *search.Registry, resourceType string, ids []string, others bool) search.Node {
	switch {
	case resourceType == "Patient" && others:
		return search.Not{Node: search.IDs{IDs: ids}}
	case resourceType == "Patient":
		return search.IDs{IDs: ids}
	case namesOthers[resourceType] || shared[resourceType]:
		return nil
	}
	code := search.MarkCompartment + "Patient"
	if extra := aboutPatient[resourceType]; extra != "" {
		code = extra
	}
	param := registry.Param(resourceType, code)
	switch {
	case param == nil:
		return nil
	case others:
		return search.Terms{Param: param, Spans: between(ids)}
	}
	return referTo(param, "Patient", ids)
}

// Patients are some patients whom many conditions are about: the conditions share
// what they have in common. Safe for concurrent use.
type Patients struct {
	ids   []string
	once  sync.Once
	spans []search.Span
}

// NewPatients makes Patients of sorted ids, which must not be changed any more.
func NewPatients(ids []string) *Patients { return &Patients{ids: ids} }

// About is AboutPatients of these patients.
func (p *Patients) About(registry *search.Registry, resourceType string) search.Node {
	if len(p.ids) == 0 {
		return nil
	}
	about := AboutPatients(registry, resourceType, p.ids[:1], false)
	switch n := about.(type) {
	case search.IDs:
		return search.IDs{IDs: p.ids}
	case search.Terms:
		p.once.Do(func() { p.spans = referTo(n.Param, "Patient", p.ids).(search.Terms).Spans })
		n.Spans = p.spans
		return n
	}
	return about
}

// between are the spans of the keys of all patients but some.
func between(ids []string) []search.Span {
	from, end := []byte("Patient/"), []byte("Patient0")
	spans := make([]search.Span, 0, len(ids)+1)
	for _, id := range ids {
		one := search.Exactly(search.ReferenceKey("Patient", id))
		spans = append(spans, search.Span{From: from, To: one.From})
		from = one.To
	}
	return append(spans, search.Span{From: from, To: end})
}

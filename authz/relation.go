package authz

import (
	"strings"

	"github.com/tarnhealth/tarn/search"
)

// The conditions here are on Patient. Each is written as a search: what a
// practitioner could have asked for to find its patients.

// query is the condition of a search that this package writes itself.
func (r *rights) query(resourceType string, pairs ...search.Pair) search.Node {
	q, err := r.registry.Parse([]string{resourceType}, pairs, search.Options{})
	if err != nil {
		panic("authz: " + err.Error()) // ids are valid, and the parameters R4's
	}
	return q.Plan.Parts[0].Where
}

// treatedBy holds for the patients of a practitioner ("Practitioner/123"), by
// what the policy counts.
func (r *rights) treatedBy(user string) condition {
	relations := r.policy.Practitioners
	union := none
	for _, relation := range []struct {
		on  bool
		add func(user string) condition
	}{
		{relations.GeneralPractitioner, r.generalPractitioner},
		{relations.CareTeam, r.careTeam},
		{relations.Encounter, r.encounter},
		{relations.Group, r.group},
		{relations.Organization, r.organization},
	} {
		if relation.on {
			union = union.or(relation.add(user))
		}
	}
	return union
}

func (r *rights) generalPractitioner(user string) condition {
	c := when(r.query("Patient", search.Pair{Name: "general-practitioner", Value: user}))
	if _, ok := strings.CutPrefix(user, "Practitioner/"); ok {
		c = c.or(when(search.Chain{
			Param:  r.registry.Param("Patient", "general-practitioner"),
			Target: "PractitionerRole",
			Where:  r.query("PractitionerRole", search.Pair{Name: "practitioner", Value: user}, activeRole),
		}))
	}
	return c
}

var activeRole = search.Pair{Name: "active:not", Value: "false"}

func (r *rights) careTeam(user string) condition {
	return when(search.Has{
		Param: r.registry.Param("CareTeam", "patient"),
		Where: r.query("CareTeam", search.Pair{Name: "participant", Value: user}, search.Pair{Name: "status", Value: "active"}),
	})
}

func (r *rights) encounter(user string) condition {
	return when(search.Has{
		Param: r.registry.Param("Encounter", "patient"),
		Where: r.query("Encounter", search.Pair{Name: "participant", Value: user}, search.Pair{Name: "status:not", Value: "cancelled,entered-in-error"}),
	})
}

func (r *rights) group(user string) condition {
	return when(search.Has{
		Param: r.registry.Param("Group", "member"),
		Where: r.query("Group", search.Pair{Name: "managing-entity", Value: user}),
	})
}

func (r *rights) organization(user string) condition {
	resourceType, id, _ := strings.Cut(user, "/")
	role := r.query("PractitionerRole", search.Pair{Name: "practitioner", Value: user}, activeRole)
	if resourceType == "PractitionerRole" {
		role = r.query("PractitionerRole", search.Pair{Name: "_id", Value: id}, activeRole)
	}
	return when(search.Chain{
		Param:  r.registry.Param("Patient", "organization"),
		Target: "Organization",
		Where:  search.Has{Param: r.registry.Param("PractitionerRole", "organization"), Where: role},
	})
}

// linked holds for the patients that link to somebody, where the policy counts
// that.
func (r *rights) linked(resourceType, id string) condition {
	if !r.policy.Links {
		return none
	}
	return when(r.query("Patient", search.Pair{Name: "link", Value: resourceType + "/" + id}))
}

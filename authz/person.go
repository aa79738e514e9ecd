package authz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/search"
)

// An Assurance is how sure a link of a Person is, from 1 to 4: level1, of little
// or no confidence, to level4, of a very high one. 0 is for links that do not
// count. http://hl7.org/fhir/R4/valueset-identity-assuranceLevel.html
type Assurance uint8

// AssuranceNames are the names in configuration, by Assurance.
var AssuranceNames = []string{"off", "level1", "level2", "level3", "level4"}

// ParseAssurance reads one of AssuranceNames.
func ParseAssurance(name string) (Assurance, error) {
	at := slices.Index(AssuranceNames, name)
	if at < 0 {
		return 0, fmt.Errorf("%q is no assurance; there are %s", name, strings.Join(AssuranceNames, ", "))
	}
	return Assurance(at), nil
}

// String is the name.
func (a Assurance) String() string { return AssuranceNames[min(int(a), len(AssuranceNames)-1)] }

// personType is written by those who are not confined, where Persons count: who
// writes one says whose data somebody may see.
const personType = "Person"

// Persons tells whose Persons have to be looked for to complete the access: those
// that link to the user, or the user itself ("Person/123"). Links of less than
// least do not count. ok is false where none counts.
func (a Access) Persons() (user string, least Assurance, ok bool) {
	if a.rights == nil {
		return "", 0, false
	}
	r := a.rights
	resourceType, id, local := r.localUser()
	ok = local && r.policy.Persons > 0 && !r.policy.ScopesOnly && slices.Contains([]string{"Patient", "RelatedPerson", personType}, resourceType)
	return resourceType + "/" + id, r.policy.Persons, ok
}

// Linked is the access of a user whose Persons link to patients and to
// RelatedPersons, by their ids: scopes of LevelUser reach the data of those
// patients, and of the patients that such a RelatedPerson is related to while it
// is active. What was linked before counts no more. The zero Access,
// Unrestricted and those that Persons says nothing of stay as they are.
func (a Access) Linked(toPatients, toRelated []string) Access {
	if _, _, ok := a.Persons(); !ok {
		return a
	}
	r := a.rights.again()
	alone, ok := r.alone.(*patients)
	if !ok {
		return a
	}
	ids, related := validIDs(toPatients), validIDs(toRelated)
	r.user, r.linkedTo = alone, ids
	if len(ids)+len(related) > 0 {
		linked := *alone
		linked.ids = append(slices.Clone(alone.ids), ids...)
		if len(related) > 0 {
			linked.where = alone.where.or(r.relatedTo(related...))
		}
		r.user = &linked
	}
	return Access{rights: r}
}

// Own are the ids of the patients whose data is the user's own, sorted: those it
// is, by its Persons too, and those it may act for.
func (a Access) Own() []string {
	if a.rights == nil {
		return nil
	}
	own := append(slices.Clone(a.rights.caller.Patients), a.rights.linkedTo...)
	if resourceType, id, ok := a.rights.localUser(); ok && resourceType == "Patient" {
		own = append(own, id)
	}
	slices.Sort(own)
	return slices.Compact(own)
}

// relatedTo holds for the patients that some active RelatedPersons are related to.
func (r *rights) relatedTo(ids ...string) condition {
	return when(search.Has{
		Param: r.registry.Param("RelatedPerson", "patient"),
		Where: r.query("RelatedPerson", search.Pair{Name: "_id", Value: strings.Join(ids, ",")}, activeRole),
	})
}

package access

import (
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
)

// A caller is somebody with a token, as the test understands it and as the
// server does.
type caller struct {
	name    string
	scopes  string
	patient string // in context
	user    string
	roles   []string
	// purpose, clearance and labels are those of the credential.
	purpose, clearance string
	labels             []string
	access             authz.Access
}

// makeCallers are 2 patients, 3 practitioners, a patient as user and services,
// each with every set of scopes; the first is the unrestricted one.
func makeCallers(t testing.TB, w *world) []*caller {
	t.Helper()
	all := []*caller{{name: "everybody", scopes: "system/*.cruds", access: authz.Unrestricted()}}
	sets := []string{
		"L/*.read", "L/*.*", "L/*.rs", "L/*.cruds", "L/*.r", "L/*.s", "L/*.cud",
		"L/Observation.rs", "L/Observation.read L/Patient.read", "L/Observation.cruds L/Patient.r L/Encounter.s",
		"L/Observation.rs?category=http://c|laboratory", "L/Observation.cruds?category=http://c|laboratory L/Patient.rs L/Condition.crus",
		"L/Patient.rs", "L/Binary.rs L/Patient.r", "L/Group.rs L/List.rs L/Observation.s",
	}
	who := []caller{
		{scopes: "patient", patient: "p1", user: "Patient/p1"}, {scopes: "patient", patient: "p2"},
		{scopes: "patient", patient: "p2", user: "Practitioner/d1"}, {scopes: "patient", patient: "p1", user: "Practitioner/d1"},
		{scopes: "user", user: "Practitioner/d1"}, {scopes: "user", user: "Practitioner/d2"}, {scopes: "user", user: "Practitioner/d3"},
		{scopes: "user", user: "Patient/p1"}, {scopes: "system"},
	}
	for _, c := range who {
		for _, set := range sets {
			one := c
			one.scopes = strings.ReplaceAll(set, "L/", c.scopes+"/")
			all = append(all, &one)
		}
	}
	all = append(all,
		&caller{scopes: "user/*.cruds", user: "Practitioner/d1", roles: []string{"auditor"}},
		&caller{scopes: "user/*.cruds", user: "Practitioner/d1", roles: []string{"admin"}},
		&caller{scopes: ""},
	)
	w.decide(t, all[1:], authz.Policy{Base: base, Practitioners: authz.Relations{GeneralPractitioner: true, CareTeam: true}})
	return all
}

// decide names callers, and gives them the access that a policy makes theirs.
func (w *world) decide(t testing.TB, callers []*caller, policy authz.Policy) {
	t.Helper()
	for _, c := range callers {
		c.name = strings.Join([]string{c.user, c.patient, c.scopes, strings.Join(c.roles, "+"), c.purpose, c.clearance, strings.Join(c.labels, "+")}, " ")
		scopes, dropped := authz.ParseScopes(c.scopes, w.ds.Registry())
		if len(dropped) > 0 {
			t.Fatalf("%s: %v", c.name, dropped)
		}
		var err error
		c.access, err = authz.Decide(w.ds.Registry(), authz.Caller{
			Subject: c.name, Scopes: scopes, Patient: c.patient, FHIRUser: c.user, Roles: c.roles,
			Purpose: c.purpose, Clearance: c.clearance, Labels: c.labels,
		}, policy)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
}

// letters are what the interactions take of a scope.
var letters = map[string]string{"create": "c", "read": "r", "vread": "r", "update": "u", "patch": "u", "delete": "d", "search": "s", "history": "r", "histories": "s"}

// sharedTypes are about nobody.
var sharedTypes = []string{"Organization", "Practitioner", "Medication", "PractitionerRole"}

// patientsOf are the patients that a resource is about.
func patientsOf(o object) []string {
	if o["resourceType"] == "Patient" {
		return []string{text(o["id"])}
	}
	if o["resourceType"] == "Group" {
		return nil
	}
	var ids []string
	references := append(at(o["subject"], "reference"), at(o["patient"], "reference")...)
	if o["resourceType"] == "Person" {
		references = at(o["link"], "target", "reference")
	}
	for _, reference := range references {
		if id, ok := strings.CutPrefix(reference, "Patient/"); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// inCompartment reports whether a resource is in a patient's compartment; a
// Group is in that of each member.
func inCompartment(o object, patient string) bool {
	return slices.Contains(patientsOf(o), patient) || slices.Contains(at(o["member"], "entity", "reference"), "Patient/"+patient)
}

// treats reports whether a practitioner has to do with a patient now: as the
// general practitioner, or in an active care team.
func (w *world) treats(practitioner, patient string) bool {
	for _, name := range w.names {
		o := w.current(name)
		switch {
		case o == nil:
		case name == "Patient/"+patient && slices.Contains(at(o["generalPractitioner"], "reference"), practitioner):
			return true
		case o["resourceType"] == "CareTeam" && o["status"] == "active" && slices.Contains(patientsOf(o), patient) && slices.Contains(at(o["participant"], "member", "reference"), practitioner):
			return true
		}
	}
	return false
}

// may decides whether a caller may do something to a resource with a content.
func (w *world) may(c *caller, interaction string, o object) bool {
	if c.name == "everybody" {
		return true
	}
	if o["resourceType"] == "Binary" {
		return w.mayBinary(c, interaction, o)
	}
	if w.rules != nil && (w.rules.labels(c, o) || w.rules.denied(w, c, interaction, o)) {
		return false
	}
	for _, scope := range strings.Fields(c.scopes) {
		if w.scopeAllows(c, scope, interaction, o) {
			return true
		}
	}
	return false
}

func (w *world) scopeAllows(c *caller, scope, interaction string, o object) bool {
	scope, condition, _ := strings.Cut(scope, "?")
	level, rest, _ := strings.Cut(scope, "/")
	resourceType, actions, _ := strings.Cut(rest, ".")
	if word, ok := map[string]string{"read": "rs", "write": "cud", "*": "cruds"}[actions]; ok {
		actions = word
	}
	switch {
	case resourceType != "*" && resourceType != o["resourceType"], !strings.Contains(actions, letters[interaction]):
		return false
	case condition != "" && !slices.Contains(at(o["category"], "coding", "code"), "laboratory"):
		return false
	}
	write := strings.Contains("cud", letters[interaction])
	if slices.Contains(c.roles, "desk") && !(slices.Contains([]string{"Patient", "Encounter"}, text(o["resourceType"])) && !write ||
		o["resourceType"] == "Observation" && !write && slices.Contains(at(o["category"], "coding", "code"), "vital-signs")) {
		return false
	}
	switch {
	case slices.Contains(c.roles, "admin") && level == "user":
		return true
	case slices.Contains(c.roles, "auditor"):
		return !write && o["resourceType"] == "Patient" && interaction != "histories"
	case level == "system":
		return true
	case slices.Contains(sharedTypes, text(o["resourceType"])):
		return !write || level == "user" && strings.HasPrefix(c.user, "Practitioner/") && o["resourceType"] != "PractitionerRole"
	case o["resourceType"] == "Person" && write && w.least != "":
		return false
	case level == "user" && !write && c.user != "" && c.user == nameOf(o):
		return true // their own resource
	case level == "patient" && !slices.Contains(patientsOf(o), c.patient):
		return false
	case level == "patient" && !strings.HasPrefix(c.user, "Practitioner/"):
		return true
	}
	return slices.ContainsFunc(patientsOf(o), func(patient string) bool {
		if !strings.HasPrefix(c.user, "Practitioner/") {
			return c.user == "Patient/"+patient || w.relates(c.user, patient) || w.linksTo(c.user, patient)
		}
		if o["resourceType"] == "Patient" && slices.Contains(at(o["generalPractitioner"], "reference"), c.user) {
			return true // as it is to be stored
		}
		return w.treats(c.user, patient)
	})
}

// unconfined reports whether the caller's scopes reach everything that they
// name, whoever it is about.
func (c *caller) unconfined() bool {
	return c.user == "" && c.patient == "" || slices.Contains(c.roles, "admin")
}

// mayBinary decides a Binary by its securityContext, for callers that are
// confined.
func (w *world) mayBinary(c *caller, interaction string, o object) bool {
	letter := letters[interaction]
	scoped := slices.ContainsFunc(strings.Fields(c.scopes), func(scope string) bool {
		_, rest, _ := strings.Cut(scope, "/")
		resourceType, actions, _ := strings.Cut(rest, ".")
		actions = strings.NewReplacer("read", "rs", "*", "cruds").Replace(actions)
		return (resourceType == "Binary" || resourceType == "*") && strings.Contains(actions, letter)
	})
	context := at(o["securityContext"], "reference")
	switch {
	case !scoped, w.rules != nil && w.rules.labels(c, o):
		return false
	case c.unconfined():
		if w.rules == nil || !w.rules.binds(w, c) {
			return true
		}
		return interaction != "search" && (len(context) == 0 || !w.rules.denied(w, c, interaction, w.current(context[0])))
	case interaction == "search", slices.Contains(c.roles, "auditor"), slices.Contains(c.roles, "desk"):
		return false
	}
	if len(context) == 0 || w.current(context[0]) == nil {
		return false
	}
	return w.may(c, interaction, w.current(context[0]))
}

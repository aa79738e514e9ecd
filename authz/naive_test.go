package authz_test

import (
	"encoding/json"
	"slices"
	"strings"
)

// A naive decision: the rules of docs/smart.md, written out over the JSON of
// the world. It shares no code with the package: no search parameters, no
// parsing of scopes, no plans.

type object = map[string]any

// A naiveCase is one caller under one policy.
type naiveCase struct {
	scopes, patient, fhirUser string
	patients, roles           []string
	relations                 []string // "gp", "team", "encounter", "group", "organization", "all"
	links, scopesOnly         bool
}

// objects are the resources of the world as plain JSON.
var objects = func() []object {
	var all []object
	for line := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(world, base+"/", "")), "\n") {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			panic(err)
		}
		all = append(all, o)
	}
	return all
}()

// at collects the texts at a path; arrays are gone through.
func at(value any, path ...string) []string {
	switch v := value.(type) {
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, at(one, path...)...)
		}
		return all
	case object:
		if len(path) > 0 {
			return at(v[path[0]], path[1:]...)
		}
	case string:
		if len(path) == 0 {
			return []string{v}
		}
	}
	return nil
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func typeOf(o object) string { return o["resourceType"].(string) }
func idOf(o object) string   { return o["id"].(string) }

// about are the patients that a resource is about.
func about(o object) []string {
	paths := map[string][]string{
		"Observation": {"subject", "performer"}, "Condition": {"subject", "asserter"}, "Encounter": {"subject"}, "Task": {"for"},
		"Device": {"patient"}, "RelatedPerson": {"patient"}, "Claim": {"patient"},
	}
	var references []string
	for _, path := range paths[typeOf(o)] {
		references = append(references, at(o[path], "reference")...)
	}
	switch typeOf(o) {
	case "Patient":
		return []string{idOf(o)}
	case "CareTeam":
		references = append(at(o["subject"], "reference"), at(o["participant"], "member", "reference")...)
	case "Person":
		references = at(o["link"], "target", "reference")
	}
	var patients []string
	for _, r := range references {
		if id, ok := strings.CutPrefix(r, "Patient/"); ok {
			patients = append(patients, id)
		}
	}
	return patients
}

var sharedTypes = []string{"Practitioner", "PractitionerRole", "Organization", "Medication", "ValueSet"}

// usersPatients are the patients that a user may see.
func usersPatients(c naiveCase) []string {
	patients := slices.Clone(c.patients)
	kind, id, _ := strings.Cut(c.fhirUser, "/")
	for _, o := range objects {
		switch typeOf(o) {
		case "Patient":
			if c.links && (kind == "Patient" || kind == "RelatedPerson") && slices.Contains(at(o["link"], "other", "reference"), c.fhirUser) {
				patients = append(patients, idOf(o))
			}
		case "RelatedPerson":
			if kind == "RelatedPerson" && idOf(o) == id && o["active"] != false {
				patients = append(patients, about(o)...)
			}
		}
	}
	if kind == "Patient" {
		patients = append(patients, id)
	}
	if kind == "Practitioner" {
		for _, o := range objects {
			if typeOf(o) == "Patient" && treats(c, o) {
				patients = append(patients, idOf(o))
			}
		}
	}
	return patients
}

// activeRoles are the roles of a practitioner that are in use.
func activeRoles(user string) (roles []object) {
	for _, o := range objects {
		if typeOf(o) == "PractitionerRole" && o["active"] != false && slices.Contains(at(o["practitioner"], "reference"), user) {
			roles = append(roles, o)
		}
	}
	return roles
}

func treats(c naiveCase, patient object) bool {
	for _, relation := range c.relations {
		switch relation {
		case "gp":
			doctors := at(patient["generalPractitioner"], "reference")
			if slices.Contains(doctors, c.fhirUser) {
				return true
			}
			for _, role := range activeRoles(c.fhirUser) {
				if slices.Contains(doctors, "PractitionerRole/"+idOf(role)) {
					return true
				}
			}
		case "organization":
			for _, role := range activeRoles(c.fhirUser) {
				if o := first(at(role["organization"], "reference")); o != "" && slices.Contains(at(patient["managingOrganization"], "reference"), o) {
					return true
				}
			}
		default:
			for _, o := range objects {
				if relates(relation, o, c.fhirUser, "Patient/"+idOf(patient)) {
					return true
				}
			}
		}
	}
	return false
}

func relates(relation string, o object, user, patient string) bool {
	subject := slices.Contains(at(o["subject"], "reference"), patient)
	switch relation + typeOf(o) {
	case "teamCareTeam":
		return subject && o["status"] == "active" && slices.Contains(at(o["participant"], "member", "reference"), user)
	case "encounterEncounter":
		return subject && o["status"] != "cancelled" && o["status"] != "entered-in-error" && slices.Contains(at(o["participant"], "individual", "reference"), user)
	case "groupGroup":
		return slices.Contains(at(o["managingEntity"], "reference"), user) && slices.Contains(at(o["member"], "entity", "reference"), patient)
	}
	return false
}

var letters = map[string]string{
	"read": "r", "vread": "r", "history-instance": "r", "create": "c", "update": "u", "patch": "u", "delete": "d",
	"search-type": "s", "search-system": "s", "history-type": "s", "history-system": "s",
}

// naive decides whether the interaction on the resource is allowed.
func naive(c naiveCase, interaction string, o object) bool {
	for _, scope := range strings.Fields(c.scopes) {
		scope, query, _ := strings.Cut(scope, "?")
		level, rest, _ := strings.Cut(scope, "/")
		typ, actions, _ := strings.Cut(rest, ".")
		switch actions {
		case "read":
			actions = "rs"
		case "write":
			actions = "cud"
		case "*":
			actions = "cruds"
		}
		if (typ == "*" || typ == typeOf(o)) && strings.Contains(actions, letters[interaction]) && fits(o, query) && reaches(c, level, interaction, o) {
			return true
		}
	}
	return false
}

// fits understands the conditions that the test's scopes have.
func fits(o object, query string) bool {
	if query == "" {
		return true
	}
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "category":
			if !slices.Contains(at(o["category"], "coding", "code"), strings.TrimPrefix(value, "http://c|")) {
				return false
			}
		case "status":
			if o["status"] != value {
				return false
			}
		default:
			panic(name)
		}
	}
	return true
}

func reaches(c naiveCase, level, interaction string, o object) bool {
	write := strings.Contains("cud", letters[interaction])
	if typeOf(o) == "AuditEvent" && (write || !slices.Contains(c.roles, "auditor")) {
		return false
	}
	within := true
	switch level {
	case "patient":
		within = contextReaches(c, write, o)
	case "user":
		within = userReaches(c, write, o)
	}
	if len(c.roles) == 0 {
		return within
	}
	for _, role := range c.roles {
		if roleAllows(role, interaction, o) && (within || level == "user" && role != "practitioner") {
			return true
		}
	}
	return false
}

func roleAllows(role, interaction string, o object) bool {
	look := slices.Contains([]string{"read", "vread", "search-type", "search-system"}, interaction)
	switch role {
	case "practitioner", "admin":
		return true
	case "non-practitioner":
		return look && typeOf(o) == "Claim"
	case "auditor":
		return (look || interaction == "history-instance") && (typeOf(o) == "Patient" || typeOf(o) == "AuditEvent")
	}
	return false
}

func ofPatients(patients []string, o object) bool {
	if typeOf(o) == "Group" || typeOf(o) == "AuditEvent" {
		return false
	}
	return slices.ContainsFunc(about(o), func(id string) bool { return slices.Contains(patients, id) })
}

func contextReaches(c naiveCase, write bool, o object) bool {
	if slices.Contains(sharedTypes, typeOf(o)) {
		return !write
	}
	if !ofPatients([]string{c.patient}, o) {
		return false
	}
	confined := strings.HasPrefix(c.fhirUser, "Practitioner/") && !c.scopesOnly && !slices.Contains(c.relations, "all")
	return !confined || userReaches(c, write, o)
}

func userReaches(c naiveCase, write bool, o object) bool {
	practitioner := strings.HasPrefix(c.fhirUser, "Practitioner/")
	switch {
	case c.scopesOnly || practitioner && slices.Contains(c.relations, "all"):
		return true
	case c.fhirUser == "":
		return false
	case slices.Contains(sharedTypes, typeOf(o)):
		return !write || practitioner && typeOf(o) != "PractitionerRole"
	case !write && typeOf(o)+"/"+idOf(o) == c.fhirUser:
		return true
	}
	return ofPatients(usersPatients(c), o)
}

// Package words owns how scopes are put into words for people, as messages of
// the pages of smart.
package words

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/page"
	"github.com/tarnhealth/tarn/search"
)

// A Group is what an app asks for of one resource type, in words.
type Group struct {
	Title page.Message
	Items []Item
}

// A Item is one scope in words, to be ticked.
type Item struct {
	Scope   string
	Actions []page.Message
	Level   page.Message
	Where   []page.Message
	// Parts are narrower scopes that the user may choose instead.
	Parts []Part
}

// A Part is a narrower scope: one category of a resource type.
type Part struct {
	Scope string
	Name  page.Message
}

// translated are the resource types that the message files name.
var translated = strings.Fields("AllergyIntolerance Appointment CarePlan CareTeam Claim Condition Consent Coverage Device DiagnosticReport DocumentReference Encounter ExplanationOfBenefit FamilyMemberHistory Goal Immunization Location Medication MedicationAdministration MedicationDispense MedicationRequest MedicationStatement Observation Organization Patient Person Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson ServiceRequest Specimen Task")

// Groups puts scopes into words, by resource type, those of all types
// first; what is about the user and the duration comes last.
func Groups(s authz.Scopes) []Group {
	byType := map[string][]Item{}
	var types []string
	for _, scope := range s.Resources {
		if byType[scope.Type] == nil {
			types = append(types, scope.Type)
		}
		byType[scope.Type] = append(byType[scope.Type], scopeWords(scope))
	}
	slices.Sort(types) // "*" is before all letters
	var groups []Group
	for _, t := range types {
		groups = append(groups, Group{typeWord(t), byType[t]})
	}
	var you []Item
	for scope := range strings.FieldsSeq(s.String()) {
		if plain[scope] {
			you = append(you, Item{Scope: scope, Actions: []page.Message{{Key: "scope." + scope}}})
		}
	}
	if len(you) > 0 {
		groups = append(groups, Group{page.Message{Key: "consent.account"}, you})
	}
	return groups
}

// plain are the scopes without a resource type that a user decides about.
var plain = map[string]bool{"openid": true, "fhirUser": true, "profile": true, "email": true, "offline_access": true, "online_access": true}

func typeWord(t string) page.Message {
	switch {
	case t == "*":
		return page.Message{Key: "type.all"}
	case slices.Contains(translated, t):
		return page.Message{Key: "type." + t}
	}
	return page.Message{Key: "type.other", Args: []any{spaced(t)}}
}

var capital = regexp.MustCompile(`([a-z])([A-Z])`)

// spaced turns MolecularSequence into "molecular sequence".
func spaced(name string) string { return strings.ToLower(capital.ReplaceAllString(name, "$1 $2")) }

func scopeWords(s authz.Scope) Item {
	item := Item{Scope: s.String(), Level: page.Message{Key: "level." + s.Level.String()}}
	switch s.Actions & authz.ActionsRead {
	case authz.ActionsRead:
		item.Actions = append(item.Actions, page.Message{Key: "action.rs"})
	case authz.ActionRead:
		item.Actions = append(item.Actions, page.Message{Key: "action.r"})
	case authz.ActionSearch:
		item.Actions = append(item.Actions, page.Message{Key: "action.s"})
	}
	for _, one := range []authz.Actions{authz.ActionCreate, authz.ActionUpdate, authz.ActionDelete} {
		if s.Actions&one != 0 {
			item.Actions = append(item.Actions, page.Message{Key: "action." + one.String()})
		}
	}
	for _, pair := range s.Query {
		item.Where = append(item.Where, condition(pair))
	}
	if len(s.Query) == 0 {
		item.Parts = parts(s)
	}
	return item
}

// condition puts one parameter of a granular scope into words: the codes
// without their systems, several of them with "or".
func condition(pair search.Pair) page.Message {
	var values []string
	for value := range strings.SplitSeq(pair.Value, ",") {
		if _, code, ok := strings.Cut(value, "|"); ok && code != "" {
			value = code
		}
		values = append(values, strings.ReplaceAll(value, "-", " "))
	}
	name := strings.NewReplacer("-", " ", "_", "", ":", " ").Replace(pair.Name)
	return page.Message{Key: "scope.where", Args: []any{name, strings.Join(values, " / ")}}
}

// categories are those that a user may choose of a resource type.
// http://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters
var categories = map[string][]struct{ key, query string }{
	"Condition": {
		{"problem-list-item", "category=http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item"},
		{"encounter-diagnosis", "category=http://terminology.hl7.org/CodeSystem/condition-category|encounter-diagnosis"},
		{"health-concern", "category=http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern"},
	},
	"Observation": {
		{"laboratory", "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"},
		{"vital-signs", "category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"},
		{"social-history", "category=http://terminology.hl7.org/CodeSystem/observation-category|social-history"},
		{"survey", "category=http://terminology.hl7.org/CodeSystem/observation-category|survey"},
		{"sdoh", "category=http://hl7.org/fhir/us/core/CodeSystem/us-core-category|sdoh"},
	},
}

func parts(s authz.Scope) []Part {
	var list []Part
	for _, c := range categories[s.Type] {
		list = append(list, Part{
			Scope: s.Level.String() + "/" + s.Type + "." + s.Actions.String() + "?" + c.query,
			Name:  page.Message{Key: "category." + c.key},
		})
	}
	return list
}

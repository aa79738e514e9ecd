package authz

import (
	"github.com/tarnhealth/tarn/search"
)

// A Level says whose data a scope is about.
type Level uint8

// The levels.
const (
	// LevelPatient is the compartment of the patient in context.
	LevelPatient Level = iota
	// LevelUser is what the user may see.
	LevelUser
	// LevelSystem is everything: for services without a user.
	LevelSystem
)

// String is "patient", "user" or "system".
func (l Level) String() string { return [...]string{"patient", "user", "system"}[l] }

// Actions is a set of the letters of a scope.
type Actions uint8

// The letters c, r, u, d and s.
// https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
const (
	ActionCreate Actions = 1 << iota
	ActionRead
	ActionUpdate
	ActionDelete
	ActionSearch

	// ActionsRead, ActionsWrite and ActionsAll are .read, .write and .* of
	// version 1.
	ActionsRead  = ActionRead | ActionSearch
	ActionsWrite = ActionCreate | ActionUpdate | ActionDelete
	ActionsAll   = ActionsRead | ActionsWrite
)

// String is the letters in their order, "cruds".
func (a Actions) String() string {
	var b []byte
	for i, letter := range []byte("cruds") {
		if a&(1<<i) != 0 {
			b = append(b, letter)
		}
	}
	return string(b)
}

// A Scope allows actions on the resources of a type.
type Scope struct {
	Level Level
	// Type is a resource type, or "*" for every one.
	Type    string
	Actions Actions
	// Query restricts the scope to resources that a search with all these
	// parameters finds; empty for all.
	Query []search.Pair
	// V1 is set for a scope in the form of SMART 1.0, patient/*.read.
	V1 bool

	// query is Query as it was spelt, "category=system|code".
	query string
}

// Scopes are the scopes of a request or a token.
// https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
type Scopes struct {
	Resources []Scope
	// Launch, LaunchPatient and LaunchEncounter are launch, launch/patient and
	// launch/encounter.
	Launch, LaunchPatient, LaunchEncounter bool
	// OpenID, FHIRUser, Profile and Email are openid, fhirUser, profile and
	// email.
	OpenID, FHIRUser, Profile, Email bool
	// Offline and Online are offline_access and online_access.
	Offline, Online bool

	// order has the scopes as they were asked for.
	order []string
}

// A Dropped is a part of a scope text that means nothing here.
type Dropped struct {
	Scope string
	// Reason says why, in a sentence without a full stop.
	Reason string
}

// MaxScopeText is the length of the longest scope text, in bytes.
const MaxScopeText = 16 << 10

// ParseScopes reads the scopes of a text, separated by spaces. Those that are
// not understood are left out, never widened, and told in dropped. registry says
// which resource types and parameters there are.
func ParseScopes(text string, registry *search.Registry) (s Scopes, dropped []Dropped) {
	return Scopes{}, nil
}

// String is the scope as it is written in a scope text.
func (s Scope) String() string { return "" }

// String is the scopes as they were asked for, in that order.
func (s Scopes) String() string { return "" }

// Empty reports whether there is no scope at all.
func (s Scopes) Empty() bool { return false }

// Narrow returns what of s is also in allowed. A resource scope becomes one
// for each allowed scope that it shares something with, and stays in the form it
// was asked for where that can say it. Levels do not mix: user/*.rs does not
// allow patient/*.rs.
func (s Scopes) Narrow(allowed Scopes) Scopes { return Scopes{} }

// Without returns s less the scopes for which drop holds, as when a user unticks
// them.
func (s Scopes) Without(drop func(Scope) bool) Scopes { return s }

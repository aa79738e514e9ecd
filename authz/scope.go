package authz

import (
	"slices"
	"strings"

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

// String is the scope as it is written in a scope text.
func (s Scope) String() string {
	var b strings.Builder
	b.WriteString(s.Level.String() + "/" + s.Type + ".")
	if word := v1Words[s.Actions]; s.V1 && word != "" && len(s.Query) == 0 {
		b.WriteString(word)
		return b.String()
	}
	b.WriteString(s.Actions.String())
	if len(s.Query) > 0 {
		b.WriteString("?" + s.queryText())
	}
	return b.String()
}

// v1Words are what version 1 can say.
var v1Words = map[Actions]string{ActionsRead: "read", ActionsWrite: "write", ActionsAll: "*"}

// queryText is Query as it was spelt, or in a spelling of its own.
func (s Scope) queryText() string {
	if pairs, err := search.Pairs(s.query); err == nil && slices.Equal(pairs, s.Query) {
		return s.query
	}
	parts := make([]string, len(s.Query))
	for i, p := range s.Query {
		parts[i] = escapeQuery(p.Name, "=") + "=" + escapeQuery(p.Value, "")
	}
	return strings.Join(parts, "&")
}

// escapeQuery escapes what has a meaning in a query or may not stand in a scope
// (RFC 6749 section 3.3).
func escapeQuery(text, more string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"\\%&+"+more, c) >= 0 {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// A flag is a scope that is one word.
type flag struct {
	name string
	of   func(s *Scopes) *bool
}

// flags are in the order that String has them in where none was asked for.
var flags = []flag{
	{"launch", func(s *Scopes) *bool { return &s.Launch }},
	{"launch/patient", func(s *Scopes) *bool { return &s.LaunchPatient }},
	{"launch/encounter", func(s *Scopes) *bool { return &s.LaunchEncounter }},
	{"openid", func(s *Scopes) *bool { return &s.OpenID }},
	{"fhirUser", func(s *Scopes) *bool { return &s.FHIRUser }},
	{"profile", func(s *Scopes) *bool { return &s.Profile }},
	{"email", func(s *Scopes) *bool { return &s.Email }},
	{"offline_access", func(s *Scopes) *bool { return &s.Offline }},
	{"online_access", func(s *Scopes) *bool { return &s.Online }},
}

// words are the scopes one by one, in no order that was asked for.
func (s Scopes) words() []string {
	var words []string
	for _, f := range flags {
		if *f.of(&s) {
			words = append(words, f.name)
		}
	}
	for _, r := range s.Resources {
		words = append(words, r.String())
	}
	return words
}

// String is the scopes as they were asked for, in that order; those that were
// not asked for in so many words follow.
func (s Scopes) String() string {
	left := s.words()
	words := make([]string, 0, len(left))
	for _, asked := range s.order {
		if i := slices.Index(left, asked); i >= 0 {
			words = append(words, asked)
			left = slices.Delete(left, i, i+1)
		}
	}
	return strings.Join(append(words, left...), " ")
}

// Empty reports whether there is no scope at all.
func (s Scopes) Empty() bool { return len(s.words()) == 0 }

// Without returns s less the resource scopes for which drop holds, as when a
// user unticks them.
func (s Scopes) Without(drop func(Scope) bool) Scopes {
	s.Resources = slices.DeleteFunc(slices.Clone(s.Resources), drop)
	return s
}

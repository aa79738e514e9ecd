package login

import (
	"errors"
	"net/mail"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/secure/precis"

	"github.com/tarnhealth/tarn/page"
)

// A User is a person who may sign in. What proves it is kept apart, hashed or
// sealed.
type User struct {
	ID       string `json:"id"` // random, never reused
	Name     string `json:"name"`
	Username string `json:"username"`
	Email    string `json:"email,omitempty"`
	// Disabled users cannot sign in and have no sessions.
	Disabled bool `json:"disabled,omitempty"`
	// MustChange asks for a new password at the next sign-in.
	MustChange bool      `json:"mustChange,omitempty"`
	Created    time.Time `json:"created"`
	Roles      []string  `json:"roles,omitempty"`
	Profiles   []Profile `json:"profiles,omitempty"`
}

// A Profile says who the user is in one data store.
type Profile struct {
	DataStore string `json:"dataStore"`          // "*" is every one without a profile of its own
	FHIRUser  string `json:"fhirUser,omitempty"` // "Practitioner/123"
	// Patients are the ids of those that the user may act for.
	Patients []string `json:"patients,omitempty"`
}

// Profile returns who the user is in a data store.
func (u *User) Profile(dataStore string) (Profile, bool) {
	for _, id := range []string{dataStore, "*"} {
		if i := slices.IndexFunc(u.Profiles, func(p Profile) bool { return p.DataStore == id }); i >= 0 {
			return u.Profiles[i], true
		}
	}
	return Profile{}, false
}

// HasRole reports whether the user has a role.
func (u *User) HasRole(role string) bool { return slices.Contains(u.Roles, role) }

// Factors says which ways of signing in a user has.
type Factors struct {
	Password bool
	TOTP     bool
	Passkeys []PasskeyInfo
	Recovery int // unused recovery codes
	Links    []Link
}

// second reports whether a password alone does not do.
func (f Factors) second() bool { return f.TOTP || len(f.Passkeys) > 0 }

// A PasskeyInfo is a passkey as its owner knows it.
type PasskeyInfo struct {
	ID      string // of the credential, in base64url
	Name    string
	Created time.Time
	Used    time.Time // zero: never
}

// A Link is a person's account at an upstream provider.
type Link struct {
	Provider string    `json:"provider"` // Provider.ID
	Subject  string    `json:"subject"`
	Created  time.Time `json:"created"`
}

// Errors of the directory.
var (
	ErrNotFound = errors.New("login: no such user")
	ErrTaken    = errors.New("login: another user has this name or e-mail address")
)

// An Error is what is wrong with a field of a user or with a password.
type Error struct {
	Field   string // username, email, name, password, role, fhirUser, patient
	Message page.Message
}

func (e *Error) Error() string { return e.Field + ": " + englishText(e.Message) }

func wrong(field, key string, args ...any) *Error {
	return &Error{Field: field, Message: page.Message{Key: key, Args: args}}
}

// fold makes names that people would take for the same one equal (RFC 8265
// section 3.3).
func fold(name string) (string, error) {
	return precis.UsernameCaseMapped.CompareKey(strings.TrimSpace(name))
}

// foldOr is fold for what was typed at sign-in, which may be anything.
func foldOr(name string) string {
	if folded, err := fold(name); err == nil {
		return folded
	}
	return "\x00" + strings.ToLower(strings.TrimSpace(name))
}

const (
	maxName  = 200 // characters of a person's name
	maxLogin = 128 // bytes of a user name or an e-mail address
	maxList  = 1000
)

// check tells what is wrong with a user's own fields.
func (u *User) check() error {
	if u.Username == "" || len(u.Username) > maxLogin {
		return wrong("username", "user.username", maxLogin)
	}
	if _, err := fold(u.Username); err != nil || strings.TrimSpace(u.Username) != u.Username {
		return wrong("username", "user.username", maxLogin)
	}
	if n := len([]rune(u.Name)); n > maxName || strings.ContainsFunc(u.Name, isControl) {
		return wrong("name", "user.name", maxName)
	}
	if u.Email != "" {
		a, err := mail.ParseAddress(u.Email)
		if err != nil || a.Address != u.Email || len(u.Email) > maxLogin {
			return wrong("email", "user.email")
		}
		if _, err := fold(u.Email); err != nil {
			return wrong("email", "user.email")
		}
	}
	return u.checkRights()
}

func (u *User) checkRights() error {
	for _, role := range u.Roles {
		if !isWord(role) {
			return wrong("role", "user.role", printable(role))
		}
	}
	seen := map[string]bool{}
	for _, p := range u.Profiles {
		if p.DataStore != "*" && !isWord(p.DataStore) || seen[p.DataStore] {
			return wrong("profile", "user.profile", printable(p.DataStore))
		}
		seen[p.DataStore] = true
		if p.FHIRUser != "" && !isFHIRUser(p.FHIRUser) {
			return wrong("fhirUser", "user.fhiruser", printable(p.FHIRUser))
		}
		for _, id := range p.Patients {
			if !isID(id) {
				return wrong("patient", "user.patient", printable(id))
			}
		}
		if len(p.Patients) > maxList {
			return wrong("patient", "user.patients", maxList)
		}
	}
	return nil
}

// fhirUserTypes are the types that fhirUser may have.
// https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
var fhirUserTypes = []string{"Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"}

func isFHIRUser(reference string) bool {
	kind, id, _ := strings.Cut(reference, "/")
	return slices.Contains(fhirUserTypes, kind) && isID(id)
}

// isID reports whether text is a FHIR id. https://hl7.org/fhir/R4/datatypes.html#id
func isID(text string) bool {
	return text != "" && len(text) <= 64 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

func isWord(text string) bool {
	return text != "" && len(text) <= 100 && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// printable shortens what somebody sent, for a message that repeats it.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if isControl(r) {
			return '�'
		}
		return r
	}, text)
	if r := []rune(text); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return text
}

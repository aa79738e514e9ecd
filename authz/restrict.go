package authz

import (
	"fmt"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// A Restriction hides resources that a decision would allow, by what the data
// store itself says: its Consents. It is safe for concurrent use.
type Restriction interface {
	// Hidden is the condition on resources of a type under which the interaction
	// is not allowed; nil for none.
	Hidden(i Interaction, resourceType string) search.Node
}

// Within is the access less what a restriction hides. The zero Access and
// Unrestricted stay as they are.
func (a Access) Within(beyond Restriction) Access {
	if a.all || a.rights == nil || beyond == nil {
		return a
	}
	r := a.rights.again()
	r.beyond = beyond
	return Access{rights: r}
}

// A Decision is what is done where nobody says otherwise.
type Decision string

// The decisions.
const (
	Permit Decision = "permit"
	Deny   Decision = "deny"
)

// A ConsentPolicy says what the Consents in a data store count for.
type ConsentPolicy struct {
	// Default is what is done with the data of patients of whom no Consent says
	// anything that fits a request; "" where Consents are not enforced.
	Default Decision
	// BreakGlass are the roles that may lift Consents by PurposeBreakGlass.
	BreakGlass []string
	// Exempt are the roles that Consents do not bind, and the applications,
	// "client/ID".
	Exempt []string
	// Declare are the purposes of use that every caller may declare for itself,
	// beside those that its credential is for.
	Declare []string
	// Purpose is that of callers who declare none; "" is for one that is not
	// known.
	Purpose string
}

// exemptClient begins the name of an application among the exempt.
const exemptClient = "client/"

// PurposeBreakGlass is the purpose of use by which a caller lifts Consents in an
// emergency. https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html
const PurposeBreakGlass = "BTG"

func (p ConsentPolicy) check() error {
	switch p.Default {
	case "", Permit, Deny:
		return nil
	}
	return fmt.Errorf("%q is not allowed for Consents; write permit or deny", p.Default)
}

// checkPurpose refuses breaking the glass to those who may not.
func (r *rights) checkPurpose() error {
	if r.caller.Purpose == PurposeBreakGlass && r.policy.Consent.Default != "" && !r.hasAny(r.policy.Consent.BreakGlass) {
		return fhir.Errorf(fhir.KindForbidden, "this caller may not break the glass (purpose of use %s): it has none of the roles that may", PurposeBreakGlass)
	}
	return nil
}

// hasAny reports whether the caller has one of some roles.
func (r *rights) hasAny(roles []string) bool {
	return slices.ContainsFunc(r.caller.Roles, func(name string) bool { return slices.Contains(roles, name) })
}

// BreaksGlass reports whether the caller lifts Consents that would bind it.
func (a Access) BreaksGlass() bool {
	return a.rights != nil && a.rights.policy.Consent.Default != "" && a.rights.caller.Purpose == PurposeBreakGlass
}

// Bound is how Consents bind the caller; ok is false where they do not: they
// are not enforced, the caller is nobody in particular or of a role that is
// exempt, or it breaks the glass.
func (a Access) Bound() (p ConsentPolicy, ok bool) {
	if a.rights == nil || a.BreaksGlass() {
		return ConsentPolicy{}, false
	}
	p = a.rights.policy.Consent
	exempt := a.rights.hasAny(p.Exempt) || a.rights.caller.Client != "" && slices.Contains(p.Exempt, exemptClient+a.rights.caller.Client)
	return p, p.Default != "" && !exempt
}

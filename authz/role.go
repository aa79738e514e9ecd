package authz

import (
	"fmt"
	"slices"

	"github.com/tarnhealth/tarn/search"
)

// The names of the roles that there are without configuration.
const (
	// RolePractitioner treats patients: everything on all types.
	RolePractitioner = "practitioner"
	// RoleNonPractitioner does the billing: reads financial resources.
	RoleNonPractitioner = "non-practitioner"
	// RoleAuditor reads the audit log, and patients to tell whom it speaks of.
	RoleAuditor = "auditor"
	// RoleAdmin may do everything, except with the audit log.
	RoleAdmin = "admin"
)

// A Role restricts its bearers to what its rules allow. It never allows more
// than the scopes of a token do.
type Role struct {
	// Rules are united.
	Rules []Rule
	// Unconfined lets scopes of LevelUser reach all that Rules allow, whoever
	// the user is.
	Unconfined bool
	// Clearance is the highest confidentiality that the role is cleared for, "U",
	// "L", "M", "N", "R" or "V"; "" where the role does not say. Labels are the
	// sensitive labels that it is cleared for, each "system|code".
	Clearance string
	Labels    []string
}

// A Rule allows interactions on types.
type Rule struct {
	// Interactions are those allowed; empty for all.
	Interactions []Interaction
	// Types are the resource types; empty for all.
	Types []string
	// Query restricts the resources to those that a search with all these
	// parameters finds, by the rules of granular scopes. It needs Types.
	Query []search.Pair
}

// financial are the types that non-practitioners read.
var financial = []string{
	"Account", "ChargeItem", "ChargeItemDefinition", "Claim", "ClaimResponse", "Contract", "Coverage", "CoverageEligibilityRequest",
	"CoverageEligibilityResponse", "EnrollmentRequest", "EnrollmentResponse", "ExplanationOfBenefit", "InsurancePlan", "Invoice",
	"PaymentNotice", "PaymentReconciliation",
}

var lookOnly = []Interaction{Read, VRead, SearchType, SearchSystem}

// BuiltIn reports whether there is a role without configuration.
func BuiltIn(name string) bool { _, ok := builtinRoles[name]; return ok }

// builtinRoles are overridden by those of a policy with the same name.
var builtinRoles = map[string]Role{
	RolePractitioner:    {Rules: []Rule{{}}},
	RoleNonPractitioner: {Rules: []Rule{{Interactions: lookOnly, Types: financial}}, Unconfined: true},
	RoleAuditor:         {Rules: []Rule{{Interactions: append(slices.Clone(lookOnly), HistoryOfOne), Types: []string{"Patient", auditType}}}, Unconfined: true},
	RoleAdmin:           {Rules: []Rule{{}}, Unconfined: true},
}

// A compiledRole has the conditions of its rules by type.
type compiledRole struct {
	name       string
	rules      []compiledRule
	unconfined bool
}

type compiledRule struct {
	Rule
	// where is by type; nil for a rule without a query.
	where map[string]search.Node
}

// compileRoles finds the caller's roles. One that nobody defined allows nothing.
func compileRoles(registry *search.Registry, names []string, policy Policy) ([]compiledRole, error) {
	var compiled []compiledRole
	for _, name := range names {
		role := policy.role(name)
		c := compiledRole{name: name, unconfined: role.Unconfined}
		for _, rule := range role.Rules {
			where, err := rule.compile(registry, policy)
			if err != nil {
				return nil, fmt.Errorf("the role %q: %w", name, err)
			}
			c.rules = append(c.rules, compiledRule{rule, where})
		}
		compiled = append(compiled, c)
	}
	return compiled, nil
}

func (rule Rule) compile(registry *search.Registry, policy Policy) (map[string]search.Node, error) {
	if len(rule.Query) == 0 {
		return nil, nil
	}
	if len(rule.Types) == 0 {
		return nil, fmt.Errorf("a rule with a query needs resource types")
	}
	where := map[string]search.Node{}
	for _, t := range rule.Types {
		n, reason := (&Scope{Type: t, Query: rule.Query}).node(registry, policy.searchOptions())
		if reason != "" {
			return nil, fmt.Errorf("the query on %s: %s", t, reason)
		}
		where[t] = n
	}
	return where, nil
}

// allows is the union of a role's rules for an interaction on a type.
func (c compiledRole) allows(i Interaction, resourceType string) condition {
	union := none
	for _, rule := range c.rules {
		fits := (len(rule.Interactions) == 0 || slices.Contains(rule.Interactions, i)) &&
			(len(rule.Types) == 0 || slices.Contains(rule.Types, resourceType))
		if fits {
			union = union.or(when(rule.where[resourceType]))
		}
	}
	return union
}

// CheckRoles tells what is wrong with the roles of a policy, and with what it
// says of Consents and labels, for the reading of configuration.
func CheckRoles(registry *search.Registry, policy Policy) error {
	if err := policy.Consent.check(); err != nil {
		return err
	}
	if err := policy.Labels.Check(); err != nil {
		return err
	}
	for name, role := range policy.Roles {
		if role.Clearance != "" && rank(role.Clearance) < 0 {
			return fmt.Errorf("the role %q: %q is no confidentiality; there are %s", name, role.Clearance, confidentialities)
		}
		for _, rule := range role.Rules {
			for _, i := range rule.Interactions {
				if i.action() == 0 {
					return fmt.Errorf("the role %q: %q is not an interaction", name, i)
				}
			}
			for _, t := range rule.Types {
				if !offersType(registry, t) {
					return fmt.Errorf("the role %q: %q is not a resource type", name, t)
				}
			}
		}
		if _, err := compileRoles(registry, []string{name}, policy); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether the caller has a role.
func (r *rights) has(name string) bool { return slices.Contains(r.caller.Roles, name) }

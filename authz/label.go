package authz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/search"
)

// ConfidentialitySystem is the code system of the labels that say how
// confidential a resource is, from U to V.
// https://terminology.hl7.org/CodeSystem-v3-Confidentiality.html
const ConfidentialitySystem = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

// confidentialities are the codes from unrestricted to very restricted.
const confidentialities = "ULMNRV"

// rank is the place of a code among the confidentialities, -1 for none.
func rank(code string) int {
	if len(code) != 1 {
		return -1
	}
	return strings.Index(confidentialities, code)
}

// Confidentialities are the codes that are as confidential as a code or more,
// or, with down, as confidential or less; nil for what is no such code.
func Confidentialities(code string, down bool) []string {
	at := rank(code)
	switch {
	case at < 0:
		return nil
	case down:
		return strings.Split(confidentialities[:at+1], "")
	}
	return strings.Split(confidentialities[at:], "")
}

// A LabelPolicy says whether the security labels of resources (meta.security)
// are held against what callers are cleared for. Of several confidentialities on
// one resource the highest counts.
type LabelPolicy struct {
	// Clearance is what callers are cleared for of whom neither the credential
	// nor a role says more: a code of v3-Confidentiality. "" is for all labels
	// to be seen by everybody.
	Clearance string
	// Patients is Clearance for users who are patients, and for those related to
	// them; "" is Clearance.
	Patients string
	// Clients are applications, by their ids, that are cleared for more than the
	// policy says, and for every sensitive label: services that load data.
	Clients map[string]string
	// Unlabelled is how confidential a resource without such a label is; "" is N.
	Unlabelled string
	// Sensitive are labels that a caller must be cleared for one by one, each
	// "system|code": a resource with one of them is for callers with Labels that
	// hold it.
	Sensitive []string
}

// Check tells what is wrong with the policy, for the reading of configuration.
func (p LabelPolicy) Check() error {
	for _, code := range []string{p.Clearance, p.Patients, p.Unlabelled} {
		if code != "" && rank(code) < 0 {
			return fmt.Errorf("%q is no confidentiality; there are U, L, M, N, R and V", code)
		}
	}
	for _, label := range p.Sensitive {
		if system, code, ok := strings.Cut(label, "|"); !ok || system == "" || code == "" {
			return fmt.Errorf("%q is no label; write its system and its code, as in http://terminology.hl7.org/CodeSystem/v3-ActCode|PSY", label)
		}
	}
	if p.Clearance == "" && (p.Patients != "" || len(p.Sensitive) > 0) {
		return fmt.Errorf("labels are not checked without a clearance for everybody; V is for all")
	}
	return nil
}

// A clearance is what a caller may see of labels.
type clearance struct {
	// level is the caller's confidentiality, and source who says so.
	level, source string
	// unlabelled is set where what has no confidentiality may be seen.
	unlabelled bool
	// lacking are the sensitive labels that it is not cleared for.
	lacking []string
}

// cleared is the clearance of the caller: the highest of its credential and its
// roles, else that of the policy. It is nil where no labels are checked.
func (r *rights) cleared() *clearance {
	policy := r.policy.Labels
	if policy.Clearance == "" {
		return nil
	}
	c := &clearance{level: policy.Clearance, source: "the policy"}
	if resourceType, _, _ := r.localUser(); policy.Patients != "" && slices.Contains([]string{"Patient", "RelatedPerson", "Person"}, resourceType) {
		c.level, c.source = policy.Patients, "the policy for patients"
	}
	said := -1
	say := func(code, source string) {
		if at := rank(code); at > said {
			said, c.level, c.source = at, code, source
		}
	}
	held := slices.Clone(r.caller.Labels)
	say(r.caller.Clearance, "the credential")
	for _, name := range r.caller.Roles {
		role := r.policy.role(name)
		say(role.Clearance, "the role "+name)
		held = append(held, role.Labels...)
	}
	if code := policy.Clients[r.caller.Client]; code != "" {
		say(code, "the policy for the application")
		held = append(held, policy.Sensitive...)
	}
	unlabelled := "N"
	if policy.Unlabelled != "" {
		unlabelled = policy.Unlabelled
	}
	c.unlabelled = rank(unlabelled) <= rank(c.level)
	c.lacking = slices.DeleteFunc(slices.Clone(policy.Sensitive), func(label string) bool { return slices.Contains(held, label) })
	return c
}

// role is a role of the policy, or one that there is without configuration.
func (p Policy) role(name string) Role {
	if role, ok := p.Roles[name]; ok {
		return role
	}
	return builtinRoles[name]
}

// of is the condition on resources of a type.
func (c *clearance) of(registry *search.Registry, resourceType string) condition {
	var hidden []string
	for _, code := range Confidentialities(c.level, false)[1:] {
		hidden = append(hidden, ConfidentialitySystem+"|"+code)
	}
	within := always
	if hidden = append(hidden, c.lacking...); len(hidden) > 0 {
		labelled := Labelled(registry, resourceType, hidden)
		if labelled == nil {
			return none
		}
		within = when(search.Not{Node: labelled})
	}
	if c.unlabelled {
		return within
	}
	var seen []string
	for _, code := range Confidentialities(c.level, true) {
		seen = append(seen, ConfidentialitySystem+"|"+code)
	}
	labelled := Labelled(registry, resourceType, seen)
	if labelled == nil {
		return none
	}
	return within.and(when(labelled))
}

// Labelled is the condition that a resource of a type has one of some security
// labels, each "system|code"; nil where that cannot be searched for.
func Labelled(registry *search.Registry, resourceType string, labels []string) search.Node {
	escaped := make([]string, len(labels))
	for i, label := range labels {
		system, code, _ := strings.Cut(label, "|")
		escaped[i] = search.EscapeValue(system) + "|" + search.EscapeValue(code)
	}
	q, err := registry.Parse([]string{resourceType}, []search.Pair{{Name: "_security", Value: strings.Join(escaped, ",")}}, search.Options{})
	if err != nil {
		return nil
	}
	return q.Plan.Parts[0].Where
}

package authz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/search"
)

// A Step is one of the things that a decision is made of.
type Step struct {
	// By says what decides: "scope", "level", "role", "labels", "consent" or
	// "decision", which is the last.
	By string `json:"by"`
	// Name is which one: a scope, a role.
	Name string `json:"name,omitempty"`
	// Allows is whether it lets the request through; of scopes and roles one is
	// enough, of the others each must.
	Allows bool `json:"allows"`
	// Why says it in words.
	Why string `json:"why"`
}

// Explain tells step by step why an interaction is allowed, or is not: on one
// resource, or, where c is nil, on resources of the type as a whole. It makes the
// same decision as Allows and Check. The type may not be empty.
func (a Access) Explain(i Interaction, resourceType string, c *search.Candidate, exists Exists) ([]Step, error) {
	if a.all {
		return []Step{{"decision", "", true, "there is no authorization: everybody may do everything"}}, nil
	}
	if a.rights == nil {
		return []Step{{"decision", "", false, "the caller has no rights"}}, nil
	}
	x := &explainer{a: a, r: a.rights, i: i, resourceType: resourceType, c: c, exists: exists}
	x.audit()
	for level := LevelPatient; level <= LevelSystem; level++ {
		x.scopes(level)
		x.reach(level)
	}
	x.roles()
	x.labels()
	x.consent()
	x.decision()
	return x.steps, x.err
}

// An explainer makes one explanation.
type explainer struct {
	a            Access
	r            *rights
	i            Interaction
	resourceType string
	c            *search.Candidate
	exists       Exists
	steps        []Step
	err          error
}

func (x *explainer) add(by, name string, allows bool, format string, args ...any) {
	x.steps = append(x.steps, Step{by, name, allows, fmt.Sprintf(format, args...)})
}

// holds reports whether a condition holds for the resource, and how to say so.
// Without a resource it tells for which there are.
func (x *explainer) holds(c condition) (bool, string) {
	switch {
	case !c.ok:
		return false, "no " + x.resourceType
	case c.where == nil:
		return true, "every " + x.resourceType
	case x.c == nil:
		return true, "some " + x.resourceType + " resources"
	}
	ok, err := evaluate(c.where, x.c, x.exists)
	if err != nil {
		x.err = err
		return false, "it could not be found out"
	}
	if ok {
		return true, "this " + x.resourceType
	}
	return false, "other " + x.resourceType + " resources, not this one"
}

// audit is the rule about the audit log.
func (x *explainer) audit() {
	if x.resourceType == auditType && (x.i.writes() || !x.r.has(RoleAuditor)) {
		x.add("role", RoleAuditor, false, "the audit log is read by auditors, and changed by nobody")
	}
}

// scopes are those of a level, each by itself.
func (x *explainer) scopes(level Level) {
	for n, s := range x.r.caller.Scopes.Resources {
		if s.Level != level {
			continue
		}
		switch {
		case s.Type != "*" && s.Type != x.resourceType:
			x.add("scope", s.String(), false, "is about %s", s.Type)
		case s.Actions&x.i.action() == 0:
			x.add("scope", s.String(), false, "lacks the letter %s, which %s takes", x.i.action(), x.i)
		case x.i == Erase && level != LevelSystem && !x.r.has(RoleAdmin):
			x.add("scope", s.String(), false, "erasing takes a scope of the level system, or the role %s", RoleAdmin)
		default:
			ok, what := x.holds(condition{x.r.conditions[n], true})
			x.add("scope", s.String(), ok, "allows %s on %s", x.i, what)
		}
	}
}

// reach is what scopes of a level lead to for this caller, where there are any.
func (x *explainer) reach(level Level) {
	if !slices.ContainsFunc(x.r.caller.Scopes.Resources, func(s Scope) bool { return s.Level == level }) {
		return
	}
	caller := &x.r.caller
	within, whose := always, "system scopes reach everything"
	switch level {
	case LevelPatient:
		within, whose = x.r.patient.of(x.i, x.resourceType), "patient scopes reach the data of Patient/"+caller.Patient
		if _, narrowed := x.r.patient.(both); narrowed {
			whose += ", while the user has to do with them"
		}
	case LevelUser:
		within, whose = x.r.user.of(x.i, x.resourceType), x.whose()
	}
	ok, what := x.holds(within)
	if !within.ok && x.a.BySecurityContext(x.i, x.resourceType) {
		ok, what = true, "what the securityContext decides"
	}
	x.add("level", level.String(), ok, "%s: %s", whose, what)
}

// whose says in words what the user may see.
func (x *explainer) whose() string {
	user := x.r.caller.FHIRUser
	resourceType, _, local := x.r.localUser()
	var also string
	if len(x.r.caller.Patients) > 0 {
		also = " and of the patients they may act for"
	}
	if x.r.user != x.r.alone {
		also += " and of those whom Persons link them to, by an assurance of " + x.r.policy.Persons.String() + " or more"
	}
	switch {
	case x.r.policy.ScopesOnly:
		return "this data store has no fine-grained authorization: user scopes reach everything"
	case !local:
		return "the user is nobody in this data store"
	case resourceType == "Patient":
		return "user scopes of " + user + " reach their own data" + also
	case resourceType == "RelatedPerson", resourceType == "Person":
		return "user scopes of " + user + " reach the data of whom they are related to" + also
	case x.r.policy.Practitioners.All:
		return "user scopes of practitioners reach everything"
	}
	return "user scopes of " + user + " reach the data of their patients, by " + x.r.policy.Practitioners.words()
}

// words are the relations that count.
func (r Relations) words() string {
	var list []string
	for _, relation := range []struct {
		on   bool
		name string
	}{
		{r.GeneralPractitioner, "Patient.generalPractitioner"}, {r.CareTeam, "active CareTeams"}, {r.Encounter, "Encounters"},
		{r.Group, "Groups that they manage"}, {r.Organization, "the patient's managing organization"},
	} {
		if relation.on {
			list = append(list, relation.name)
		}
	}
	if list == nil {
		return "no relation at all"
	}
	return strings.Join(list, ", ")
}

func (x *explainer) roles() {
	if !x.r.restricted {
		return
	}
	for _, role := range x.r.roles {
		if len(role.rules) == 0 {
			x.add("role", role.name, false, "nobody defined this role: it allows nothing")
			continue
		}
		ok, what := x.holds(role.allows(x.i, x.resourceType))
		text := fmt.Sprintf("allows %s on %s", x.i, what)
		if ok && role.unconfined {
			text += ", whoever the user is"
		}
		x.add("role", role.name, ok, "%s", text)
	}
}

func (x *explainer) labels() {
	labels := x.r.labels
	if labels == nil {
		return
	}
	ok, what := x.holds(labels.of(x.r.registry, x.resourceType))
	text := fmt.Sprintf("the caller is cleared up to %s, by %s", labels.level, labels.source)
	if len(labels.lacking) > 0 {
		text += ", and not for " + strings.Join(labels.lacking, ", ")
	}
	x.add("labels", "", ok, "%s: %s", text, what)
}

func (x *explainer) consent() {
	policy, bound := x.a.Bound()
	switch {
	case x.r.policy.Consent.Default == "":
		return
	case x.a.BreaksGlass():
		x.add("consent", "", true, "the caller breaks the glass: Consents are lifted, and the audit log says so")
		return
	case !bound:
		x.add("consent", "", true, "Consents do not bind this caller, by a role or application that is exempt")
		return
	case x.r.beyond == nil:
		x.add("consent", "", true, "there are no Consents")
		return
	}
	hidden := x.r.beyond.Hidden(x.i, x.resourceType)
	if hidden == nil {
		x.add("consent", "", true, "no Consent is about %s for this caller", x.resourceType)
		return
	}
	ok, what := x.holds(when(search.Not{Node: hidden}))
	x.add("consent", "", ok, "the Consents, with %q where they say nothing, leave the caller %s", policy.Default, what)
}

// decision is what comes of the steps.
func (x *explainer) decision() {
	if err := x.a.Check(x.i, x.resourceType); err != nil {
		x.add("decision", "", false, "%s: 403", err.Error())
		return
	}
	if x.a.BySecurityContext(x.i, x.resourceType) {
		x.add("decision", "", true, "decided for each Binary by the resource that its securityContext refers to")
		return
	}
	where, ok := x.a.Filter(x.i, x.resourceType)
	allowed, what := x.holds(condition{where, ok})
	x.add("decision", "", allowed, "%s is allowed on %s", x.i, what)
}

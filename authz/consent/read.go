package consent

import (
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
)

// The code systems that Consents are written in.
const (
	scopeSystem  = "http://terminology.hl7.org/CodeSystem/consentscope"
	actionSystem = "http://terminology.hl7.org/CodeSystem/consentaction"
	actSystem    = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
)

// A Consent is what one resource says about the data of one patient.
type Consent struct {
	// Patient is whose data it is about, a logical id.
	Patient string
	// ID is the resource's.
	ID string
	// key is the same for Consents that say the same, whoever they are of.
	key string
	// base is what is done where no rule fits: by policyRule, "" where that
	// does not say.
	base authz.Decision
	root *provision
}

// Read reads a Consent. ok is false for one that is not enforced: it is not
// active, not about privacy, or of no patient of this data store. base is the
// data store's base URL.
func Read(tree *fhir.Tree, base string) (c *Consent, ok bool) {
	n := tree.Root()
	patient := fhir.ParseReference(n.Child("patient").TextOf("reference"), base)
	if n.TextOf("status") != "active" || !hasCode(n.Child("scope"), scopeSystem, "patient-privacy") ||
		patient.Kind != fhir.RefRelative || patient.Type != "Patient" {
		return nil, false
	}
	c = &Consent{Patient: patient.ID, ID: n.TextOf("id"), root: readProvision(n.Child("provision"), base)}
	switch rule := n.Child("policyRule"); {
	case hasCode(rule, actSystem, "OPTIN"):
		c.base = authz.Permit
	case hasCode(rule, actSystem, "OPTOUT"):
		c.base = authz.Deny
	}
	if n.Child("modifierExtension").Exists() {
		c.root.unknown = true
	}
	if c.root.decision == "" && c.root.conditional() && c.base != "" {
		c.root.decision = opposite(c.base)
	}
	c.root.inherit(c.root.decision, c.base)
	var b strings.Builder
	b.WriteString(string(c.base))
	c.root.write(&b)
	c.key = b.String()
	return c, true
}

// hasCode reports whether a CodeableConcept has a code; a system that is left
// out is taken for the right one.
func hasCode(concept fhir.Node, system, code string) bool {
	for coding := range concept.Each("coding") {
		if s := coding.TextOf("system"); coding.TextOf("code") == code && (s == system || s == "") {
			return true
		}
	}
	return false
}

func opposite(d authz.Decision) authz.Decision {
	if d == authz.Permit {
		return authz.Deny
	}
	return authz.Permit
}

// A code is a Coding as "system|code".
type code = string

// A provision is a rule. Each list that is not empty is a condition, which holds
// where one of its members fits.
type provision struct {
	// decision is "" for a rule that only frames the rules in it.
	decision authz.Decision
	// start and end are the period; zero where it is open.
	start, end time.Time
	actors     []actor
	actions    []string
	labels     []code
	purposes   []string
	classes    []code
	codes      []code
	// from and to are the dataPeriod as it was written.
	from, to string
	data     []datum
	// unknown is set where there is a condition that cannot be evaluated.
	unknown bool
	nested  []*provision
}

// An actor is who a rule is about: a resource, or an identifier.
type actor struct {
	ref, identifier string
	// author is set where it is whose data the rule is about, and not who gets
	// it.
	author bool
	// unknown is set for a role that says neither.
	unknown bool
}

// A datum is a resource that a rule is about.
type datum struct {
	meaning, resourceType, id string
}

func readProvision(n fhir.Node, base string) *provision {
	p := &provision{decision: authz.Decision(n.TextOf("type"))}
	if !n.Exists() {
		return p
	}
	p.unknown = n.Child("modifierExtension").Exists()
	p.readPeriod(n.Child("period"))
	for a := range n.Each("actor") {
		p.actors = append(p.actors, readActor(a, base))
	}
	for a := range n.Each("action") {
		p.actions = append(p.actions, concept(a))
	}
	for l := range n.Each("securityLabel") {
		p.labels = append(p.labels, coding(l))
	}
	for u := range n.Each("purpose") {
		p.purposes = append(p.purposes, u.TextOf("code"))
	}
	for c := range n.Each("class") {
		p.classes = append(p.classes, coding(c))
	}
	for c := range n.Each("code") {
		for one := range c.Each("coding") {
			p.codes = append(p.codes, coding(one))
		}
		if !c.Child("coding").Exists() {
			p.unknown = true // a text alone
		}
	}
	p.from, p.to = n.Child("dataPeriod").TextOf("start"), n.Child("dataPeriod").TextOf("end")
	for d := range n.Each("data") {
		p.readDatum(d, base)
	}
	for sub := range n.Each("provision") {
		p.nested = append(p.nested, readProvision(sub, base))
	}
	return p
}

func (p *provision) readPeriod(n fhir.Node) {
	if text := n.TextOf("start"); text != "" {
		if at, err := fhir.ParseDateTime(text); err == nil {
			p.start = time.UnixMicro(at.Lo)
		} else {
			p.unknown = true
		}
	}
	if text := n.TextOf("end"); text != "" {
		if at, err := fhir.ParseDateTime(text); err == nil {
			p.end = time.UnixMicro(at.Hi)
		} else {
			p.unknown = true
		}
	}
}

func (p *provision) readDatum(n fhir.Node, base string) {
	ref := fhir.ParseReference(n.Child("reference").TextOf("reference"), base)
	meaning := n.TextOf("meaning")
	if ref.Kind != fhir.RefRelative || !slices.Contains([]string{"instance", "related", "dependents", "authoredby"}, meaning) {
		p.unknown = true
		return
	}
	p.data = append(p.data, datum{meaning, ref.Type, ref.ID})
}

// recipients are the roles of those who get data, authors of those whom it is
// from. http://hl7.org/fhir/R4/valueset-security-role-type.html
var (
	recipients = []string{"PRCP", "IRCP", "GRANTEE", "DELEGATEE", "USER", "CAREGIVER", "datacollector", "humanuser", "dataprocessor"}
	authors    = []string{"AUT", "AUTM", "INF"}
)

func readActor(n fhir.Node, base string) actor {
	a := actor{identifier: n.Child("reference").Child("identifier").TextOf("value")}
	ref := fhir.ParseReference(n.Child("reference").TextOf("reference"), base)
	if a.ref = ref.Text; ref.Kind == fhir.RefRelative {
		a.ref = ref.Type + "/" + ref.ID
	}
	role := concept(n.Child("role"))
	a.author = slices.Contains(authors, role)
	a.unknown = a.ref == "" && a.identifier == "" || role != "" && !a.author && !slices.Contains(recipients, role)
	return a
}

// concept is the first code of a CodeableConcept.
func concept(n fhir.Node) string { return n.Child("coding").TextOf("code") }

func coding(n fhir.Node) code { return n.TextOf("system") + "|" + n.TextOf("code") }

// conditional reports whether a rule has a condition beside its period.
func (p *provision) conditional() bool {
	return len(p.actors)+len(p.actions)+len(p.labels)+len(p.purposes)+len(p.classes)+len(p.codes)+len(p.data) > 0 ||
		p.from+p.to != "" || p.unknown
}

// inherit settles the rules that do not say whether they permit or deny: an
// exception is the opposite of what it is an exception to.
func (p *provision) inherit(outer, base authz.Decision) {
	if outer == "" {
		outer = base
	}
	for _, sub := range p.nested {
		if sub.decision == "" && outer != "" {
			sub.decision = opposite(outer)
		}
		sub.inherit(sub.decision, outer)
	}
}

// about reports whether a rule, or one in it, depends on the resource.
func (p *provision) about() bool {
	return len(p.labels)+len(p.classes)+len(p.codes)+len(p.data) > 0 || p.from+p.to != "" ||
		slices.ContainsFunc(p.actors, func(a actor) bool { return a.author }) || slices.ContainsFunc(p.nested, (*provision).about)
}

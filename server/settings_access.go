package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/server/roles"
)

// AccessConfig is what counts beside scopes and roles: Consents and security
// labels.
type AccessConfig struct {
	// Consent says what the Consents in data stores count for, and StoreConsent
	// what else is done in a data store where no Consent says anything, by its
	// id; "" there is for not enforcing them.
	Consent      authz.ConsentPolicy
	StoreConsent map[string]authz.Decision
	// Labels says which security labels are checked.
	Labels authz.LabelPolicy
	// ChooseIDs is authz.Policy.ChooseIDs.
	ChooseIDs bool
}

// consentOf is the policy of a data store.
func (c *AccessConfig) consentOf(store string) authz.ConsentPolicy {
	p := c.Consent
	if own, ok := c.StoreConsent[store]; ok {
		p.Default = own
	}
	return p
}

// off stands for what is not enforced.
const off = "off"

// accessSettings are the settings of Consents and labels.
var accessSettings = []setting{
	flat("access.choose_ids", "callers who may not write every resource of a type may make one under an id of their choice (PUT); by trying they learn which ids are taken",
		func(c *Config, s string) error { return boolean(&c.ChooseIDs, s) },
		func(c *Config) string { return strconv.FormatBool(c.ChooseIDs) }),
	flat("access.consent.default", "what is done with the data of patients whose Consents say nothing of a request: permit or deny; off where Consents are not enforced",
		func(c *Config, s string) error { return decision(&c.Consent.Default, s) },
		func(c *Config) string { return decisionText(c.Consent.Default) }),
	list("access.consent.data_stores", "the same for single data stores, each id=off, id=permit or id=deny",
		func(c *Config, list []string) error { return storeConsents(&c.StoreConsent, list) },
		func(c *Config) []string { return storeConsentTexts(c.StoreConsent) }),
	list("access.consent.break_glass", "roles that may lift Consents in an emergency, by the purpose of use BTG",
		func(c *Config, list []string) error { c.Consent.BreakGlass = list; return nil },
		func(c *Config) []string { return c.Consent.BreakGlass }),
	list("access.consent.exempt", "roles that Consents do not bind, and applications, client/ID",
		func(c *Config, list []string) error { c.Consent.Exempt = list; return nil },
		func(c *Config) []string { return c.Consent.Exempt }),
	list("access.consent.declare", "purposes of use that callers may declare by the header X-Purpose-Of-Use although their token does not name them, such as TREAT",
		func(c *Config, list []string) error { return purposes(&c.Consent.Declare, list) },
		func(c *Config) []string { return c.Consent.Declare }),
	flat("access.consent.purpose", "the purpose of use of callers who declare none; not known where empty",
		func(c *Config, s string) error {
			var one []string
			if err := purposes(&one, strings.Fields(s)); err != nil || len(one) > 1 {
				return fmt.Errorf("%q is not a purpose of use; write a code such as TREAT", s)
			}
			c.Consent.Purpose = strings.Join(one, "")
			return nil
		},
		func(c *Config) string { return c.Consent.Purpose }),
	flat("access.labels.clearance", "how confidential the resources are that everybody may see: U, L, M, N, R or V; off where security labels are not checked",
		func(c *Config, s string) error { return confidentiality(&c.Labels.Clearance, s) },
		func(c *Config) string { return orOff(c.Labels.Clearance) }),
	flat("access.labels.patients", "the same for users who are patients or related to them; off where it is no other",
		func(c *Config, s string) error { return confidentiality(&c.Labels.Patients, s) },
		func(c *Config) string { return orOff(c.Labels.Patients) }),
	flat("access.labels.unlabelled", "how confidential a resource without such a label is",
		func(c *Config, s string) error { return oneOf(&c.Labels.Unlabelled, s, "U", "L", "M", "N", "R", "V") },
		func(c *Config) string { return c.Labels.Unlabelled }),
	list("access.labels.clients", "the same for applications, each id=R or another code; they are cleared for every sensitive label",
		func(c *Config, list []string) error { return clientLabels(&c.Labels.Clients, list) },
		func(c *Config) []string {
			var texts []string
			for _, id := range slices.Sorted(maps.Keys(c.Labels.Clients)) {
				texts = append(texts, id+"="+c.Labels.Clients[id])
			}
			return texts
		}),
	list("access.labels.sensitive", "labels, each system|code, that callers must be cleared for one by one",
		func(c *Config, list []string) error { return labels(&c.Labels.Sensitive, list) },
		func(c *Config) []string { return c.Labels.Sensitive }),
}

func decision(to *authz.Decision, s string) error {
	var text string
	if err := oneOf(&text, s, off, string(authz.Permit), string(authz.Deny)); err != nil {
		return err
	}
	*to = authz.Decision(strings.TrimPrefix(text, off))
	return nil
}

func decisionText(d authz.Decision) string { return orOff(string(d)) }

func orOff(s string) string {
	if s == "" {
		return off
	}
	return s
}

func storeConsents(to *map[string]authz.Decision, list []string) error {
	of := map[string]authz.Decision{}
	for _, one := range list {
		id, text, ok := strings.Cut(one, "=")
		var d authz.Decision
		if err := decision(&d, text); err != nil || !ok || id == "" {
			return fmt.Errorf("%q is not a data store and what is done there; write id=off, id=permit or id=deny", one)
		}
		of[id] = d
	}
	*to = of
	return nil
}

func storeConsentTexts(of map[string]authz.Decision) (texts []string) {
	for _, id := range slices.Sorted(maps.Keys(of)) {
		texts = append(texts, id+"="+decisionText(of[id]))
	}
	return texts
}

func purposes(to *[]string, list []string) error {
	for _, s := range list {
		if s == "" || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || s == authz.PurposeBreakGlass {
			return fmt.Errorf("%q is not a purpose of use that may be declared; write codes such as TREAT; who may declare %s says access.consent.break_glass", s, authz.PurposeBreakGlass)
		}
	}
	*to = list
	return nil
}

func confidentiality(to *string, s string) error {
	var text string
	if err := oneOf(&text, s, off, "U", "L", "M", "N", "R", "V"); err != nil {
		return err
	}
	*to = strings.TrimPrefix(text, off)
	return nil
}

func clientLabels(to *map[string]string, list []string) error {
	of := map[string]string{}
	for _, one := range list {
		id, text, ok := strings.Cut(one, "=")
		var code string
		if err := oneOf(&code, text, "U", "L", "M", "N", "R", "V"); err != nil || !ok || id == "" {
			return fmt.Errorf("%q is not an application and its clearance; write id=R or another code", one)
		}
		of[id] = code
	}
	*to = of
	return nil
}

func labels(to *[]string, list []string) error {
	if err := (authz.LabelPolicy{Clearance: "V", Sensitive: list}).Check(); err != nil {
		return err
	}
	*to = list
	return nil
}

// checkAccess is the rule between the settings of access.
func checkAccess(c *Config) string {
	if err := c.Labels.Check(); err != nil {
		return "access.labels: " + err.Error()
	}
	if len(c.Consent.BreakGlass) > 0 && c.Auth != AuthNone && !c.audited() {
		return "access.consent.break_glass lets Consents be lifted, which must not go unrecorded, and audit.log is off; turn it on"
	}
	return ""
}

// openRoles opens the roles that administrators have defined, beside those of
// the configuration.
func (c *Config) openRoles(ctx context.Context, db kv.DB) (*roles.Book, error) {
	needed := slices.DeleteFunc(slices.Concat(c.Consent.BreakGlass, c.Consent.Exempt), func(name string) bool { return strings.HasPrefix(name, "client/") })
	return roles.Open(ctx, db, roles.Defined{Access: c.Roles, Control: c.Control.roles()}, needed)
}

// checkNeeded refuses to start where the configuration speaks of roles that
// nobody has defined.
func checkNeeded(book *roles.Book) error {
	if names := book.Undefined(); len(names) > 0 {
		return &Refusal{Text: fmt.Sprintf("access.consent names the role %q, which nobody has defined; define it under access.roles in tarn.yaml, or by the list roles of tarn apply", names[0])}
	}
	return nil
}

package roles

import (
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/sigv4"
)

// validName is what a role may be called.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)

// registry has R4's own search parameters, by which queries are read.
var registry = sync.OnceValues(func() (*search.Registry, error) { return search.New(definition.R4()) })

// Check refuses a role that would not mean what it says.
func (r *Role) Check() error {
	switch {
	case !validName.MatchString(r.Name):
		return fhir.Errorf(fhir.KindInvalid, "%q is no name of a role; write up to 64 letters, digits and . _ : -", r.Name)
	case len(r.Rules) == 0 && len(r.Operations) == 0:
		return fhir.Errorf(fhir.KindInvalid, "the role %q has neither rules, for the FHIR API, nor operations, of the control API", r.Name)
	case len(r.Rules) == 0 && (r.Unconfined || r.Clearance != "" || len(r.Labels) > 0):
		return fhir.Errorf(fhir.KindInvalid, "the role %q has no rules, to which unconfined, clearance and labels belong", r.Name)
	case len(r.Tags) > 0 && len(r.Rules) > 0:
		return fhir.Errorf(fhir.KindInvalid, "the role %q has tags, which limit what access keys with its operations reach, and rules, which count for users everywhere; define a role for each", r.Name)
	case r.Name == sigv4.RoleAdmin || r.Name == sigv4.RoleReadOnly:
		return fhir.Errorf(fhir.KindInvalid, "the role %q cannot be given another meaning", r.Name)
	}
	if err := healthlake.CheckRoles(map[string]healthlake.Role{r.Name: r.control()}); err != nil {
		return fhir.Errorf(fhir.KindInvalid, "%v", err)
	}
	access, err := r.access()
	if err != nil {
		return err
	}
	all, err := registry()
	if err != nil {
		return err
	}
	if err := authz.CheckRoles(all, authz.Policy{Roles: map[string]authz.Role{r.Name: access}}); err != nil {
		return fhir.Errorf(fhir.KindInvalid, "%v", err)
	}
	if err := (authz.LabelPolicy{Clearance: "V", Sensitive: r.Labels}).Check(); err != nil {
		return fhir.Errorf(fhir.KindInvalid, "the role %q: %v", r.Name, err)
	}
	return nil
}

// control is what it allows at the control API.
func (r *Role) control() healthlake.Role {
	return healthlake.Role{Operations: r.Operations, Tags: r.Tags}
}

// access is what it allows at the FHIR API.
func (r *Role) access() (authz.Role, error) {
	role := authz.Role{Unconfined: r.Unconfined, Clearance: r.Clearance, Labels: r.Labels}
	for _, rule := range r.Rules {
		pairs, err := Conditions(rule.Query)
		if err != nil {
			return role, fhir.Errorf(fhir.KindInvalid, "the role %q: %v", r.Name, err)
		}
		role.Rules = append(role.Rules, authz.Rule{Interactions: rule.Interactions, Types: rule.Types, Query: pairs})
	}
	return role, nil
}

// Conditions are those of a query as it stands in a URL, in their order; "" has
// none.
func Conditions(query string) (pairs []search.Pair, err error) {
	if query == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		n, nameErr := url.QueryUnescape(name)
		v, valueErr := url.QueryUnescape(value)
		if nameErr != nil || valueErr != nil || n == "" || v == "" {
			return nil, fhir.Errorf(fhir.KindInvalid, "%q is not a search; write name=value, several joined by &", query)
		}
		pairs = append(pairs, search.Pair{Name: n, Value: v})
	}
	return pairs, nil
}

package token

import (
	"math"
	"strings"
	"time"
)

// ClaimNames says under which names an external issuer has the claims that
// have no standard one, or has others than SMART's. An empty name is the
// default. A name with dots that is no claim itself is a path into objects:
// "realm_access.roles".
type ClaimNames struct {
	Scope     string // default "scope", else "scp"
	ClientID  string // default "client_id", else "azp", else "cid"
	FHIRUser  string // default "fhirUser"
	Patient   string // default "patient"
	Encounter string // default "encounter"
	Patients  string // default "patients"
	Tenant    string // default "tenant"
	Roles     string // default "roles"
	SessionID string // default "sid"
}

// A claimReader takes claims out of a decoded object; what it leaves are
// Claims.Extra. It remembers the first claim that has the wrong type.
type claimReader struct {
	claims map[string]any
	err    error
}

// take finds a claim by the first of names that is there.
func (r *claimReader) take(names ...string) (value any, name string) {
	for _, name = range names {
		if value, ok := r.claims[name]; ok {
			delete(r.claims, name)
			return value, name
		}
		if value := follow(r.claims, name); value != nil {
			return value, name
		}
	}
	return nil, name
}

// follow reads a path into objects, nil where it leads nowhere.
func follow(claims map[string]any, path string) any {
	head, rest, more := strings.Cut(path, ".")
	value, ok := claims[head]
	if !ok || !more {
		return value
	}
	inner, _ := value.(map[string]any)
	return follow(inner, rest)
}

func (r *claimReader) wrong(name, want string) {
	if r.err == nil {
		r.err = errorf(InvalidToken, "the claim %s is not %s", name, want)
	}
}

func (r *claimReader) text(names ...string) string {
	value, name := r.take(names...)
	text, ok := value.(string)
	if !ok && value != nil {
		r.wrong(name, "a text")
	}
	return text
}

// time reads a NumericDate of RFC 7519.
func (r *claimReader) time(name string) time.Time {
	value, _ := r.take(name)
	switch n := value.(type) {
	case nil:
		return time.Time{}
	case float64:
		// Beyond the year 9999 or before 1970 a conversion could turn round.
		if n >= 0 && n < 253402300800 && !math.IsNaN(n) {
			return time.Unix(int64(n), 0).UTC()
		}
	}
	r.wrong(name, "a number of seconds since 1970")
	return time.Time{}
}

// list reads a text or an array of texts.
func (r *claimReader) list(names ...string) []string {
	value, name := r.take(names...)
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		return []string{v}
	case []any:
		list := make([]string, 0, len(v))
		for _, one := range v {
			text, ok := one.(string)
			if !ok {
				r.wrong(name, "a list of texts")
				return nil
			}
			list = append(list, text)
		}
		return list
	}
	r.wrong(name, "a text or a list of texts")
	return nil
}

// confirmation reads cnf: RFC 7800, RFC 9449 and RFC 8705.
func (r *claimReader) confirmation(c *Claims) {
	value, _ := r.take("cnf")
	if value == nil {
		return
	}
	cnf, ok := value.(map[string]any)
	if !ok {
		r.wrong("cnf", "an object")
		return
	}
	inner := claimReader{claims: cnf}
	c.Thumbprint, c.Certificate = inner.text("jkt"), inner.text("x5t#S256")
	// A token that is bound in a way that is not known here must not pass for
	// one that is not bound.
	if inner.err != nil || len(cnf) > 0 || c.Thumbprint == "" && c.Certificate == "" {
		r.wrong("cnf", "a binding that is known here: jkt or x5t#S256")
	}
}

// or is name, or the defaults where it is empty.
func or(name string, defaults ...string) []string {
	if name != "" {
		return []string{name}
	}
	return defaults
}

// readClaims takes a decoded set of claims over.
func readClaims(decoded map[string]any, names ClaimNames) (*Claims, error) {
	r := &claimReader{claims: decoded}
	c := &Claims{
		Issuer: r.text("iss"), Subject: r.text("sub"), Audience: r.list("aud"), ID: r.text("jti"),
		ClientID: r.text(or(names.ClientID, "client_id", "azp", "cid")...),
		Scope:    strings.Join(r.list(or(names.Scope, "scope", "scp")...), " "),
		IssuedAt: r.time("iat"), NotBefore: r.time("nbf"), Expires: r.time("exp"), AuthTime: r.time("auth_time"),
		FHIRUser:  r.text(or(names.FHIRUser, "fhirUser")...),
		Patient:   r.text(or(names.Patient, "patient")...),
		Encounter: r.text(or(names.Encounter, "encounter")...),
		Tenant:    r.text(or(names.Tenant, "tenant")...),
		SessionID: r.text(or(names.SessionID, "sid")...),
		Roles:     r.list(or(names.Roles, "roles")...),
		Patients:  r.list(or(names.Patients, "patients")...),
	}
	r.confirmation(c)
	if r.err != nil {
		return nil, r.err
	}
	if len(decoded) > 0 {
		c.Extra = decoded
	}
	return c, nil
}

// Map is the claims under their names, without those that are empty: what Mint
// signs, and what an introspection answer holds (RFC 7662).
func (c Claims) Map() map[string]any {
	m := make(map[string]any, 16+len(c.Extra))
	for name, value := range c.Extra {
		m[name] = value
	}
	for name, text := range map[string]string{
		"iss": c.Issuer, "sub": c.Subject, "client_id": c.ClientID, "scope": c.Scope, "jti": c.ID, "fhirUser": c.FHIRUser,
		"patient": c.Patient, "encounter": c.Encounter, "tenant": c.Tenant, "sid": c.SessionID,
	} {
		if delete(m, name); text != "" {
			m[name] = text
		}
	}
	for name, at := range map[string]time.Time{"iat": c.IssuedAt, "nbf": c.NotBefore, "exp": c.Expires, "auth_time": c.AuthTime} {
		if delete(m, name); !at.IsZero() {
			m[name] = at.Unix()
		}
	}
	for name, list := range map[string][]string{"roles": c.Roles, "patients": c.Patients, "aud": c.Audience} {
		if delete(m, name); len(list) > 0 {
			m[name] = list
		}
	}
	if len(c.Audience) == 1 {
		m["aud"] = c.Audience[0]
	}
	cnf := map[string]string{}
	if c.Thumbprint != "" {
		cnf["jkt"] = c.Thumbprint
	}
	if c.Certificate != "" {
		cnf["x5t#S256"] = c.Certificate
	}
	if delete(m, "cnf"); len(cnf) > 0 {
		m["cnf"] = cnf
	}
	return m
}

// A validity is what every set of claims is checked for.
type validity struct {
	now time.Time
	// leeway is what clocks may differ by; expiry has one of its own.
	leeway, expiryLeeway time.Duration
	// audiences are those of which the token must name one; empty for any.
	audiences []string
}

func (v validity) check(c *Claims) error {
	switch {
	case c.Expires.IsZero():
		return genuine("the token has no claim exp")
	case !v.now.Before(c.Expires.Add(v.expiryLeeway)):
		return genuine("the token has expired")
	case v.now.Add(v.leeway).Before(c.NotBefore):
		return genuine("the token is not valid yet")
	case v.now.Add(v.leeway).Before(c.IssuedAt):
		return genuine("the token was issued in the future")
	case !c.IssuedAt.IsZero() && c.Expires.Before(c.IssuedAt):
		return genuine("the token expired before it was issued")
	}
	if len(v.audiences) == 0 {
		return nil
	}
	for _, a := range c.Audience {
		for _, want := range v.audiences {
			if strings.TrimSuffix(a, "/") == strings.TrimSuffix(want, "/") {
				return nil
			}
		}
	}
	return genuine("the token is for another audience")
}

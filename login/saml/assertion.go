package saml

import (
	"slices"
	"time"

	"github.com/beevik/etree"
)

// The formats of a NameID that may be somebody's identity, and the one that is
// another each time (SAML core section 8.3).
const (
	persistentFormat  = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	emailFormat       = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	unspecifiedFormat = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	bearerMethod      = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
)

// The bounds of what is kept of an assertion.
const (
	maxAttributes = 200
	maxValues     = 2000
	maxValue      = 8 << 10
)

// An assertion is what one that is believed says.
type assertion struct {
	id       string
	until    time.Time
	identity Identity
}

// assertion checks an assertion whose signature is good (SAML profiles section
// 4.1.4.3).
func (x *exchange) assertion(e *etree.Element) (*assertion, error) {
	a := &assertion{id: attr(e, "ID")}
	issued, err := instant(attr(e, "IssueInstant"))
	switch {
	case attr(e, "Version") != "2.0" || a.id == "" || len(a.id) > 1024:
		return nil, wrong("the assertion is not of SAML 2.0")
	case text(one(e, assertionNS, "Issuer")) != x.trusted.entityID:
		return nil, wrong("the assertion is of another issuer")
	case err != nil || issued.After(x.now.Add(skew)) || issued.Before(x.started.Add(-skew)):
		return nil, wrong("the assertion was not made between the request and now; the clocks may differ by %v", skew)
	}
	subject := one(e, assertionNS, "Subject")
	if subject == nil {
		return nil, wrong("the assertion has no subject")
	}
	if a.until, err = x.confirmed(subject); err != nil {
		return nil, err
	}
	if err := x.conditions(one(e, assertionNS, "Conditions")); err != nil {
		return nil, err
	}
	if err := x.statement(e, a); err != nil {
		return nil, err
	}
	if a.identity.Attributes, err = attributes(e); err != nil {
		return nil, err
	}
	a.identity.Subject, err = x.subject(subject, a.identity.Attributes)
	return a, err
}

// confirmed is until when the assertion may be used here, by one of the
// confirmations that is for whoever brings it.
func (x *exchange) confirmed(subject *etree.Element) (time.Time, error) {
	err := wrong("the assertion has no bearer confirmation")
	for _, c := range children(subject, assertionNS, "SubjectConfirmation") {
		if attr(c, "Method") != bearerMethod {
			continue
		}
		data := one(c, assertionNS, "SubjectConfirmationData")
		until, bad := instant(attr(data, "NotOnOrAfter"))
		switch {
		case data == nil || bad != nil || attr(data, "NotBefore") != "":
			err = wrong("the confirmation does not say until when it holds")
		case attr(data, "Recipient") != x.peer.acs():
			err = wrong("the assertion is for another address")
		case attr(data, "InResponseTo") != x.request:
			err = wrong("the assertion is not to the request of this browser")
		case !x.now.Before(until.Add(skew)):
			err = wrong("the confirmation is over")
		default:
			return until, nil
		}
	}
	return time.Time{}, err
}

// conditions checks what an assertion may be used for. One that is not known is
// not met (SAML core section 2.5.1).
func (x *exchange) conditions(e *etree.Element) error {
	if e == nil {
		return wrong("the assertion has no conditions")
	}
	for name, ok := range map[string]func(time.Time) bool{
		"NotBefore":    func(at time.Time) bool { return !x.now.Before(at.Add(-skew)) },
		"NotOnOrAfter": func(at time.Time) bool { return x.now.Before(at.Add(skew)) },
	} {
		value := attr(e, name)
		if value == "" {
			continue
		}
		if at, err := instant(value); err != nil || !ok(at) {
			return wrong("the assertion is not valid now: %s", name)
		}
	}
	named := false
	for _, c := range e.ChildElements() {
		switch {
		case is(c, assertionNS, "AudienceRestriction"):
			named = true
			if !slices.ContainsFunc(children(c, assertionNS, "Audience"), func(a *etree.Element) bool { return text(a) == x.peer.entityID() }) {
				return wrong("the assertion is for another audience")
			}
		case is(c, assertionNS, "OneTimeUse"), is(c, assertionNS, "ProxyRestriction"): // each is used once, and for nobody else
		default:
			return wrong("the assertion has a condition that is not known")
		}
	}
	if !named {
		return wrong("the assertion is for no audience")
	}
	return nil
}

// statement reads when and how the person proved who they are.
func (x *exchange) statement(e *etree.Element, a *assertion) error {
	list := children(e, assertionNS, "AuthnStatement")
	if len(list) == 0 {
		return wrong("the assertion does not say that anybody signed in")
	}
	at, err := instant(attr(list[0], "AuthnInstant"))
	if err != nil || at.After(x.now.Add(skew)) {
		return wrong("the assertion does not say when somebody signed in")
	}
	if until := attr(list[0], "SessionNotOnOrAfter"); until != "" {
		if end, err := instant(until); err != nil || !x.now.Before(end.Add(skew)) {
			return wrong("the session at the identity provider is over")
		}
	}
	a.identity.At = at
	a.identity.Context = text(down(list[0], assertionNS, "AuthnContext", "AuthnContextClassRef"))
	return nil
}

// subject is what tells the person from all others.
func (x *exchange) subject(e *etree.Element, attributes map[string][]string) (string, error) {
	if name := x.peer.Subject; name != "" {
		values := attributes[name]
		if len(values) != 1 || values[0] == "" {
			return "", wrong("the assertion has not one value of the attribute that is the subject")
		}
		return values[0], nil
	}
	id := one(e, assertionNS, "NameID")
	if id == nil || text(id) == "" {
		return "", wrong("the assertion has no NameID; one that is encrypted is not read")
	}
	switch attr(id, "Format") {
	case persistentFormat, emailFormat, unspecifiedFormat, "":
	default:
		return "", wrong("the NameID is transient, or of a format that tells nobody from others; let the identity provider send a persistent one, or name an attribute as subject")
	}
	if by := attr(id, "NameQualifier"); by != "" && by != x.trusted.entityID {
		return "", wrong("the NameID is another issuer's")
	}
	if of := attr(id, "SPNameQualifier"); of != "" && of != x.peer.entityID() {
		return "", wrong("the NameID is for another service provider")
	}
	return text(id), nil
}

// attributes reads the attributes with values that are text.
func attributes(e *etree.Element) (map[string][]string, error) {
	found, friendly := map[string][]string{}, map[string][]string{}
	taken := map[string]string{} // friendly names, by whose they are
	total := 0
	for _, statement := range children(e, assertionNS, "AttributeStatement") {
		for _, a := range children(statement, assertionNS, "Attribute") {
			name, short := attr(a, "Name"), attr(a, "FriendlyName")
			for _, v := range children(a, assertionNS, "AttributeValue") {
				value := text(v)
				if total++; total > maxValues || len(found) >= maxAttributes || len(value) > maxValue {
					return nil, wrong("the assertion has too many attributes, or too long ones")
				}
				if name == "" || value == "" {
					continue
				}
				found[name] = append(found[name], value)
				if owner, known := taken[short]; known && owner != name {
					delete(friendly, short) // it would say of one what is said of another
					taken[short] = ""
				} else if short != "" {
					taken[short] = name
					friendly[short] = append(friendly[short], value)
				}
			}
		}
	}
	for short, values := range friendly {
		if _, known := found[short]; !known {
			found[short] = values
		}
	}
	return found, nil
}

package login

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/login/saml"
)

// SAML is what a Provider of KindSAML has beside the others.
type SAML struct {
	// Metadata is the metadata of the identity provider, an XML document, or
	// MetadataURL where it is fetched from.
	Metadata, MetadataURL string
	// Subject names the attribute that tells one person from all others; "" is the
	// NameID, which must not be transient then.
	Subject string
	// SignRequests signs requests also where the metadata does not ask for it.
	SignRequests bool
}

func (p *Provider) peer() saml.Provider {
	return saml.Provider{ID: p.ID, EntityID: p.Issuer, Metadata: p.SAML.Metadata, MetadataURL: p.SAML.MetadataURL, Subject: p.SAML.Subject, SignRequests: p.SAML.SignRequests}
}

func (p *Provider) checkSAML() error {
	if p.ClientID != "" || p.ClientSecret != "" || len(p.Scopes) > 0 {
		return errors.New("a provider of SAML has no client id, secret or scopes")
	}
	peer := p.peer()
	return peer.Check()
}

// SAMLKeys are the keys that requests to SAML providers are signed with and
// assertions are encrypted for.
func (s *Service) SAMLKeys() *saml.Keys { return s.saml.Keys() }

// describeSAML is what administrators of an identity provider import there.
func (s *Service) describeSAML(w http.ResponseWriter, r *http.Request) {
	u := s.upstream.Load().by[r.PathValue("provider")]
	if u == nil || u.peer == nil {
		s.missing(w, r)
		return
	}
	document, err := u.peer.Describe(r.Context())
	if err != nil {
		s.broken(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	w.Header().Set("Content-Disposition", `inline; filename="`+u.ID+`-metadata.xml"`)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(document)
}

// The bounds of a posted response.
const maxPosted = 512 << 10

// receiveSAML takes the response that the identity provider's page made the
// browser post here. Such a request comes from another site, without this site's
// cookies: what is believed of it is kept, and the browser sent to callback, where
// it has them. What is not believed is told there as well.
func (s *Service) receiveSAML(w http.ResponseWriter, r *http.Request) {
	u := s.upstream.Load().by[r.PathValue("provider")]
	if u == nil || u.peer == nil {
		http.NotFound(w, r) // a page would set a cookie, in the place of the one that is not sent here
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxPosted)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "The form cannot be read, or is larger than 512 KB.", http.StatusBadRequest)
		return
	}
	responses, states := r.PostForm["SAMLResponse"], r.PostForm["RelayState"]
	if len(responses) != 1 || len(states) != 1 || r.URL.RawQuery != "" {
		http.Error(w, "A form with one SAMLResponse and one RelayState is expected. Sign-in begins at this server.", http.StatusBadRequest)
		return
	}
	back := url.Values{"state": {states[0]}}
	if err := u.peer.Receive(r.Context(), responses[0], states[0]); err != nil {
		no := refusalOf(err)
		if no == nil {
			s.cfg.Log.ErrorContext(r.Context(), "login failed", "error", err)
			http.Error(w, "This server cannot take the response at the moment.", http.StatusInternalServerError)
			return
		}
		s.cfg.Log.WarnContext(r.Context(), "response of a provider refused", "provider", u.ID, "reason", no.key, "error", err)
		back.Set("refused", no.key)
	}
	s.pages.Redirect(w, "/login/callback/"+u.ID+"?"+back.Encode())
}

// samlRefusals are why nobody is signed in, as pages say it.
var samlRefusals = map[saml.Reason]string{
	saml.Wrong: "upstream.wrong", saml.Away: "upstream.away", saml.Refused: "upstream.refused", saml.Cancelled: "upstream.cancelled",
}

// refusalOf is the refusal that an error of a provider is; nil for an error of
// this server.
func refusalOf(err error) *refusal {
	var no *saml.Error
	if !errors.As(err, &no) {
		return nil
	}
	return &refusal{samlRefusals[no.Reason], err}
}

// answerSAML is what the response that was taken says of somebody.
func (s *Service) answerSAML(r *http.Request, u *upstream, state *upstreamState) (claims, error) {
	if key := r.URL.Query().Get("refused"); key != "" {
		for _, known := range samlRefusals {
			if key == known {
				return nil, &refusal{key, errors.New("the response was refused before")}
			}
		}
		return nil, errFlow
	}
	found, err := u.peer.Take(r.Context(), state.State)
	if err != nil {
		if no := refusalOf(err); no != nil {
			return nil, no
		}
		return nil, err
	}
	if !state.Flow.After.IsZero() && found.At.Before(state.Started.Add(-time.Minute)) {
		return nil, &refusal{"upstream.wrong", errors.New("the provider did not ask the person to sign in again")}
	}
	return samlClaims(found, u.LinkByEmail), nil
}

// usualAttributes are what identity providers call what claims are called in
// OpenID Connect, by URI and by friendly name.
var usualAttributes = map[string][]string{
	"name":  {"displayName", "urn:oid:2.16.840.1.113730.3.1.241", "http://schemas.microsoft.com/identity/claims/displayname", "cn", "urn:oid:2.5.4.3", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"},
	"email": {"mail", "urn:oid:0.9.2342.19200300.100.1.3", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", "emailAddress"},
	"preferred_username": {
		"eduPersonPrincipalName", "urn:oid:1.3.6.1.4.1.5923.1.1.1.6", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", "uid", "urn:oid:0.9.2342.19200300.100.1.1",
	},
}

// strongContexts are authentication contexts of more than one factor.
var strongContexts = []string{"https://refeds.org/profile/mfa", "http://schemas.microsoft.com/claims/multipleauthn"}

// samlClaims are the attributes of an assertion as claims, with the names of
// OpenID Connect for those that have none of their own.
func samlClaims(found *saml.Identity, trusted bool) claims {
	c := claims{}
	for name, values := range found.Attributes {
		c[name] = claimOf(values)
	}
	for name, others := range usualAttributes {
		for _, other := range others {
			if _, ok := c[name]; !ok && len(found.Attributes[other]) > 0 {
				c[name] = found.Attributes[other][0]
			}
		}
	}
	c["sub"], c["email_verified"] = found.Subject, trusted
	delete(c, "amr")
	if slices.Contains(strongContexts, found.Context) {
		c["amr"] = []any{"mfa"}
	}
	return c
}

func claimOf(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return list
}

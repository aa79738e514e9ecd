// Package saml owns sign-in through SAML 2.0 identity providers, as a service
// provider of the Web Browser SSO profile begun here: the metadata of both sides,
// the request by HTTP-Redirect, the response by HTTP-POST and all that makes it
// believable, and the service provider's keys.
// https://docs.oasis-open.org/security/saml/v2.0/saml-profiles-2.0-os.pdf section 4.1
//
// What of a response is used is what a signature covers: the bytes that were
// signed are read again, and nothing else of the document. Responses that nobody
// here asked for are refused.
//
// Its records are
//
//	saml_key 0x00 keys          the service provider's keys, sealed
//	saml_metadata 0x00 ID       the last good metadata of an identity provider
//	saml_seen 0x00 SUM          an assertion or a request that was answered
//	saml_identity 0x00 SUM      whom a response signs in, until the browser is back, sealed
//
// It leaves to others: users, sessions and pages, and which browser began what
// (login).
package saml

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/kv"
)

// A Provider is an identity provider as an administrator set it up.
type Provider struct {
	// ID is in the addresses here: that of the service provider's metadata, which
	// is its entity ID too, is BaseURL/login/saml/ID/metadata.
	ID string
	// EntityID is the entity ID of the identity provider.
	EntityID string
	// Metadata is its metadata as XML, or MetadataURL where that is fetched from.
	Metadata, MetadataURL string
	// Subject names the attribute that tells one person from all others; "" is the
	// NameID, which must not be transient then.
	Subject string
	// SignRequests signs requests also where the metadata does not ask for it.
	SignRequests bool
}

// Check refuses what cannot be used as it is.
func (p *Provider) Check() error {
	switch {
	case p.EntityID == "" || len(p.EntityID) > 1024 || strings.ContainsFunc(p.EntityID, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return errors.New("the issuer is the entity ID of the identity provider, a URI of at most 1,024 characters") // SAML core section 8.3.6
	case (p.Metadata == "") == (p.MetadataURL == ""):
		return errors.New("it needs the metadata of the identity provider: the document or its address, one of both")
	case p.MetadataURL != "":
		return checkAddress("the address of the metadata", p.MetadataURL)
	}
	_, err := readMetadata([]byte(p.Metadata), p.EntityID)
	return err
}

// checkAddress takes https, and http on the machine itself.
func checkAddress(what, address string) error {
	u, err := url.Parse(address)
	if err == nil && u.Host != "" && u.User == nil && u.Fragment == "" {
		ip, _ := netip.ParseAddr(u.Hostname())
		if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip.IsLoopback()) {
			return nil
		}
	}
	return fmt.Errorf("%s must be an https address", what)
}

// Config for New. DB, Box, BaseURL and Now are needed.
type Config struct {
	DB  kv.DB
	Box *crypt.Box
	// BaseURL is what browsers call the server by, without a final slash.
	BaseURL string
	Now     func() time.Time
	// HTTP fetches metadata; nil is a client that refuses redirects. How much is
	// read and for how long is limited here.
	HTTP *http.Client
}

// A Party is this server as a service provider. It is safe for concurrent use,
// and by several processes on one database.
type Party struct {
	cfg  Config
	keys *Keys
}

// New makes a service provider. Its keys are made when they are first needed.
func New(cfg Config) *Party {
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Party{cfg: cfg, keys: &Keys{cfg: cfg}}
}

// Keys are the service provider's keys.
func (p *Party) Keys() *Keys { return p.keys }

// Peer is an identity provider to sign in through. What is known of it is kept in
// the Peer, so that one that does not change is made once.
func (p *Party) Peer(provider Provider) *Peer { return &Peer{Provider: provider, party: p} }

// An Identity is whom an identity provider says somebody is.
type Identity struct {
	Subject string
	// Attributes are the values by name, and by friendly name where that is no
	// other's name.
	Attributes map[string][]string
	// At is when the person proved it, and Context how
	// (AuthnContextClassRef); "" where that is not said.
	At      time.Time
	Context string
}

// Reason is why nobody is signed in.
type Reason int

// The reasons.
const (
	// Wrong is a response that is not believed.
	Wrong Reason = iota
	// Away is an identity provider of which nothing can be learnt at the moment.
	Away
	// Refused is one that says that it signs nobody in.
	Refused
	// Cancelled is one that says so because the person did not want to.
	Cancelled
)

// An Error says why nobody is signed in. Its text is for logs: it holds nothing
// of what the response says of a person.
type Error struct {
	Reason Reason
	Text   string
	Cause  error
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return "saml: " + e.Text
	}
	return "saml: " + e.Text + ": " + e.Cause.Error()
}

func (e *Error) Unwrap() error { return e.Cause }

func wrong(format string, args ...any) error {
	return &Error{Reason: Wrong, Text: fmt.Sprintf(format, args...)}
}

// entityID is what this server is to an identity provider. Each has a name of its
// own for it, so that no assertion for one is taken from another.
func (p *Peer) entityID() string { return p.party.cfg.BaseURL + "/login/saml/" + p.ID + "/metadata" }

// acs is where responses are taken.
func (p *Peer) acs() string { return p.party.cfg.BaseURL + "/login/saml/" + p.ID + "/acs" }

// host is the name in certificates.
func (c *Config) host() string {
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		return "service provider"
	}
	return cmp.Or(u.Hostname(), "service provider")
}

// trusted is what responses are checked with.
type trusted struct {
	entityID     string
	destination  string // of requests, by HTTP-Redirect
	signed       bool   // requests have to be
	certificates []*x509.Certificate
	until        time.Time // zero is no end
}

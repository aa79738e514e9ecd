package saml

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/tarnhealth/tarn/kv"
)

const (
	statusPrefix = "urn:oasis:names:tc:SAML:2.0:status:"
	success      = statusPrefix + "Success"
)

var (
	seenTable     = kv.NewTable[bool]("saml_seen")
	identityTable = kv.NewTable[[]byte]("saml_identity")
)

const (
	identityPurpose = "identity of SAML"
	// identityTime is how long the browser may take to come back with its own
	// cookies.
	identityTime = 5 * time.Minute
	// seenTime is how long an assertion is remembered at most. That its request is
	// over by then refuses it too.
	seenTime = 24 * time.Hour
)

// Receive takes a response as the browser posted it (SAML bindings section 3.5.4)
// and keeps whom it signs in for Take. It fails with *Error where it is not
// believed.
func (p *Peer) Receive(ctx context.Context, response, state string) error {
	now := p.party.cfg.Now()
	started, err := p.started(state, now)
	if err != nil {
		return err
	}
	document, err := base64.StdEncoding.DecodeString(spaceless(response))
	if err != nil {
		return wrong("the response is not base64")
	}
	root, err := parse(document, maxResponse, false)
	if err != nil {
		return err
	}
	t, err := p.trust(ctx, now, false)
	if err != nil {
		return err
	}
	x := exchange{peer: p, trusted: t, now: now, started: started, request: p.requestID(state)}
	a, err := x.read(ctx, root)
	if err != nil && p.MetadataURL != "" && x.unknownKey {
		if t, again := p.trust(ctx, now, true); again == nil && t != x.trusted { // its keys may be new
			x = exchange{peer: p, trusted: t, now: now, started: started, request: x.request}
			a, err = x.read(ctx, root)
		}
	}
	if err != nil {
		return err
	}
	return p.keep(ctx, a, state, started, now)
}

// keep stores whom a response signs in, and that it did.
func (p *Peer) keep(ctx context.Context, a *assertion, state string, started, now time.Time) error {
	plain, err := json.Marshal(a.identity)
	if err != nil {
		return err
	}
	sealed := p.party.cfg.Box.Seal(identityPurpose, append([]byte(p.ID+"\x00"+state+"\x00"), plain...))
	over := a.until.Add(skew)
	if last := now.Add(seenTime); over.After(last) {
		over = last
	}
	if life := started.Add(Life + skew); over.Before(life) {
		over = life
	}
	return p.party.cfg.DB.Update(ctx, func(tx kv.Tx) error {
		for _, one := range []string{p.sum("assertion", a.id), p.sum("state", state)} {
			_, err := seenTable.Get(tx, one)
			if err == nil {
				return wrong("the response was taken before, or another one for the same request")
			}
			if !errors.Is(err, kv.ErrNotFound) {
				return err
			}
			if err := seenTable.Put(tx, one, true, over); err != nil {
				return err
			}
		}
		return identityTable.Put(tx, p.sum("identity", state), sealed, now.Add(identityTime))
	})
}

func (p *Peer) sum(purpose, of string) string {
	return hex.EncodeToString(p.mac(purpose, []byte(of)))
}

// Take returns, once, whom the response with a state signs in. The caller has
// checked that it was this browser that began it.
func (p *Peer) Take(ctx context.Context, state string) (*Identity, error) {
	var sealed []byte
	err := p.party.cfg.DB.Update(ctx, func(tx kv.Tx) (err error) {
		name := p.sum("identity", state)
		if sealed, err = identityTable.Get(tx, name); err != nil {
			return err
		}
		return identityTable.Delete(tx, name)
	})
	if errors.Is(err, kv.ErrNotFound) {
		return nil, wrong("no response with this state was taken, or too long ago")
	}
	if err != nil {
		return nil, err
	}
	plain, err := p.party.cfg.Box.Open(identityPurpose, sealed)
	if err != nil {
		return nil, err
	}
	rest, ok := strings.CutPrefix(string(plain), p.ID+"\x00"+state+"\x00")
	if !ok {
		return nil, wrong("the identity is of another response")
	}
	var found Identity
	return &found, json.Unmarshal([]byte(rest), &found)
}

// An exchange is a request and what comes back for it.
type exchange struct {
	peer         *Peer
	trusted      *trusted
	now, started time.Time
	request      string // its ID
	// unknownKey says that a signature was by no known key.
	unknownKey bool
}

// read checks a response and the assertion in it.
func (x *exchange) read(ctx context.Context, root *etree.Element) (*assertion, error) {
	if !is(root, protocolNS, "Response") {
		return nil, wrong("the document is no response")
	}
	if err := x.places(root); err != nil {
		return nil, err
	}
	if len(children(root, signatureNS, "Signature")) == 0 {
		if err := x.response(root, false); err != nil {
			return nil, err
		}
		return x.inside(ctx, root, root, false)
	}
	signed, err := x.verify(root)
	if err != nil {
		return nil, err
	}
	if err := x.response(signed, true); err != nil {
		return nil, err
	}
	return x.inside(ctx, root, signed, true)
}

func (x *exchange) verify(e *etree.Element) (*etree.Element, error) {
	sig, err := signatureOf(e)
	if err == nil && sig != nil {
		x.unknownKey = true
		if e, err = verify(e, x.trusted.certificates, x.now); err == nil {
			x.unknownKey = false
		}
		return e, err
	}
	if err == nil {
		err = wrong("neither the response nor the assertion is signed")
	}
	return nil, err
}

// places refuses assertions and signatures elsewhere than where they belong, and
// more than one assertion: what is not there cannot be taken for what was signed.
func (x *exchange) places(root *etree.Element) error {
	plain, encrypted := all(root, assertionNS, "Assertion"), all(root, assertionNS, "EncryptedAssertion")
	if len(plain)+len(encrypted) > 1 || len(all(root, protocolNS, "Response")) != 1 {
		return wrong("the response has several assertions")
	}
	for _, a := range append(plain, encrypted...) {
		if a.Parent() != root {
			return wrong("the assertion is not where it belongs")
		}
	}
	for _, s := range all(root, signatureNS, "Signature") {
		if s.Parent() != root && (len(plain) == 0 || s.Parent() != plain[0]) {
			return wrong("a signature is not where it belongs")
		}
	}
	return nil
}

// response checks what the response says beside the assertion (SAML core section
// 3.2.2).
func (x *exchange) response(e *etree.Element, signed bool) error {
	destination := attr(e, "Destination")
	switch {
	case attr(e, "Version") != "2.0" || attr(e, "ID") == "":
		return wrong("the response is not of SAML 2.0")
	case attr(e, "InResponseTo") != x.request:
		return wrong("the response is not to the request of this browser")
	case destination != x.peer.acs() && (signed || destination != ""): // SAML bindings section 3.5.5.2
		return wrong("the response is for another address")
	case len(children(e, assertionNS, "Issuer")) > 0 && text(one(e, assertionNS, "Issuer")) != x.trusted.entityID:
		return wrong("the response is of another issuer")
	}
	return status(one(e, protocolNS, "Status"))
}

func status(e *etree.Element) error {
	if e == nil {
		return wrong("the response has no status")
	}
	code := one(e, protocolNS, "StatusCode")
	if attr(code, "Value") == success {
		return nil
	}
	if code == nil || !strings.HasPrefix(attr(code, "Value"), statusPrefix) {
		return wrong("the response has no status that is known")
	}
	switch second := one(code, protocolNS, "StatusCode"); strings.TrimPrefix(attr(second, "Value"), statusPrefix) {
	case "AuthnFailed", "RequestDenied":
		return &Error{Reason: Cancelled, Text: "the identity provider answers that nobody signed in"}
	case "NoAuthnContext", "InvalidNameIDPolicy", "RequestUnsupported", "UnknownPrincipal", "UnsupportedBinding", "NoPassive", "NoAvailableIDP":
		return &Error{Reason: Refused, Text: "the identity provider answers " + strings.TrimPrefix(attr(second, "Value"), statusPrefix)}
	}
	return &Error{Reason: Refused, Text: "the identity provider answers that it signs nobody in"}
}

// inside is the assertion of a response, which is signed itself or part of what
// is. given is the response as it came, in which the signature of an assertion is
// checked, and believed the one to take the assertion from.
func (x *exchange) inside(ctx context.Context, given, believed *etree.Element, signed bool) (*assertion, error) {
	if encrypted := one(believed, assertionNS, "EncryptedAssertion"); encrypted != nil {
		keys, err := x.decrypters(ctx)
		if err != nil {
			return nil, err
		}
		a, err := decrypt(encrypted, keys, signed)
		if err != nil {
			return nil, err
		}
		return x.plain(a, a, signed)
	}
	a := one(believed, assertionNS, "Assertion")
	if a == nil {
		return nil, wrong("the response has no assertion")
	}
	return x.plain(one(given, assertionNS, "Assertion"), a, signed)
}

func (x *exchange) decrypters(ctx context.Context) ([]*rsa.PrivateKey, error) {
	return x.peer.party.keys.decrypters(ctx)
}

// plain checks an assertion, and its signature where it has one or the response
// has none.
func (x *exchange) plain(given, believed *etree.Element, signed bool) (*assertion, error) {
	if !is(believed, assertionNS, "Assertion") || len(all(given, assertionNS, "Assertion")) != 1 || len(all(given, signatureNS, "Signature")) != len(children(given, signatureNS, "Signature")) {
		return nil, wrong("what is encrypted is no assertion, or a signature is not where it belongs")
	}
	if !signed || len(children(given, signatureNS, "Signature")) > 0 {
		var err error
		if believed, err = x.verify(given); err != nil {
			return nil, err
		}
	}
	return x.assertion(believed)
}

package saml

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"net/url"
	"strings"
	"time"

	dsig "github.com/russellhaering/goxmldsig"
)

// Life is how long somebody may take at the identity provider.
const Life = 15 * time.Minute

// skew is by how much the clocks of both may differ.
const skew = time.Minute

// A state is what comes back as RelayState: 12 random bytes, the time, and a code
// that says that it is of this server and for one identity provider. The ID of
// the request follows from it, so that nothing has to be stored for what may never
// come back.
const (
	stateRandom = 12
	stateTime   = 4
	stateCode   = 16
)

func (p *Peer) mac(purpose string, of []byte) []byte {
	h := hmac.New(sha256.New, p.party.cfg.Box.Key("saml "+purpose))
	h.Write([]byte(p.ID + "\x00" + p.EntityID + "\x00"))
	h.Write(of)
	return h.Sum(nil)
}

func (p *Peer) newState(now time.Time) string {
	b := make([]byte, stateRandom, stateRandom+stateTime+stateCode)
	_, _ = rand.Read(b)
	b = binary.BigEndian.AppendUint32(b, uint32(now.Unix()))
	b = append(b, p.mac("state", b)[:stateCode]...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// started is when a state was made; it fails for one that is not of this server,
// for another identity provider, or over.
func (p *Peer) started(state string, now time.Time) (time.Time, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(state)
	if err != nil || len(b) != stateRandom+stateTime+stateCode || strings.ContainsAny(state, "\r\n") {
		return time.Time{}, wrong("the RelayState is not of this server")
	}
	of, code := b[:stateRandom+stateTime], b[stateRandom+stateTime:]
	if !hmac.Equal(code, p.mac("state", of)[:stateCode]) {
		return time.Time{}, wrong("the RelayState is not of this server or for another provider")
	}
	at := time.Unix(int64(binary.BigEndian.Uint32(of[stateRandom:])), 0)
	if at.After(now) || !now.Before(at.Add(Life)) {
		return time.Time{}, wrong("the RelayState is over")
	}
	return at, nil
}

// requestID is the ID of the request with a state.
func (p *Peer) requestID(state string) string {
	return "_" + hex.EncodeToString(p.mac("request", []byte(state))[:20])
}

type authnRequest struct {
	XMLName     xml.Name     `xml:"urn:oasis:names:tc:SAML:2.0:protocol AuthnRequest"`
	ID          string       `xml:"ID,attr"`
	Version     string       `xml:"Version,attr"`
	Instant     string       `xml:"IssueInstant,attr"`
	Destination string       `xml:"Destination,attr"`
	Force       bool         `xml:"ForceAuthn,attr,omitempty"`
	Binding     string       `xml:"ProtocolBinding,attr"`
	Consumer    string       `xml:"AssertionConsumerServiceURL,attr"`
	Issuer      string       `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	Policy      nameIDPolicy `xml:"NameIDPolicy"`
}

type nameIDPolicy struct {
	AllowCreate bool `xml:"AllowCreate,attr"`
}

// Begin asks the identity provider to sign somebody in, again where force is set
// and they are signed in there already: it returns the state, for the browser to
// keep, and where the browser goes.
func (p *Peer) Begin(ctx context.Context, force bool) (state, to string, err error) {
	now := p.party.cfg.Now()
	t, err := p.trust(ctx, now, false)
	if err != nil {
		return "", "", err
	}
	state = p.newState(now)
	request, err := xml.Marshal(authnRequest{
		ID: p.requestID(state), Version: "2.0", Instant: now.UTC().Format("2006-01-02T15:04:05Z"), Destination: t.destination, Force: force,
		Binding: postBinding, Consumer: p.acs(), Issuer: p.entityID(), Policy: nameIDPolicy{true},
	})
	if err != nil {
		return "", "", err
	}
	var signer *rsa.PrivateKey
	if t.signed || p.SignRequests {
		if signer, err = p.party.keys.signer(ctx); err != nil {
			return "", "", err
		}
	}
	to, err = redirect(t.destination, request, state, signer)
	return state, to, err
}

// redirect puts a message into an address (SAML bindings section 3.4.4.1).
func redirect(destination string, message []byte, state string, signer *rsa.PrivateKey) (string, error) {
	var deflated bytes.Buffer
	w, err := flate.NewWriter(&deflated, flate.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err = w.Write(message); err == nil {
		err = w.Close()
	}
	if err != nil {
		return "", err
	}
	query := "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(deflated.Bytes())) + "&RelayState=" + url.QueryEscape(state)
	if signer != nil {
		query += "&SigAlg=" + url.QueryEscape(dsig.RSASHA256SignatureMethod)
		sum := sha256.Sum256([]byte(query))
		signature, err := rsa.SignPKCS1v15(nil, signer, crypto.SHA256, sum[:])
		if err != nil {
			return "", err
		}
		query += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))
	}
	if strings.Contains(destination, "?") {
		return destination + "&" + query, nil
	}
	return destination + "?" + query, nil
}

// Describe is the service provider's metadata for this identity provider.
func (p *Peer) Describe(ctx context.Context) ([]byte, error) {
	keys, err := p.party.keys.all(ctx)
	if err != nil {
		return nil, err
	}
	signed := p.SignRequests
	if t, err := p.trust(ctx, p.party.cfg.Now(), false); err == nil {
		signed = signed || t.signed
	}
	return p.describe(keys, signed)
}

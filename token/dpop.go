package token

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/kv"
)

// ProofsConfig for NewProofs.
type ProofsConfig struct {
	DB  kv.DB
	Box *crypt.Box
	// BaseURL is the server's, "https://fhir.example.org": what proofs must
	// name is its scheme and host and the path of the request.
	BaseURL string
	// RequireNonce asks for a nonce of this server in every proof.
	RequireNonce bool
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// Proofs checks DPoP proofs. https://www.rfc-editor.org/rfc/rfc9449
type Proofs struct {
	cfg  ProofsConfig
	base *url.URL
	// nonceKey is the key of the MAC in nonces.
	nonceKey []byte
}

const (
	// proofAge is how old a proof may be.
	proofAge = 2 * time.Minute
	// nonceAge is how long a nonce is good for, at least; at most twice that.
	nonceAge = 5 * time.Minute
)

var proofTable = kv.NewTable[usedID]("token.proofs")

// NewProofs makes the checker of a server.
func NewProofs(cfg ProofsConfig) (*Proofs, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" {
		return nil, errorf(ServerError, "the base URL %q is not absolute", cfg.BaseURL)
	}
	return &Proofs{cfg: cfg, base: base, nonceKey: cfg.Box.Key("dpop nonce")}, nil
}

// CheckProof checks the DPoP header of a request and returns the thumbprint of
// the key it was made with, "" and no error where there is no such header.
// accessToken is the token that the request presents, which the proof must
// name; "" at the token endpoint. The caller compares the thumbprint with
// Claims.Thumbprint.
//
// A refused proof is an *Error with the code InvalidProof, or UseNonce: then
// the answer carries Nonce in its DPoP-Nonce header.
func (p *Proofs) CheckProof(r *http.Request, accessToken string) (thumbprint string, err error) {
	headers := r.Header.Values("DPoP")
	switch len(headers) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", errorf(InvalidProof, "the request has %d DPoP headers; it must have one", len(headers))
	}
	proof, err := readProof(headers[0])
	if err != nil {
		return "", err
	}
	if err := p.checkRequest(r, proof, accessToken); err != nil {
		return "", err
	}
	return proof.thumbprint, p.use(r.Context(), proof)
}

// A proof is a DPoP proof whose signature is right.
type proof struct {
	thumbprint string
	claims     *claimReader
	id         string
	issued     time.Time
}

// readProof checks a proof by the key that it brings. RFC 9449 section 4.3.
func readProof(raw string) (*proof, error) {
	t, err := parseJWT(raw, asymmetric, "dpop+jwt")
	if err != nil {
		return nil, asInvalidProof(err)
	}
	key := t.Headers[0].JSONWebKey
	if key == nil || !key.IsPublic() {
		return nil, errorf(InvalidProof, "the header of the proof must have the public key as jwk")
	}
	decoded, err := verifyJWT(t, key)
	if err != nil {
		return nil, asInvalidProof(err)
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, errorf(InvalidProof, "the key of the proof has no thumbprint").because(err)
	}
	claims := &claimReader{claims: decoded}
	p := &proof{thumbprint: base64.RawURLEncoding.EncodeToString(sum), claims: claims, id: claims.text("jti"), issued: claims.time("iat")}
	if claims.err != nil {
		return nil, asInvalidProof(claims.err)
	}
	if p.id == "" || len(p.id) > maxID || p.issued.IsZero() {
		return nil, errorf(InvalidProof, "the proof needs the claims jti (of at most %d bytes) and iat", maxID)
	}
	return p, nil
}

func asInvalidProof(err error) error {
	e := *err.(*Error)
	e.Code, e.Description = InvalidProof, "DPoP proof: "+e.Description
	return &e
}

// checkRequest checks that a proof is about this request, and recent.
func (p *Proofs) checkRequest(r *http.Request, proof *proof, accessToken string) error {
	now := p.cfg.Now()
	method, uri, nonce, hash := proof.claims.text("htm"), proof.claims.text("htu"), proof.claims.text("nonce"), proof.claims.text("ath")
	switch {
	case proof.claims.err != nil:
		return asInvalidProof(proof.claims.err)
	case method != r.Method:
		return errorf(InvalidProof, "the proof is for the method %.20q, not %s", method, r.Method)
	case !p.isFor(uri, r):
		return errorf(InvalidProof, "the proof is for another URL: htu must be %s", p.address(r))
	case now.Sub(proof.issued) > proofAge+Leeway || proof.issued.Sub(now) > Leeway:
		return errorf(InvalidProof, "the proof was not made within the last %v", proofAge)
	case accessToken != "" && !equalHash(hash, accessToken):
		return errorf(InvalidProof, "the proof is for another access token: ath must be its SHA-256")
	case nonce == "" && p.cfg.RequireNonce:
		return errorf(UseNonce, "the proof needs the nonce of the DPoP-Nonce header")
	case nonce != "" && !p.isNonce(nonce, now):
		return errorf(UseNonce, "the nonce of the proof is not of this server, or too old")
	}
	return nil
}

func equalHash(hash, accessToken string) bool {
	sum := sha256.Sum256([]byte(accessToken))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(hash), []byte(want)) == 1
}

// address is the URL of a request, without query, as clients see it.
func (p *Proofs) address(r *http.Request) string {
	u := url.URL{Scheme: p.base.Scheme, Host: p.base.Host, Path: r.URL.Path, RawPath: r.URL.RawPath}
	return u.String()
}

// isFor compares URLs as RFC 3986 section 6.2.2 and 6.2.3 does, without query
// and fragment.
func (p *Proofs) isFor(uri string, r *http.Request) bool {
	u, err := url.Parse(uri)
	return err == nil && u.User == nil && strings.EqualFold(u.Scheme, p.base.Scheme) &&
		hostPort(u) == hostPort(p.base) && orSlash(u.Path) == orSlash(r.URL.Path)
}

func orSlash(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

// use records a proof: each counts once.
func (p *Proofs) use(ctx context.Context, proof *proof) error {
	fresh, err := useOnce(ctx, p.cfg.DB, proofTable, proof.thumbprint, proof.id, proof.issued.Add(proofAge+3*Leeway))
	switch {
	case err != nil:
		return errorf(ServerError, "the proof could not be recorded").because(err)
	case !fresh:
		return errorf(InvalidProof, "the proof was used before: its jti is known")
	}
	return nil
}

// Nonce is what the next proofs may hold, for the DPoP-Nonce header of answers.
// It is good for some minutes, in every process with the same master key.
// RFC 9449 section 8.
func (p *Proofs) Nonce() string { return p.nonceOf(slot(p.cfg.Now())) }

func slot(at time.Time) int64 { return at.Unix() / int64(nonceAge/time.Second) }

func (p *Proofs) nonceOf(slot int64) string {
	mac := hmac.New(sha256.New, p.nonceKey)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(slot)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// isNonce accepts the nonces of this slot of time and of the two beside it.
func (p *Proofs) isNonce(nonce string, now time.Time) bool {
	ok := 0
	for d := int64(-1); d <= 1; d++ {
		ok |= subtle.ConstantTimeCompare([]byte(nonce), []byte(p.nonceOf(slot(now)+d)))
	}
	return ok == 1
}

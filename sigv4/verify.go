package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Limits that a Config does not set.
const (
	// DefaultSkew is how far a signer's clock may be off.
	DefaultSkew = 5 * time.Minute
	// DefaultMaxExpires is the longest life of a presigned URL.
	DefaultMaxExpires = 15 * time.Minute
	// DefaultMaxBody is the greatest body that is checked, in bytes.
	DefaultMaxBody = 50 << 20
)

// Config for NewVerifier. Keys and Service are required.
type Config struct {
	// Keys knows the access keys.
	Keys *Keys
	// Service is the signing name that credentials must be scoped to, such as
	// "healthlake"; Region the region, "" for any.
	Service, Region string
	// Host is the host that a client sent a request to; nil for the header
	// Host. A server behind a proxy that changes it knows better.
	Host func(*http.Request) string
	// Changes reports whether a request changes anything: such a one is taken
	// once. nil takes all methods but GET, HEAD and OPTIONS once.
	Changes func(*http.Request) bool
	// Skew, MaxExpires and MaxBody are limits; 0 for the defaults.
	Skew, MaxExpires time.Duration
	MaxBody          int64
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// A Verifier checks the signatures of requests. It is safe for concurrent use.
// Which signatures were used it knows of its own process: a server that starts
// again does not know those of the minutes before.
type Verifier struct {
	cfg  Config
	seen seen
}

// NewVerifier makes a Verifier.
func NewVerifier(cfg Config) (*Verifier, error) {
	if cfg.Keys == nil || cfg.Service == "" {
		return nil, errors.New("sigv4: access keys and the name of a service are needed")
	}
	if cfg.Host == nil {
		cfg.Host = func(r *http.Request) string { return r.Host }
	}
	if cfg.Changes == nil {
		cfg.Changes = func(r *http.Request) bool {
			return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
		}
	}
	if cfg.Skew == 0 {
		cfg.Skew = DefaultSkew
	}
	if cfg.MaxExpires == 0 {
		cfg.MaxExpires = DefaultMaxExpires
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Verifier{cfg: cfg}, nil
}

// Verify returns the access key that a request was signed with. Its body has
// then been read, found to be what was signed, and is there to be read again;
// the parameters of a presigned URL's signature are taken out of its query. The
// error is an *Error where the request is refused.
func (v *Verifier) Verify(r *http.Request) (Key, error) {
	p, err := present(r)
	if err == nil {
		err = errors.Join(v.checkScope(p), v.checkTime(p), checkHeaders(r, p))
	}
	if err != nil {
		return Key{}, first(err)
	}
	key, secret, err := v.cfg.Keys.secret(r.Context(), p.keyID)
	if err != nil {
		return Key{}, err
	}
	payload, err := v.readBody(r)
	if err != nil {
		return Key{}, err
	}
	if !v.fits(r, p, secret, payload) {
		return Key{}, refused(CodeInvalid, "The signature does not match the request: check the secret access key, and that nothing was changed after signing. The canonical request has the path encoded twice and these headers: %s.", strings.Join(p.signedHeaders, ";"))
	}
	if v.cfg.Changes(r) && v.seen.before(p.signature, v.lastMoment(p), v.cfg.Now()) {
		return Key{}, refused(CodeInvalid, "This signed request was received before; sign it again to repeat it.")
	}
	if p.inQuery {
		stripQuery(r)
	}
	// When a key was last used is for people; a request does not fail by it.
	_ = v.cfg.Keys.touch(context.WithoutCancel(r.Context()), key.ID)
	return key, nil
}

// first is the first of joined errors.
func first(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return err
}

func (v *Verifier) checkScope(p *presented) error {
	switch {
	case p.service != v.cfg.Service:
		return refused(CodeInvalid, "The credential is scoped to the service %.64q; it must be scoped to %q.", p.service, v.cfg.Service)
	case v.cfg.Region != "" && p.region != v.cfg.Region:
		return refused(CodeInvalid, "The credential is scoped to the region %.64q; it must be scoped to %q.", p.region, v.cfg.Region)
	case p.date != p.at.UTC().Format(dateFormat):
		return refused(CodeInvalid, "The date of the credential's scope, %.64q, is not that of X-Amz-Date, %s.", p.date, p.at.UTC().Format(dateFormat))
	}
	return nil
}

func (v *Verifier) checkTime(p *presented) error {
	now := v.cfg.Now()
	switch {
	case p.inQuery && p.expires > v.cfg.MaxExpires:
		return refused(CodeInvalid, "X-Amz-Expires is %d; it may be at most %d seconds.", int(p.expires.Seconds()), int(v.cfg.MaxExpires.Seconds()))
	case p.at.After(now.Add(v.cfg.Skew)):
		return refused(CodeInvalid, "Signature not yet current: it was made at %s, and it is %s here.", p.stamp, now.UTC().Format(timeFormat))
	case v.lastMoment(p).Before(now):
		return refused(CodeInvalid, "Signature expired: it was made at %s and was good until %s, and it is %s here.", p.stamp, v.lastMoment(p).UTC().Format(timeFormat), now.UTC().Format(timeFormat))
	}
	return nil
}

// lastMoment is until when a signature is taken.
func (v *Verifier) lastMoment(p *presented) time.Time {
	if p.inQuery {
		return p.at.Add(p.expires)
	}
	return p.at.Add(v.cfg.Skew)
}

// checkHeaders sees to it that what means something is signed: the host, the
// time, and every header x-amz-….
func checkHeaders(r *http.Request, p *presented) error {
	signed := func(name string) bool { return slices.Contains(p.signedHeaders, name) }
	if !signed("host") {
		return refused(CodeInvalid, "The header host must be among the signed headers.")
	}
	if !p.inQuery && !signed("x-amz-date") && !signed("date") {
		return refused(CodeInvalid, "The header x-amz-date must be among the signed headers.")
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !signed(lower) {
			return refused(CodeInvalid, "The header %.64s must be among the signed headers: every header that begins with x-amz- must.", lower)
		}
	}
	for _, name := range p.signedHeaders {
		if name != "host" && name != "content-length" && len(r.Header.Values(name)) == 0 {
			return refused(CodeInvalid, "The header %.64s was signed, and is not in the request.", name)
		}
	}
	for segment := range strings.SplitSeq(r.URL.Path, "/") {
		if segment == "." || segment == ".." {
			return refused(CodeInvalid, "The path of a signed request must have no segments . and ..")
		}
	}
	if r.Header.Get("X-Amz-Security-Token") != "" || r.URL.Query().Has("X-Amz-Security-Token") {
		return refused(CodeUnknownKey, "The security token is not known: the access keys of this server have none.")
	}
	return nil
}

// readBody returns the hash of the body as hex, and puts the body back.
func (v *Verifier) readBody(r *http.Request) (string, error) {
	var body []byte
	if r.Body != nil {
		if r.ContentLength > v.cfg.MaxBody {
			return "", refused(CodeTooLarge, "The body has %d bytes; at most %d are taken.", r.ContentLength, v.cfg.MaxBody)
		}
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, v.cfg.MaxBody+1)); err != nil {
			return "", refused(CodeIncomplete, "The body could not be read to its end.")
		}
		if int64(len(body)) > v.cfg.MaxBody {
			return "", refused(CodeTooLarge, "The body has more than %d bytes.", v.cfg.MaxBody)
		}
		r.Body = readAgain{bytes.NewReader(body), r.Body}
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	stated := r.Header.Values("X-Amz-Content-Sha256")
	if len(stated) == 0 {
		stated = r.URL.Query()["X-Amz-Content-Sha256"]
	}
	if len(stated) > 1 || len(stated) == 1 && subtle.ConstantTimeCompare([]byte(stated[0]), []byte(hash)) != 1 {
		return "", refused(CodeInvalid, "X-Amz-Content-Sha256 must be the SHA-256 of the body in hex; bodies that are not signed, or signed in chunks, are not taken.")
	}
	return hash, nil
}

// readAgain is a body that was read, and the one to close.
type readAgain struct {
	io.Reader
	io.Closer
}

// fits compares with each signature that the request may have.
func (v *Verifier) fits(r *http.Request, p *presented, secret, payload string) bool {
	key := signingKey(secret, p)
	for _, request := range canonical(r, p, v.cfg.Host(r), payload) {
		if subtle.ConstantTimeCompare(signature(key, p, request), p.signature) == 1 {
			return true
		}
	}
	return false
}

// stripQuery leaves a request's own parameters.
func stripQuery(r *http.Request) {
	var kept []string
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		switch unescape(name) {
		case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Content-Sha256":
		default:
			kept = append(kept, part)
		}
	}
	r.URL.RawQuery = strings.Join(kept, "&")
}

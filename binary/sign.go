package binary

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// A Grant is what a signed URL allows to whoever has it: one thing, for a while.
type Grant struct {
	// Method is GET, to read the content of a version of a Binary, or PUT, to
	// give it one, which makes the next version.
	Method  string
	ID      string
	Version uint64
	// Expires is in whole seconds.
	Expires time.Time
	// ContentType is the media type that is read, or that must be sent.
	ContentType string
	// Expected is what must be sent.
	Expected Expected
	// From is the id of the request that the URL was made for, for the audit.
	From string
}

// Life is how long signed URLs are good.
func (c *Contents) Life() time.Duration { return c.opt.Life }

// Sign returns the query of a URL that has a grant for Options.Life. What it is
// about, Path says.
func (c *Contents) Sign(g Grant) string {
	g.Expires = time.Unix(c.opt.Now().Add(c.opt.Life).Unix(), 0)
	q := url.Values{"expires": {strconv.FormatInt(g.Expires.Unix(), 10)}, "type": {g.ContentType}, "from": {g.From}}
	if g.Expected.Size >= 0 {
		q.Set("length", strconv.FormatInt(g.Expected.Size, 10))
	}
	if g.Expected.SHA256 != nil {
		q.Set("sha256", base64.RawURLEncoding.EncodeToString(g.Expected.SHA256))
	}
	q.Set("signature", base64.RawURLEncoding.EncodeToString(c.sign(&g)))
	return q.Encode()
}

// sign is the signature of a grant: HMAC-SHA256 with a key of the data store.
func (c *Contents) sign(g *Grant) []byte {
	m := hmac.New(sha256.New, c.urlKey)
	// Every part is quoted, so that none runs into the next.
	fmt.Fprintf(m, "tarn-url-1 %q %q %d %d %q %d %x %q", g.Method, g.ID, g.Version, g.Expires.Unix(), g.ContentType, g.Expected.Size, g.Expected.SHA256, g.From)
	return m.Sum(nil)
}

// Check reads a signed URL for a method, a Binary and a version. It is
// KindForbidden where anything of it was changed, KindGone once it has expired.
func (c *Contents) Check(method, id, version string, q url.Values) (Grant, error) {
	altered := fhir.Errorf(fhir.KindForbidden, "the URL is not one that this server has signed for %s; it was changed, or is for another method or data store. Ask for a new one", method)
	number, err := strconv.ParseUint(version, 10, 64)
	if err != nil || c == nil {
		return Grant{}, altered
	}
	g := Grant{Method: method, ID: id, Version: number, ContentType: q.Get("type"), From: q.Get("from"), Expected: Expected{Size: -1}}
	seconds, err := strconv.ParseInt(q.Get("expires"), 10, 64)
	if err != nil {
		return g, altered
	}
	g.Expires = time.Unix(seconds, 0)
	if q.Has("length") {
		if g.Expected.Size, err = strconv.ParseInt(q.Get("length"), 10, 64); err != nil || g.Expected.Size < 0 {
			return g, altered
		}
	}
	if q.Has("sha256") {
		if g.Expected.SHA256, err = base64.RawURLEncoding.DecodeString(q.Get("sha256")); err != nil || len(g.Expected.SHA256) != sha256.Size {
			return g, altered
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(q.Get("signature"))
	if err != nil || !hmac.Equal(signature, c.sign(&g)) {
		return g, altered
	}
	if !c.opt.Now().Before(g.Expires) {
		return g, fhir.Errorf(fhir.KindGone, "the URL was good until %s; ask for a new one", g.Expires.UTC().Format(time.RFC3339))
	}
	return g, nil
}

// Spend keeps a grant of an upload from being used twice at a time; that it is
// not used again later, the version sees to. done ends the use.
func (c *Contents) Spend(g Grant) (done func(), err error) {
	key := g.ID + " " + strconv.FormatUint(g.Version, 10)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spent[key] {
		return nil, fhir.Errorf(fhir.KindConflict, "the content of Binary/%s is being uploaded by this URL already", g.ID)
	}
	c.spent[key] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.spent, key)
	}, nil
}

// Path is the path of a signed URL below the data store's base URL.
func (g *Grant) Path() string {
	return Segment + "/" + g.ID + "/" + strconv.FormatUint(g.Version, 10)
}

// Segment is the first segment of signed URLs below the data store's base URL.
const Segment = "content"

// Direct is a URL by which the service that keeps the content itself gives it,
// for Options.Life; "" where there is none: the content is in a folder, sealed,
// or not kept as it was sent.
func (r *Content) Direct() string {
	c := r.contents
	if r.Form != Octets {
		return ""
	}
	known, err := c.recordOf(r.ctx, c.records.contentKey(r.of, &r.StandIn))
	if err != nil {
		return ""
	}
	direct, err := c.opt.Bucket.Presign(r.ctx, http.MethodGet, c.opt.Prefix+known.Blob, c.opt.Life)
	if err != nil {
		return "" // signed by the data store, it is as good
	}
	return direct
}

// Narrow adds what an upload is granted for to what is known of it.
func (g *Grant) Narrow(e *Expected) error {
	if g.Method == "" {
		return nil
	}
	switch of := &g.Expected; {
	case of.Size >= 0 && e.Size >= 0 && of.Size != e.Size:
		return fhir.Errorf(fhir.KindInvalid, "the URL is for content of %d bytes, and this has %d", of.Size, e.Size)
	case of.SHA256 != nil && e.SHA256 != nil && !hmac.Equal(of.SHA256, e.SHA256):
		return fhir.Errorf(fhir.KindUnprocessable, "the URL is for content with another SHA-256 than the request says")
	}
	if g.Expected.Size >= 0 {
		e.Size = g.Expected.Size
	}
	if g.Expected.SHA256 != nil {
		e.SHA256 = g.Expected.SHA256
	}
	return nil
}

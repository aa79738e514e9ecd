package event

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// webhookTimeout is how long a receiver may take to answer.
const webhookTimeout = 15 * time.Second

// A Webhook posts events to a URL, signed as Standard Webhooks has it: the
// header webhook-signature holds "v1," and the HMAC-SHA256 of the webhook-id,
// the webhook-timestamp and the body, with dots between them, in base64; for
// each secret one.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type Webhook struct {
	// URL is where events are posted. Redirects are not followed.
	URL string
	// Secrets returns the keys of signatures. It is called for each delivery, so
	// that they can be exchanged.
	Secrets func() ([][]byte, error)
	// Client is nil for one that waits 15 s.
	Client *http.Client
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// defaultClient does not follow redirects, which would send events elsewhere.
var defaultClient = &http.Client{
	Timeout:       webhookTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Deliver implements Sink. Any 2xx is good; 400, 409, 413 and 422 refuse the
// event; all else means that the receiver is away, for as long as its
// Retry-After says.
func (w *Webhook) Deliver(ctx context.Context, id string, body []byte) error {
	secrets, err := w.Secrets()
	if err != nil {
		return &Away{Why: err.Error()}
	}
	now, client := time.Now, defaultClient
	if w.Now != nil {
		now = w.Now
	}
	if w.Client != nil {
		client = w.Client
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return &Away{Why: err.Error()}
	}
	stamp := strconv.FormatInt(now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Tarn")
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", stamp)
	r.Header.Set("webhook-signature", Signature(secrets, id, stamp, body))
	response, err := client.Do(r)
	if err != nil {
		return &Away{Why: err.Error()}
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection serves again
	switch code := response.StatusCode; {
	case code/100 == 2:
		return nil
	case code == http.StatusBadRequest, code == http.StatusConflict, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		return &Refusal{Why: "the receiver answers " + response.Status}
	}
	return &Away{Why: "the receiver answers " + response.Status, For: retryAfter(response.Header.Get("Retry-After"), now())}
}

// retryAfter reads a Retry-After: seconds, or a time.
// https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return t.Sub(now)
	}
	return 0
}

// Signature is the webhook-signature of a body that is sent with an id and a
// time, in seconds since 1970: one for each secret, with spaces between them.
func Signature(secrets [][]byte, id, timestamp string, body []byte) string {
	all := make([]string, len(secrets))
	for i, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		all[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(all, " ")
}

// Bounds of a secret, in bytes.
const (
	minSecret = 24
	maxSecret = 64
)

// ParseSecrets reads secrets as text, one in a line: whsec_ and 24 to 64 bytes
// in base64. Two of them let receivers move from one to the other.
func ParseSecrets(text string) ([][]byte, error) {
	var all [][]byte
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		encoded, ok := strings.CutPrefix(line, "whsec_")
		secret, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(secret) < minSecret || len(secret) > maxSecret {
			return nil, fmt.Errorf("event: line %d is no secret: write whsec_ and %d to %d random bytes in base64", len(all)+1, minSecret, maxSecret)
		}
		all = append(all, secret)
	}
	if len(all) == 0 {
		return nil, errors.New("event: there is no secret; write whsec_ and random bytes in base64")
	}
	return all, nil
}

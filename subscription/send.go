package subscription

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/subscription/outbound"
)

// A failure is an attempt that failed.
type failure struct {
	why string
	// after is how long the endpoint asks to be left alone.
	after time.Duration
}

// A notification is an event about to be sent.
type notification struct {
	number  uint64
	version *store.Version
	caller  authz.Caller
}

// send makes one attempt to send a notification.
// http://hl7.org/fhir/R4/subscription.html#2.46.7.1
func (l *line) send(ctx context.Context, ds *datastore.Store, n *notification) *failure {
	v := n.version
	resource := v.Body.Append(nil, versionID(v.Number), v.LastUpdated)
	l.unrecorded = &Delivery{
		Time: l.feed.Now().UTC(), Store: l.feed.store, Subscription: l.id, Caller: n.caller, Endpoint: withoutQuery(l.spec.Endpoint),
		Version: v.Type + "/" + v.ID + "/_history/" + versionID(v.Number), Resource: resource, Sent: l.spec.MIME != "",
	}
	r, err := l.request(ctx, ds, v, resource)
	if err != nil {
		return &failure{why: "the notification cannot be made"}
	}
	r.Header.Set("User-Agent", "Tarn")
	r.Header.Set("X-Request-Id", l.id+"-"+strconv.FormatUint(n.number, 10))
	response, err := l.feed.client.Do(r)
	if err != nil {
		return &failure{why: outbound.Why(err)}
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection serves again
	l.unrecorded.Status = response.StatusCode
	if response.StatusCode/100 == 2 {
		return nil
	}
	return &failure{
		why:   fmt.Sprintf("it answers %d %s", response.StatusCode, http.StatusText(response.StatusCode)),
		after: retryAfter(response.Header.Get("Retry-After"), l.feed.Now()),
	}
}

// request is an empty POST to the endpoint, or the update of the resource below
// it.
func (l *line) request(ctx context.Context, ds *datastore.Store, v *store.Version, resource []byte) (*http.Request, error) {
	u, err := url.Parse(l.spec.Endpoint)
	if err != nil {
		return nil, err
	}
	method, body := http.MethodPost, []byte(nil)
	if l.spec.MIME != "" {
		method, body, u = http.MethodPut, resource, u.JoinPath(v.Type, v.ID)
		if payloadType(l.spec.MIME) == mimeXML {
			if body, err = fhir.XMLFromJSON(ds.Definitions().Schema, resource); err != nil {
				return nil, err
			}
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, h := range l.headers {
		name, value, _ := cutHeader(h)
		r.Header.Add(name, value)
	}
	if l.spec.MIME != "" {
		r.Header.Set("Content-Type", l.spec.MIME)
	}
	return r, nil
}

func withoutQuery(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	u.RawQuery = ""
	return u.String()
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

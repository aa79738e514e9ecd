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
	// number is that of the event, since how many there are in all.
	number, since uint64
	event         event
	// version is what it is about; nil where the author may not see it any more.
	version *store.Version
	caller  authz.Caller
}

// send makes one attempt to send a notification.
// http://hl7.org/fhir/R4/subscription.html#2.46.7.1
func (l *line) send(ctx context.Context, ds *datastore.Store, n *notification) *failure {
	var resource []byte
	if v := n.version; v != nil {
		resource = v.Body.Append(nil, versionID(v.Number), v.LastUpdated)
		l.unrecorded = &Delivery{
			Time: l.feed.Now().UTC(), Store: l.feed.store, Subscription: l.id, Caller: n.caller, Endpoint: withoutQuery(l.spec.Endpoint),
			Version: n.event.Type + "/" + n.event.ID + "/_history/" + versionID(n.event.Number), Resource: resource,
		}
	}
	requestID := l.id + "-" + strconv.FormatUint(n.number, 10)
	if l.spec.topical() {
		s := l.status(ds, statusActive, typeEvent, n.since)
		s.event = &told{number: n.number, event: n.event, shown: n.version != nil, resource: resource}
		if l.unrecorded != nil {
			l.unrecorded.Sent = s.content == contentFull && n.event.Op != "delete"
		}
		return l.post(ctx, ds, s, requestID)
	}
	l.unrecorded.Sent = l.spec.MIME != ""
	if l.spec.MIME == "" {
		return l.request(ctx, http.MethodPost, l.spec.Endpoint, nil, requestID)
	}
	to, err := url.JoinPath(l.spec.Endpoint, n.event.Type, n.event.ID)
	if err != nil {
		return &failure{why: "its URL is not good"}
	}
	return l.payload(ctx, ds, http.MethodPut, to, resource, requestID)
}

// tell makes one attempt to send a notification of a topic that is about no event.
func (l *line) tell(ctx context.Context, ds *datastore.Store, status, kind string, since uint64) *failure {
	return l.post(ctx, ds, l.status(ds, status, kind, since), newID())
}

func (l *line) status(ds *datastore.Store, now, kind string, since uint64) *status {
	return &status{base: ds.Base(), id: l.id, topic: l.spec.Criteria, status: now, kind: kind, since: since, content: l.spec.Content}
}

func (l *line) post(ctx context.Context, ds *datastore.Store, s *status, requestID string) *failure {
	body, err := s.bundle(l.feed.Now())
	if err != nil {
		return &failure{why: "the notification cannot be made"}
	}
	return l.payload(ctx, ds, http.MethodPost, l.spec.Endpoint, body, requestID)
}

// payload sends a resource in the format that was asked for.
func (l *line) payload(ctx context.Context, ds *datastore.Store, method, to string, body []byte, requestID string) *failure {
	if payloadType(l.spec.MIME) == mimeXML {
		var err error
		if body, err = fhir.XMLFromJSON(ds.Definitions().Schema, body); err != nil {
			return &failure{why: "the notification cannot be written in XML"}
		}
	}
	return l.request(ctx, method, to, body, requestID)
}

// request makes a request with the headers of the channel.
func (l *line) request(ctx context.Context, method, to string, body []byte, requestID string) *failure {
	if l.spec.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.spec.Timeout)
		defer cancel()
	}
	r, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return &failure{why: "its URL is not good"}
	}
	for _, h := range l.headers {
		name, value, _ := cutHeader(h)
		r.Header.Add(name, value)
	}
	if l.spec.MIME != "" {
		r.Header.Set("Content-Type", l.spec.MIME)
	}
	r.Header.Set("User-Agent", "Tarn")
	r.Header.Set("X-Request-Id", requestID)
	response, err := l.feed.client.Do(r)
	if err != nil {
		return &failure{why: outbound.Why(err)}
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection serves again
	if l.unrecorded != nil {
		l.unrecorded.Status = response.StatusCode
	}
	if response.StatusCode/100 == 2 {
		return nil
	}
	return &failure{
		why:   fmt.Sprintf("it answers %d %s", response.StatusCode, http.StatusText(response.StatusCode)),
		after: retryAfter(response.Header.Get("Retry-After"), l.feed.Now()),
	}
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

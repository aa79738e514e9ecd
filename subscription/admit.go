package subscription

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/search"
)

// ownKey marks the context of the Service's own writes.
type ownKey struct{}

// wrong is the error of an element of a Subscription: 422.
func wrong(element, code, format string, args ...any) error {
	return &fhir.Error{Kind: fhir.KindUnprocessable, Issues: []fhir.Issue{{
		Severity: fhir.SeverityError, Code: code, Diagnostics: fmt.Sprintf(format, args...), Expression: element,
	}}}
}

// An admission is one call of Admit.
type admission struct {
	datastore.Admission
	service       *Service
	asked, before spec
	// author is that of the version before; known is set where there is one.
	author  author
	known   bool
	owner   string   // that of the version before
	headers []string // with their values
}

// Admit implements datastore.Subscriptions.
func (s *Service) Admit(ctx context.Context, a datastore.Admission) (datastore.Admitted, error) {
	if s.parts.Stores == nil {
		return datastore.Admitted{}, fhir.Errorf(fhir.KindUnavailable, "Subscriptions cannot be written while the server starts; try again")
	}
	x := &admission{Admission: a, service: s, asked: read(a.Resource.Root())}
	if a.Again {
		return x.again(ctx)
	}
	if err := x.readBefore(ctx); err != nil {
		return datastore.Admitted{}, err
	}
	if ctx.Value(ownKey{}) != nil {
		return datastore.Admitted{Keep: x.carry}, nil
	}
	if err := x.readHeaders(ctx); err != nil {
		return datastore.Admitted{}, err
	}
	keep := x.keep
	switch x.asked.Status {
	case statusOff:
	case statusRequested:
		if err := x.check(ctx); err != nil {
			return datastore.Admitted{}, err
		}
	case statusActive, statusError:
		if err := x.checkKept(); err != nil {
			return datastore.Admitted{}, err
		}
		keep = x.carry
	default:
		return datastore.Admitted{}, wrong("Subscription.status", "value", "a client writes a Subscription with status requested, or off")
	}
	body, err := x.body()
	return datastore.Admitted{Body: body, Keep: keep}, err
}

// body is what is stored: without the values of headers, and with the owner that
// it has or, where that is nobody, the one who writes it.
func (x *admission) body() ([]byte, error) {
	root := x.Resource.Root()
	if x.owner == "" {
		x.owner = x.Access.Identity()
	}
	body := masked(root)
	if body == nil {
		body = root.Raw()
	}
	return owned(root, body, x.owner)
}

// readBefore reads the version that is current.
func (x *admission) readBefore(ctx context.Context) error {
	if x.Before.Type == "" {
		return nil
	}
	tree, err := x.Store.Read(x.Before)
	if err != nil {
		return err
	}
	x.before, x.owner = read(tree.Root()), owner(tree.Root())
	a, err := x.service.authorOf(ctx, x.Store.Record().ID, x.ID, x.Before.Number, &x.before)
	if missing(err) {
		return nil
	}
	x.author, x.known = *a, true
	return err
}

// readHeaders finds out the values of the headers.
func (x *admission) readHeaders(ctx context.Context) error {
	size := 0
	for i, h := range x.asked.Headers {
		size += len(h)
		if why := checkHeader(h); why != "" {
			return wrong(headerAt(i), "value", "%s", why)
		}
	}
	if len(x.asked.Headers) > maxHeaders || size > maxHeaderBytes {
		return wrong("Subscription.channel.header", "too-costly", "a channel has at most %d headers, with %d bytes together", maxHeaders, maxHeaderBytes)
	}
	before, err := x.service.headersOf(ctx, &x.author)
	if err != nil {
		return err
	}
	if x.before.Endpoint != x.asked.Endpoint {
		before = nil // who may write a Subscription does not thereby learn its secrets
	}
	var bad int
	if x.headers, bad = unmask(x.asked.Headers, before); bad >= 0 {
		return wrong(headerAt(bad), "value", "%q hides a value that is not known for this endpoint: write the header with its value", x.asked.Headers[bad])
	}
	return nil
}

func headerAt(i int) string { return fmt.Sprintf("Subscription.channel.header[%d]", i) }

// checkKept checks that a Subscription whose status stays as it is asks for what
// it asked before.
func (x *admission) checkKept() error {
	if x.before.Status != x.asked.Status {
		return wrong("Subscription.status", "value", "only the server sets the status %s; write requested, or off", x.asked.Status)
	}
	if !x.before.same(x.asked.masked()) || !allMasked(x.asked.Headers) {
		return wrong("Subscription.status", "business-rule", "criteria and channel change by writing the Subscription with status requested")
	}
	if x.asked.Status == statusActive {
		return x.checkEnd()
	}
	return nil
}

// masked is the spec with the headers as they are stored.
func (s spec) masked() *spec {
	headers := s.Headers
	s.Headers = nil
	for _, h := range headers {
		s.Headers = append(s.Headers, mask(h))
	}
	return &s
}

func allMasked(headers []string) bool {
	for _, h := range headers {
		if !isMasked(h) {
			return false
		}
	}
	return true
}

func (x *admission) checkEnd() error {
	if !x.asked.End.IsZero() && !x.asked.End.After(x.service.Now()) {
		return wrong("Subscription.end", "business-rule", "the end has passed already, at %s", x.asked.End.UTC().Format(time.RFC3339))
	}
	return nil
}

// check checks what is asked for.
func (x *admission) check(ctx context.Context) error {
	for _, check := range []func(context.Context) error{x.checkChannel, x.checkCriteria, x.checkCount} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return x.checkEnd()
}

func (x *admission) checkChannel(context.Context) error {
	s := x.service
	if len(s.Endpoints.Allowed) == 0 {
		return wrong("Subscription.status", "not-supported", "this server sends no notifications: its operator allows no endpoints (the setting subscriptions.endpoints)")
	}
	if x.asked.Channel != "rest-hook" {
		return wrong("Subscription.channel.type", "not-supported", "%q is not offered; this server has channels of type rest-hook", x.asked.Channel)
	}
	if x.asked.Endpoint == "" {
		return wrong("Subscription.channel.endpoint", "required", "a channel of type rest-hook needs an endpoint: the URL that notifications are sent to")
	}
	if err := s.Endpoints.Check(x.asked.Endpoint); err != nil {
		return wrong("Subscription.channel.endpoint", "value", "%s", err)
	}
	if x.asked.topical() {
		return x.checkContent()
	}
	if x.asked.MIME != "" && payloadType(x.asked.MIME) == "" {
		return wrong("Subscription.channel.payload", "not-supported", "%q is not offered; leave the payload out, or write %s or %s", x.asked.MIME, mimeJSON, mimeXML)
	}
	return nil
}

// leastHeartbeat bounds how often heartbeats may be asked for.
const leastHeartbeat = 10 * time.Second

// checkContent checks what notifications of a topic are to be.
func (x *admission) checkContent() error {
	switch {
	case x.asked.Custom != "":
		return wrong("Subscription.channel.type", "not-supported", "channels of type %q are not offered; this server has rest-hook", x.asked.Custom)
	case payloadType(x.asked.MIME) == "":
		return wrong("Subscription.channel.payload", "not-supported", "the payload of a Subscription to a topic is %s or %s", mimeJSON, mimeXML)
	case x.asked.Content != contentEmpty && x.asked.Content != contentID && x.asked.Content != contentFull:
		return wrong("Subscription.channel.payload", "value", "how much notifications hold is said by the extension %spayload-content on the payload: %s, %s or %s", backport, contentEmpty, contentID, contentFull)
	case x.asked.Heartbeat != 0 && x.asked.Heartbeat < leastHeartbeat:
		return wrong("Subscription.channel.extension", "value", "heartbeats come every %s at the most often", leastHeartbeat)
	}
	return nil
}

func (x *admission) checkCriteria(ctx context.Context) error {
	w, err := readWants(ctx, x.Store, x.Access, &x.asked)
	if err != nil {
		return aboutCriteria(err)
	}
	return mayHear(x.Access, w)
}

// aboutCriteria puts an error of a search at the criteria.
func aboutCriteria(err error) error {
	var known *fhir.Error
	if !errors.As(err, &known) || known.Kind == fhir.KindInternal || known.Kind == fhir.KindUnavailable || known.Kind == fhir.KindForbidden {
		return err
	}
	located := &fhir.Error{Kind: fhir.KindUnprocessable, Cause: known.Cause}
	for _, issue := range known.Issues {
		issue.Expression = "Subscription.criteria"
		located.Issues = append(located.Issues, issue)
	}
	return located
}

// checkCount keeps the number of Subscriptions of a data store.
func (x *admission) checkCount(ctx context.Context) error {
	if x.before.Status == statusRequested || x.before.Status == statusActive {
		return nil
	}
	view, err := x.Store.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return err
	}
	defer view.Close()
	q, err := view.Query(ctx, []string{resourceType}, runningQuery, search.Options{})
	if err != nil {
		return err
	}
	n, err := view.Count(ctx, q)
	if err == nil && n >= x.service.MaxPerStore {
		return wrong("Subscription.status", "too-costly", "the data store has %d Subscriptions that are requested or active, and no more are allowed; turn one off", n)
	}
	return err
}

// runningQuery finds the Subscriptions that are to be carried out.
var runningQuery = []search.Pair{{Name: "status", Value: statusRequested + "," + statusActive}}

// keep notes who asks for the version that is about to be stored.
func (x *admission) keep(ctx context.Context) error {
	grant, err := x.service.parts.Keep(x.Access)
	if err != nil {
		return err
	}
	a := author{Grant: grant}
	if len(x.headers) > 0 {
		text, err := json.Marshal(x.headers)
		if err != nil {
			return err
		}
		box, err := x.service.parts.Box(ctx)
		if err != nil {
			return err
		}
		a.Headers = box.Seal(sealPurpose, text)
	}
	return x.put(ctx, a)
}

// carry notes that the version has the author of the one before.
func (x *admission) carry(ctx context.Context) error {
	if !x.known {
		return nil
	}
	return x.put(ctx, x.author)
}

func (x *admission) put(ctx context.Context, a author) error {
	a.Mark, a.Time = x.asked.masked().mark(), x.service.Now().UTC()
	return x.service.parts.Records.Update(ctx, func(tx kv.Tx) error {
		return authors.Put(tx, numbered(x.Store.Record().ID, x.ID, x.Number), a, time.Time{})
	})
}

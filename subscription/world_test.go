package subscription_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bearer"
	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/internal/still"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/subscription"
	"github.com/tarnhealth/tarn/subscription/outbound"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// A world is a server's disk with one data store, a Service, an endpoint, and a
// clock that stands still until it is told to move.
type world struct {
	*testing.T
	*still.Clock
	disk    *crashing.Disk
	options subscription.Options
	service *subscription.Service
	catalog *datastore.Catalog
	ds      *datastore.Store
	box     *crypt.Box
	stop    func()
	closed  bool

	endpoint *httptest.Server
	// received are the requests that the endpoint got; answer says how.
	received chan received
	answer   func(r received) int
	// slept has the pauses of whoever waits, timers when they end.
	slept  chan time.Duration
	timers []timer

	// written is sent to when a Subscription was written.
	written chan struct{}

	mu         sync.Mutex
	deliveries []subscription.Delivery
	// connections counts those to the endpoint; idle tells of the end of one.
	connections int
	idle        *sync.Cond
	// revoked are the subjects that have no access any more, unrecorded is set
	// where deliveries cannot be recorded.
	revoked    map[string]bool
	unrecorded bool
	// asked is how often somebody's access was made again.
	asked int
}

// A timer ends when the clock has passed a time.
type timer struct {
	at   time.Time
	over chan time.Time
}

func (w *world) after(d time.Duration) <-chan time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := timer{w.Now().Add(d), make(chan time.Time, 1)}
	w.timers = append(w.timers, t)
	w.slept <- d
	return t.over
}

// wait lets time pass, and what waits for it go on.
func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Pass(d)
	w.timers = slices.DeleteFunc(w.timers, func(t timer) bool {
		if t.at.After(w.Now()) {
			return false
		}
		t.over <- w.Now()
		return true
	})
}

type received struct {
	Line   string // "PUT /fhir/Patient/1"
	Header http.Header
	Body   string
}

func newWorld(t *testing.T) *world {
	w := &world{
		T: t, Clock: still.At(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)), disk: crashing.New(), stop: func() {},
		received: make(chan received, 1000), answer: func(received) int { return http.StatusOK },
		slept: make(chan time.Duration, 1000), revoked: map[string]bool{}, written: make(chan struct{}, 1),
		box: must(crypt.NewBox([]byte("0123456789abcdef0123456789abcdef"))),
	}
	w.idle = sync.NewCond(&w.mu)
	w.endpoint = httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	w.endpoint.Config.ConnState = w.connection
	w.endpoint.Start()
	t.Cleanup(w.endpoint.Close)
	w.options = subscription.Options{
		Endpoints: outbound.Policy{Allowed: []outbound.Pattern{must(outbound.ParsePattern(w.endpoint.URL))}, Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		Now:       w.Now, Logger: slog.New(slog.DiscardHandler),
		After: w.after,
	}
	t.Cleanup(w.close)
	w.open()
	return w
}

func (w *world) serve(out http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	got := received{r.Method + " " + r.URL.RequestURI(), r.Header, string(body)}
	status := w.answer(got)
	w.received <- got
	out.Header().Set("Location", "/elsewhere")
	out.WriteHeader(status)
}

// connection notes that one to the endpoint begins or ends.
func (w *world) connection(_ net.Conn, now http.ConnState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch now {
	case http.StateNew:
		w.connections++
	case http.StateClosed:
		w.connections--
		w.idle.Broadcast()
	}
}

// settle waits until the endpoint is done with the requests of a Service that was
// stopped: nothing of them is to come later than those of the next one.
func (w *world) settle() {
	w.Helper()
	// What was dialled before is accepted before.
	last, err := net.Dial("tcp", w.endpoint.Listener.Addr().String())
	if err != nil {
		w.Fatal(err)
	}
	if _, err := last.Write([]byte("no request\r\n\r\n")); err != nil {
		w.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, last) // 400, and the end
	last.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.connections > 0 {
		w.idle.Wait()
	}
}

// open opens the disk, and runs the Service.
func (w *world) open() {
	folder := must(pebble.OpenFolder("data", pebble.FolderOptions{FS: w.disk, Now: w.Now}))
	w.service = subscription.New(w.options)
	w.catalog = must(datastore.Open(w.Context(), datastore.Options{Backend: folder, BaseURL: "http://example.org", Now: w.Now, Subscriptions: noticed{w.service, w}}))
	var err error
	if w.ds, err = w.catalog.Store("main"); err != nil {
		w.ds = must(w.catalog.Create(w.Context(), "main", ""))
	}
	w.service.Open(subscription.Parts{
		Stores: w.catalog, Records: folder.Records(), Box: func(context.Context) (subscription.Sealer, error) { return w.box, nil }, Access: w.access, Record: w.record,
		Keep: func(a authz.Access) ([]byte, error) { _, kept, err := bearer.Kept(a); return kept, err },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	service := w.service
	go func() { defer close(ended); service.Run(ctx) }()
	w.stop = sync.OnceFunc(func() { cancel(); <-ended })
}

// noticed is the Service of a world, which sees what it is told.
type noticed struct {
	*subscription.Service
	w *world
}

// Written implements datastore.Subscriptions.
func (n noticed) Written(ds, resourceType, id string) {
	n.Service.Written(ds, resourceType, id)
	if resourceType != "Subscription" {
		return
	}
	select {
	case n.w.written <- struct{}{}:
	default:
	}
}

func (w *world) close() {
	if w.closed {
		return
	}
	w.closed = true
	w.stop()
	if err := w.catalog.Close(); err != nil {
		w.Error(err)
	}
}

func (w *world) record(d subscription.Delivery) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unrecorded {
		return errors.New("the disk is full")
	}
	w.deliveries = append(w.deliveries, d)
	return nil
}

// as is the access of somebody with scopes.
func (w *world) as(subject, scopes, patient string) authz.Access {
	w.Helper()
	parsed, _ := authz.ParseScopes(scopes, w.ds.Registry())
	return must(authz.Decide(w.ds.Registry(), authz.Caller{Subject: subject, Client: "app", Scopes: parsed, Patient: patient}, authz.Policy{Base: w.ds.Base()}))
}

// access makes an access again of what was kept.
func (w *world) access(_ context.Context, ds *datastore.Store, kept []byte) (authz.Access, error) {
	var g struct{ Subject, Client, Scopes, Patient string }
	if err := json.Unmarshal(kept, &g); err != nil {
		return authz.Access{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.revoked[g.Subject] {
		return authz.Access{}, fhir.Errorf(fhir.KindForbidden, "the user %s is gone", g.Subject)
	}
	if g.Scopes == "" {
		return authz.Unrestricted(), nil
	}
	scopes, _ := authz.ParseScopes(g.Scopes, ds.Registry())
	return authz.Decide(ds.Registry(), authz.Caller{Subject: g.Subject, Client: g.Client, Scopes: scopes, Patient: g.Patient}, authz.Policy{Base: ds.Base()})
}

func (w *world) parse(text string) *fhir.Tree {
	w.Helper()
	tree, err := w.ds.Parse([]byte(text))
	if err != nil {
		w.Fatal(err)
	}
	return tree
}

// try puts a resource.
func (w *world) try(access authz.Access, text string) (store.Version, error) {
	w.Helper()
	tree := w.parse(text)
	op := datastore.Op{Interaction: authz.Update, Type: tree.Root().Type().Name, ID: tree.Root().TextOf("id"), Resource: tree}
	outcomes, err := w.ds.Commit(w.Context(), access, []datastore.Op{op}, nil)
	if err != nil {
		return store.Version{}, err
	}
	return outcomes[0].Version, nil
}

// post makes a resource, and returns its id.
func (w *world) post(access authz.Access, text string) string {
	w.Helper()
	tree := w.parse(text)
	op := datastore.Op{Interaction: authz.Create, Type: tree.Root().Type().Name, Resource: tree}
	outcomes, err := w.ds.Commit(w.Context(), access, []datastore.Op{op}, nil)
	if err != nil {
		w.Fatal(err)
	}
	return outcomes[0].Version.ID
}

func (w *world) put(texts ...string) {
	w.Helper()
	for _, text := range texts {
		if _, err := w.try(authz.Unrestricted(), text); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *world) delete(resourceType, id string) {
	w.Helper()
	if _, err := w.ds.Commit(w.Context(), authz.Unrestricted(), []datastore.Op{{Interaction: authz.Delete, Type: resourceType, ID: id}}, nil); err != nil {
		w.Fatal(err)
	}
}

// read is a resource as it is now.
func (w *world) read(resourceType, id string) string {
	w.Helper()
	view := must(w.ds.View(w.Context(), authz.Unrestricted(), 0))
	defer view.Close()
	v, err := view.Read(w.Context(), resourceType, id)
	if err != nil {
		return err.Error()
	}
	return string(v.Body.JSON)
}

// became waits until a Subscription has a status, and returns it.
func (w *world) became(id, status string) string {
	w.Helper()
	for {
		text := w.read("Subscription", id)
		if strings.Contains(text, `"status":"`+status+`"`) {
			return text
		}
		<-w.written
	}
}

// becameInTime is became, where time passes whenever somebody waits for it: who
// looked at the clock before it was moved may begin to wait after that.
func (w *world) becameInTime(id, status string) {
	w.Helper()
	for !strings.Contains(w.read("Subscription", id), `"status":"`+status+`"`) {
		select {
		case <-w.written:
		case d := <-w.slept:
			w.wait(d)
		}
	}
}

// got waits for the next request to the endpoint.
func (w *world) got(line string) received {
	w.Helper()
	r := <-w.received
	if r.Line != line {
		w.Fatalf("the endpoint got %s, want %s", r.Line, line)
	}
	return r
}

// subscribe is a Subscription.
func (w *world) subscribe(id, criteria, payload string, more ...string) string {
	if id != "" {
		more = append(more, `"id":"`+id+`"`)
	}
	text := `{"resourceType":"Subscription","status":"requested","reason":"test","criteria":"` + criteria + `",` + strings.Join(append(more, ""), ",") +
		`"channel":{"type":"rest-hook","endpoint":"` + w.endpoint.URL + `/fhir"`
	if payload != "" {
		text += `,"payload":"` + payload + `"`
	}
	return text + `,"header":["Authorization: Bearer secret"]}}`
}

func observation(id, status, patient string) string {
	return `{"resourceType":"Observation","id":"` + id + `","status":"` + status + `","code":{"text":"x"},"subject":{"reference":"Patient/` + patient + `"}}`
}

// asError finds the error for callers.
func asError(err error, to **fhir.Error) bool { return errors.As(err, to) }

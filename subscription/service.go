package subscription

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/subscription/outbound"
)

// A Sealer keeps secrets. *crypt.Box is one.
type Sealer interface {
	Seal(purpose string, plain []byte) []byte
	Open(purpose string, sealed []byte) ([]byte, error)
}

// A Catalog finds data stores. *datastore.Catalog is one.
type Catalog interface {
	Store(id string) (*datastore.Store, error)
	List(ctx context.Context) ([]datastore.Record, error)
}

// Options for New.
type Options struct {
	// Endpoints says where notifications may go. Where it allows nothing, every
	// Subscription that asks for some is refused.
	Endpoints outbound.Policy
	// MaxPerStore is how many Subscriptions of a data store may be requested or
	// active; 0 is 50.
	MaxPerStore int
	// Timeout is how long an endpoint may take to answer; 0 is 10 s.
	Timeout time.Duration
	// GiveUp is how long an endpoint may fail before its Subscription comes to
	// status error; 0 is 24 hours.
	GiveUp time.Duration
	// MaxWaiting is how many events of a Subscription may wait for its endpoint
	// before it comes to status error; 0 is 100,000.
	MaxWaiting uint64
	// Now is the clock; nil for time.Now. After is nil for time.After.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	// Logger is nil for slog.Default.
	Logger *slog.Logger
}

// Parts are what a Service works with; all are needed.
type Parts struct {
	Stores  Catalog
	Records kv.DB
	// Box gets what seals the headers of channels; it is called when there are some.
	Box func(context.Context) (Sealer, error)
	// Keep makes of an access what is kept of it, and Access makes an access of
	// that, by the rules as they are now. An error of KindForbidden or
	// KindUnauthenticated says that whose it was has no access any more.
	Keep   func(authz.Access) ([]byte, error)
	Access func(ctx context.Context, ds *datastore.Store, kept []byte) (authz.Access, error)
	// Record notes a delivery; nil where nobody wants to know. What it refuses
	// is tried again before anything else is sent.
	Record func(Delivery) error
}

// A Delivery is one attempt to send a notification.
type Delivery struct {
	Time time.Time
	// Store and Subscription are ids, Caller is whose Subscription it is.
	Store, Subscription string
	Caller              authz.Caller
	// Version is what it was about, "Patient/1/_history/2", and Resource that
	// version as JSON. Sent is set where the resource was sent, and not only that
	// there is something.
	Version  string
	Resource []byte
	Sent     bool
	// Endpoint is where it went, without query.
	Endpoint string
	// Status is the answer's, 0 for none.
	Status int
}

// A Service carries out the Subscriptions of a server. It implements
// datastore.Subscriptions; what is written before Run is called is looked at
// when it is.
type Service struct {
	Options
	parts  Parts
	client *http.Client
	// feeds has one for each data store, and is replaced when there is another.
	feeds atomic.Pointer[map[string]*feed]

	// listed guards writes, how many there were of possible topics of each data
	// store, and the listings of topics.
	listed   sync.Mutex
	writes   map[string]uint64
	listings map[string]listing

	mu      sync.Mutex
	context context.Context // of Run; nil while it does not run
	running sync.WaitGroup
}

// New makes a Service. It does nothing but refuse Subscriptions before Open.
func New(opt Options) *Service {
	if opt.MaxPerStore == 0 {
		opt.MaxPerStore = 50
	}
	if opt.Timeout == 0 {
		opt.Timeout = 10 * time.Second
	}
	if opt.GiveUp == 0 {
		opt.GiveUp = 24 * time.Hour
	}
	if opt.MaxWaiting == 0 {
		opt.MaxWaiting = 100_000
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.After == nil {
		opt.After = time.After
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	s := &Service{Options: opt, client: opt.Endpoints.Client(opt.Timeout), writes: map[string]uint64{}, listings: map[string]listing{}}
	s.feeds.Store(&map[string]*feed{})
	return s
}

// Open gives the Service what it works with. It is called once, before requests
// are served.
func (s *Service) Open(p Parts) { s.parts = p }

// Written implements datastore.Subscriptions.
func (s *Service) Written(store, what, _ string) {
	if what == topicType {
		s.noticeTopic(store)
	}
	f := (*s.feeds.Load())[store]
	switch {
	case f != nil:
		f.written(what)
	case what == resourceType:
		s.follow(store)
	}
}

// follow makes the feed of a data store, unless there is one.
func (s *Service) follow(store string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := *s.feeds.Load()
	ctx := s.context
	if ctx == nil || ctx.Err() != nil || known[store] != nil {
		return
	}
	f := newFeed(s, store)
	all := maps.Clone(known)
	all[store] = f
	s.feeds.Store(&all)
	s.running.Go(func() { f.run(ctx) })
}

// leave takes the feed of a data store that is gone away, unless one of the same
// id was made meanwhile.
func (f *feed) leave() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.parts.Stores.Store(f.store); err == nil {
		return false
	}
	all := maps.Clone(*f.feeds.Load())
	delete(all, f.store)
	f.feeds.Store(&all)
	return true
}

// Run carries out Subscriptions until ctx ends.
func (s *Service) Run(ctx context.Context) {
	s.mu.Lock()
	s.context = ctx
	s.mu.Unlock()
	for {
		records, err := s.parts.Stores.List(ctx)
		if err == nil {
			for _, r := range records {
				if r.HasStorage() {
					s.follow(r.ID)
				}
			}
			break
		}
		s.Logger.Error("subscriptions wait for the catalog", "error", err)
		if !s.sleep(ctx, pauseStore) {
			break
		}
	}
	<-ctx.Done()
	s.mu.Lock()
	s.context = nil // no feed begins after this
	s.mu.Unlock()
	s.running.Wait()
	s.client.CloseIdleConnections()
}

// sleep waits; it is false where ctx ends first.
func (s *Service) sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-s.After(d):
		return true
	}
}

// headersOf are the headers of an author.
func (s *Service) headersOf(ctx context.Context, a *author) (headers []string, err error) {
	if a.Headers == nil {
		return nil, nil
	}
	box, err := s.parts.Box(ctx)
	if err != nil {
		return nil, err
	}
	text, err := box.Open(sealPurpose, a.Headers)
	if err != nil {
		return nil, err
	}
	return headers, json.Unmarshal(text, &headers)
}

// authorOf is who asked for a version of a Subscription; kv.ErrNotFound where
// nobody is known.
func (s *Service) authorOf(ctx context.Context, ds, id string, number uint64, what *spec) (*author, error) {
	var a author
	err := s.parts.Records.View(ctx, func(tx kv.Tx) (err error) {
		a, err = authors.Get(tx, numbered(ds, id, number))
		return err
	})
	if err == nil && a.Mark != what.mark() {
		err = kv.ErrNotFound
	}
	return &a, err
}

func missing(err error) bool { return errors.Is(err, kv.ErrNotFound) }

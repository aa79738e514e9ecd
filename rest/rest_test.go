package rest_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/rest"
)

// A server serves the FHIR API from a memory file system.
type server struct {
	url     string
	handler http.Handler
	catalog *datastore.Catalog
	clock   *clock
	jobs    *job.Queue // run by runJobs
	blobs   string     // the folder of large contents

	mu       sync.Mutex
	observed []string // interactions
}

// A clock is a second later each time it is asked.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Second)
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newServer starts a server. Each change edits its options.
func newServer(t testing.TB, changes ...func(*rest.Options)) *server {
	t.Helper()
	return openServer(t, vfs.NewMem(), &clock{now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}, changes...)
}

// openServer starts a server on what a file system holds.
func openServer(t testing.TB, disk vfs.FS, c *clock, changes ...func(*rest.Options)) *server {
	t.Helper()
	s := &server{clock: c, blobs: t.TempDir()}
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: disk, Now: s.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	s.catalog, err = datastore.Open(context.Background(), datastore.Options{Backend: folder, BaseURL: "http://example.org", Contents: &keeper{dir: s.blobs, records: folder.Records(), clock: c}})
	if err != nil {
		t.Fatal(err)
	}
	s.jobs = job.New(job.Options{
		DB: folder.Records(), Now: s.clock.Now, Logger: slog.New(slog.DiscardHandler),
		After: func(time.Duration) <-chan time.Time { return nil },
	})
	opt := rest.Options{
		Stores:    s.catalog,
		Authorize: func(*http.Request, *datastore.Store) (authz.Access, error) { return authz.Unrestricted(), nil },
		Logger:    slog.New(slog.DiscardHandler),
		Version:   "test",
		Async: &rest.Async{
			Jobs: s.jobs,
			Keep: func(*http.Request, *datastore.Store) (string, []byte, error) { return "", nil, nil },
			Restore: func(context.Context, *datastore.Store, []byte) (authz.Access, error) {
				return authz.Unrestricted(), nil
			},
		},
		Observe: func(interaction string, _ int, _ time.Duration) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.observed = append(s.observed, interaction)
		},
	}
	for _, change := range changes {
		change(&opt)
	}
	s.handler = rest.New(opt)
	web := httptest.NewServer(s.handler)
	s.url = web.URL
	t.Cleanup(func() {
		web.Close()
		if err := s.catalog.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// runJobs carries out what was to be answered later.
func (s *server) runJobs(t testing.TB) {
	t.Helper()
	for {
		ran, err := s.jobs.RunNext(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !ran {
			return
		}
	}
}

func (s *server) create(t testing.TB, id string) *datastore.Store {
	t.Helper()
	store, err := s.catalog.Create(context.Background(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func (s *server) parse(body []byte) (*fhir.Tree, error) {
	return fhir.Parse(definition.R4().Schema, body, fhir.DefaultLimits)
}

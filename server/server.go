package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/server/disks"
	"github.com/tarnhealth/tarn/server/listen"
	"github.com/tarnhealth/tarn/server/timelimit"
	"github.com/tarnhealth/tarn/server/wire"
)

// DefaultStore is the id of the data store that exists from the first start.
const DefaultStore = "default"

// Limits of the HTTP server that nobody needs to set.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	// maxHeader has room for the longest URL that rest takes.
	maxHeader = 64 << 10
	// lastGrace is how long handlers whose connection was cut may take to end
	// before the files are closed under them.
	lastGrace = 5 * time.Second
)

// A Server is one process that serves one data folder.
type Server struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	out     io.Writer

	// addr is set and listening closed once the port is open.
	addr string
	// public is set once the port is open, where the base URL is not of this
	// machine.
	public bool
	// metricsAddr is that of the metrics, "" where they have none of their own.
	metricsAddr string
	listening   chan struct{}
	// ready is closed when requests are answered.
	ready chan struct{}
	// fhir answers requests to data stores, pages those of people and apps to
	// the authorization server, console those of administrators; nil while
	// starting. There are no pages without authorization.
	fhir, pages, console atomic.Pointer[http.Handler]
	disks                atomic.Pointer[disks.Watch]
	// control answers requests to the control API; nil while starting.
	control  atomic.Pointer[http.Handler]
	stopping atomic.Bool
	// vault keeps what ACME gives, and clientRoots are the authorities of
	// clients' certificates; nil without them.
	vault       *listen.Vault
	clientRoots func() *x509.CertPool
	// demo is there in a demo with authorization.
	demo *demonstration
	// running counts the requests inside fhir.
	running sync.WaitGroup
}

// New makes a server of a configuration without problems.
func New(cfg Config) (*Server, error) {
	if problems := cfg.Check(); len(problems) > 0 {
		return nil, joined(problems)
	}
	if cfg.Stdout == nil {
		cfg.Stdout = os.Stdout
	}
	if cfg.Stderr == nil {
		cfg.Stderr = os.Stderr
	}
	return &Server{
		cfg:       cfg,
		log:       newLogger(&cfg),
		metrics:   newMetrics(),
		out:       cfg.Stdout,
		listening: make(chan struct{}),
		ready:     make(chan struct{}),
	}, nil
}

// Addr is the address that the server listens at, host:port. It waits until
// Run listens.
func (s *Server) Addr() string {
	<-s.listening
	return s.addr
}

// Ready is closed once requests are answered.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends or the process is told to stop by SIGINT or
// SIGTERM; then it lets running requests finish and closes the data folder. It
// returns nil after an orderly end.
func (s *Server) Run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	requests, cutOff := context.WithCancel(context.Background())
	defer cutOff()
	web := s.webServer(requests)
	stopMetrics, err := s.listenMetrics()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer stopMetrics()
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()

	folder, err := s.start(ctx)
	if err == nil {
		if ctx.Err() == nil {
			s.announce()
			close(s.ready)
			go debug.FreeOSMemory() // starting takes several times what serving does
		}
		select {
		case <-ctx.Done():
			s.log.Info("stopping", "running requests may take", s.cfg.ShutdownTimeout)
		case err = <-failed:
		}
	}
	stop() // a second signal ends the process at once
	s.drain(web, cutOff)
	if folder != nil {
		err = errors.Join(err, folder.Close())
	}
	if err == nil {
		s.log.Info("stopped")
	}
	return err
}

func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	listener, err := net.Listen("tcp", s.cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use; stop what listens there, or choose another with --listen", s.cfg.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen at %s: %w", s.cfg.Listen, err)
	}
	host, _, _ := net.SplitHostPort(s.cfg.Listen) // was checked
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s.addr = net.JoinHostPort(host, port)
	if s.cfg.BaseURL == "" {
		s.cfg.BaseURL = "http://" + s.addr
		if s.cfg.TLS.On() {
			s.cfg.BaseURL = "https://" + s.addr
		}
	}
	s.public = !s.cfg.atHome()
	secured, err := s.secure(ctx, listener)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	close(s.listening)
	return secured, nil
}

// webServer answers plain requests itself, and leaves others to net/http.
func (s *Server) webServer(requests context.Context) *wire.Server {
	errorLog := slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)
	other := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext:       timelimit.WithConnection,
		ErrorLog:          errorLog,
	}
	return &wire.Server{
		Handler:           s,
		Other:             other,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		Context:           requests,
		ConnContext:       timelimit.WithConnection,
		Refusal:           malformed,
		ErrorLog:          errorLog,
	}
}

// start opens the data folder and lets requests in. The caller closes the
// folder, also after an error.
func (s *Server) start(ctx context.Context) (*folder, error) {
	begin := time.Now()
	f, err := s.openFolder(ctx)
	if err != nil {
		return f, err
	}
	if err := s.keepACME(f); err != nil {
		return f, err
	}
	s.metrics.registry.MustRegister(f.storage, f.keeper)
	f.jobs = newJobs(f.storage.Records(), s.log)
	recorded, err := f.audit()
	if err != nil {
		return f, err
	}
	guard, err := s.guard(f)
	if err != nil {
		return f, err
	}
	if err := s.openBulk(f, guard, recorded); err != nil {
		return f, err
	}
	s.openSubscriptions(f, guard, recorded)
	handler := s.api(f, guard, recorded.rest(&s.cfg))
	control, err := s.controlAPI(f, recorded)
	if err != nil {
		return f, err
	}
	if err := s.prepareDemo(ctx, f, guard); err != nil {
		return f, err
	}
	if ctx.Err() != nil {
		return f, nil // told to stop while starting: that is no failure
	}
	if err := recorded.follow(&s.cfg, f, s.out, s.log); err != nil {
		return f, err
	}
	if err := s.work(f, guard, recorded); err != nil {
		return f, err
	}
	if err := s.openConsole(f, guard, recorded); err != nil {
		return f, err
	}
	pages := guard.pages
	s.pages.Store(&pages)
	s.control.Store(&control)
	s.fhir.Store(&handler)
	s.log.Info("ready", "address", s.addr, "data", f.dir, "version", Version(), "took", time.Since(begin).Round(time.Millisecond))
	return f, nil
}

// work begins what goes on beside requests until the folder is closed.
func (s *Server) work(f *folder, guard *guard, recorded *auditLog) error {
	f.jobs.start()
	f.tend(guard.tend, s.log)
	f.tend(f.expire, s.log)
	f.tend(f.carryOut, s.log)
	if err := s.backUp(f); err != nil {
		return err
	}
	f.tend(f.events.Tend, s.log)
	f.tend(func(ctx context.Context, log *slog.Logger) {
		f.vault.Watch(ctx, f.catalog, s.cfg.Encryption.Check, log)
	}, s.log)
	watch := &disks.Watch{Stores: f.storage.all, Records: f.storage.RecordsFailed, Audit: recorded.failed, Reopen: f.catalog.Reopen, Log: s.log}
	s.disks.Store(watch)
	f.tend(func(ctx context.Context, _ *slog.Logger) { watch.Run(ctx) }, s.log)
	return nil
}

func (s *Server) api(f *folder, guard *guard, recorded *rest.Audit) http.Handler {
	requests := s.cfg.Requests(s.cfg.address, nil)
	return rest.New(rest.Options{
		Stores:     openStores{f.catalog, f.jobs.bulk.Service},
		Bulk:       f.jobs.bulk.Service,
		Authorize:  guard.authorize,
		Origin:     guard.origin,
		Security:   guard.security,
		MaxBody:    s.cfg.MaxBody,
		MaxEntries: s.cfg.MaxEntries,
		Logger:     s.log,
		Observe:    s.metrics.observe,
		Version:    Version(),
		Async:      f.jobs.async(guard),
		Audit:      recorded,
		Limit:      requests.Enter,
		Charge: func(r *http.Request, caller authz.Caller, n int) {
			requests.Charge(r, caller, n)
			guard.charge(r, n)
		},
		Tenants:    s.cfg.TenantURLs,
		Topics:     f.subscriptions.Topics,
		GraphQL:    s.cfg.GraphQL,
		Operations: append(f.guides.Operations(), f.subscriptionStatus()),
	})
}

// drain takes no more requests, lets the running ones finish in their time and
// then cuts them off.
func (s *Server) drain(web *wire.Server, cutOff context.CancelFunc) {
	s.stopping.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()
	if err := web.Shutdown(ctx); err != nil {
		s.log.Warn("requests were cut off", "after", s.cfg.ShutdownTimeout)
		cutOff()
		_ = web.Close() // what is open is cut off
	}
	ended := make(chan struct{})
	go func() { s.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(lastGrace):
		s.log.Error("a request does not end; closing the data folder anyway")
	}
}

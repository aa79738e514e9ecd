package bulk

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/bulk/polling"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/durable"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/kv"
)

// Options for New. Stores, Records, Files, Keep and Restore are required.
type Options struct {
	// Stores finds data stores, and opens deleted ones that are kept.
	Stores interface {
		Store(id string) (*datastore.Store, error)
		OpenKept(ctx context.Context, id string) (s *datastore.Store, done func() error, err error)
	}
	// Records keeps the jobs.
	Records kv.DB
	// Files is the server's own bucket: files to be fetched over HTTP.
	Files blob.Bucket
	// Places are where callers may have files read and written.
	Places blob.Places
	// Keep names the caller of an authorized request, and gives in grant what
	// Restore later makes the same access of, as in rest.Async.
	Keep func(*http.Request, *datastore.Store) (caller string, grant []byte, err error)
	// Restore may say no, where the caller has lost the access meanwhile.
	Restore func(context.Context, *datastore.Store, []byte) (authz.Access, error)
	// Record, if not nil, is told of every job that has ended, before that
	// shows. Its error fails the job.
	Record func(context.Context, Event) error
	// Changed, if not nil, is told of jobs that come to another state, in the
	// transaction of Records that notes it; its error undoes that.
	Changed func(tx kv.Tx, c Change) error
	// ReadOnly are the resource types that no import may write.
	ReadOnly []string
	// Fetch fetches input by URL; nil where none is fetched. It must not reach
	// what callers may not.
	Fetch *http.Client
	// Open is set where nobody needs a token: files can be fetched without.
	Open bool
	// Limits bound the work.
	Limits Limits
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// Lease is how long a job stays with a process that says nothing; 0 is 30 s.
	// Jobs that a former process of this folder left are taken up at once.
	Lease time.Duration
	// Every is how often an import job notes how far it is; 0 is 5 s.
	Every time.Duration
	// Logger is nil for slog.Default.
	Logger *slog.Logger
}

// Limits bound the jobs; 0 is what each says.
type Limits struct {
	// Imports and Exports are how many jobs run at a time: 1 and 1.
	Imports, Exports int
	// Waiting is how many jobs of each kind of a data store may wait: 25.
	Waiting int
	// ExportsPerCaller is how many exports of one caller of a data store may
	// wait or run: 5.
	ExportsPerCaller int
	// KeepFiles is how long the files of an export can be fetched: 48 hours.
	KeepFiles time.Duration
	// ManifestFiles is how many files a page of a manifest lists, for clients that
	// take pages: 1,000.
	ManifestFiles int
	// FileLines is how many resources a file of an export has: 250,000.
	FileLines int
	// FetchBytes is the greatest size of all input fetched by URL for one job,
	// in bytes: 100 GiB.
	FetchBytes int64
}

// An Event is a job that has ended, for the audit log.
type Event struct {
	// Action is "import", "export", "preload" or "restore".
	Action string
	// Job and Store are ids.
	Job, Store string
	// Caller is who asked, where that was over FHIR; By is an access key's id.
	Caller authz.Caller
	By     string
	// Status is as that of an HTTP response.
	Status int
	// Detail has counts, and says what went wrong.
	Detail string
}

// A Service runs the jobs of a server.
type Service struct {
	opt Options
	// One queue for each kind, so that one kind does not hold up another.
	imports, exports, fills *job.Queue
	// starting is held while a job is started, so that a client token counts
	// once.
	starting sync.Mutex

	mu sync.Mutex
	// filling are the data stores that are being filled, by their ids.
	filling map[string]bool

	polls polling.Counter
}

// The kinds of jobs.
const (
	kindImport = "import"
	kindExport = "export"
	kindFill   = "fill"
)

// maxAttempts bounds how often a job is begun: a server may be restarted often.
// A job that makes no progress is given up sooner; see stuck.
const maxAttempts = 1000

// New makes a service. Call Run to let it work.
func New(opt Options) (*Service, error) {
	if opt.Stores == nil || opt.Records == nil || opt.Files == nil || opt.Keep == nil || opt.Restore == nil {
		return nil, errors.New("bulk: data stores, records, files, and the access of callers are needed")
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.Every == 0 {
		opt.Every = 5 * time.Second
	}
	opt.Limits.fill()
	s := &Service{opt: opt, filling: map[string]bool{}}
	queue := func(keep time.Duration) *job.Queue {
		return job.New(job.Options{
			DB: opt.Records, Lease: opt.Lease, Keep: keep, Attempts: maxAttempts, Now: opt.Now, Logger: opt.Logger, Alone: true, Changed: s.changed,
		})
	}
	s.imports, s.exports, s.fills = queue(0), queue(0), queue(0)
	s.imports.Handle(kindImport, s.runImport)
	s.exports.Handle(kindExport, s.runExport)
	s.fills.Handle(kindFill, s.runFill)
	return s, s.findFilling(context.Background())
}

func (l *Limits) fill() {
	for _, n := range []struct {
		at  *int
		use int
	}{{&l.Imports, 1}, {&l.Exports, 1}, {&l.Waiting, 25}, {&l.ExportsPerCaller, 5}, {&l.ManifestFiles, 1000}, {&l.FileLines, 250_000}} {
		if *n.at == 0 {
			*n.at = n.use
		}
	}
	if l.KeepFiles == 0 {
		l.KeepFiles = 48 * time.Hour
	}
	if l.FetchBytes == 0 {
		l.FetchBytes = 100 << 30
	}
}

// Run runs jobs until ctx ends, and then waits for them: what is not done goes
// on when Run is called again.
func (s *Service) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { s.imports.Run(ctx, s.opt.Limits.Imports) })
	all.Go(func() { s.exports.Run(ctx, s.opt.Limits.Exports) })
	all.Go(func() { s.fills.Run(ctx, 2) })
	all.Go(func() { s.sweep(ctx) })
	all.Wait()
}

// RunNextExport runs one export that waits, where there is one, and reports
// whether: for who does without Run. The error is of the records, not of the job.
func (s *Service) RunNextExport(ctx context.Context) (ran bool, err error) {
	return s.exports.RunNext(ctx)
}

// scopeOf names a data store so that another one made later under the same id
// does not have its jobs.
func scopeOf(r datastore.Record) string {
	return r.ID + " " + r.Created.UTC().Format(time.RFC3339Nano)
}

// store is the data store of a job, which must still be the same one.
func (s *Service) store(id, scope string) (*datastore.Store, error) {
	store, err := s.opt.Stores.Store(id)
	if err == nil && scopeOf(store.Record()) != scope {
		err = fhir.Errorf(fhir.KindNotFound, "the data store of the job was deleted")
	}
	return store, err
}

// Busy is what keeps a data store from being deleted: a job that waits or runs.
// It is "" where there is none.
func (s *Service) Busy(ctx context.Context, r datastore.Record) (string, error) {
	for _, of := range []struct {
		queue *job.Queue
		kind  string
	}{{s.imports, kindImport}, {s.exports, kindExport}, {s.fills, kindFill}} {
		all, err := of.queue.List(ctx, of.kind, scopeOf(r))
		if err != nil {
			return "", err
		}
		for _, j := range all {
			if !j.State.Ended() {
				return of.kind + " job " + j.ID, nil
			}
		}
	}
	return "", nil
}

// record tells the audit log of a job that ends.
func (s *Service) record(ctx context.Context, e Event) error {
	if s.opt.Record == nil {
		return nil
	}
	return s.opt.Record(context.WithoutCancel(ctx), e)
}

// public is what a caller may be told of an error; the rest is for the log.
func public(err error) string {
	var known *fhir.Error
	switch {
	case errors.As(err, &known) && known.Kind != fhir.KindInternal:
		text := ""
		for _, issue := range known.Issues {
			if text != "" {
				text += "; "
			}
			text += issue.Diagnostics
		}
		return text
	case errors.Is(err, blob.ErrNoBucket):
		return "the bucket or folder does not exist"
	case errors.Is(err, blob.ErrDenied):
		return "the bucket or folder refuses access to this server"
	case durable.Full(err):
		return "the disk is full; free some space, then start the job again"
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.EROFS):
		return "the disk cannot be written; look at the system's log, repair or replace the disk, then start the job again"
	}
	return "the server could not carry it out; its log has more"
}

// ended is what to return for a job that was cut off: it is not the job's
// error.
func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

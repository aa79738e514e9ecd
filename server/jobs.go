package server

import (
	"context"
	"log/slog"
	"runtime"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/server/bulkjobs"
)

// jobs is the work that goes on beside the requests.
type jobs struct {
	queue *job.Queue
	// bulk are import and export jobs; nil before they are opened.
	bulk  *bulkjobs.Jobs
	stop  context.CancelFunc
	ended chan struct{}
}

func newJobs(records kv.DB, log *slog.Logger) *jobs {
	return &jobs{queue: job.New(job.Options{DB: records, Logger: log}), stop: func() {}}
}

// start runs jobs until close. Every handler must be known by then.
func (j *jobs) start() {
	ctx, stop := context.WithCancel(context.Background())
	j.stop, j.ended = stop, make(chan struct{})
	if j.bulk != nil {
		j.bulk.Start()
	}
	go func() {
		defer close(j.ended)
		j.queue.Run(ctx, max(2, runtime.GOMAXPROCS(0)/2))
	}()
}

// close gives back what is not done, for the next start.
func (j *jobs) close() error {
	j.stop()
	if j.ended != nil {
		<-j.ended
	}
	if j.bulk == nil {
		return nil
	}
	return j.bulk.Close()
}

// openBulk opens the import and export jobs of a folder.
func (s *Server) openBulk(f *folder, g *guard, recorded *auditLog) (err error) {
	opt := bulk.Options{
		Stores: f.catalog, Records: f.storage.Records(), Keep: g.keep, Restore: g.restore, Record: recorded.bulk, Changed: f.events.Job,
		Open: s.cfg.Auth == AuthNone, Logger: s.log,
	}
	if recorded != nil {
		opt.ReadOnly = []string{"AuditEvent"}
	}
	keys, err := f.vault.FileKeys(context.Background())
	if err != nil {
		return err
	}
	f.jobs.bulk, err = bulkjobs.Open(s.cfg.Bulk, f.dir, keys, opt)
	return err
}

// bulk records a bulk job that has ended.
func (a *auditLog) bulk(_ context.Context, e bulk.Event) error {
	r := audit.Record{
		Action: e.Action, Store: e.Store, Request: e.Job, Status: e.Status, Detail: e.Detail,
		Agent: audit.Agent{User: e.Caller.Subject, FHIRUser: e.Caller.FHIRUser, Client: e.Caller.Client, Roles: e.Caller.Roles, Purpose: e.Caller.Purpose},
	}
	if e.By != "" {
		r.Class, r.Action, r.Agent = audit.ClassAdmin, signingName+":"+e.Action, audit.Agent{User: e.By}
	}
	return a.append(r)
}

// openStores are the data stores that take requests: not those that are being
// filled.
type openStores struct {
	*datastore.Catalog
	bulk *bulk.Service
}

// Store returns a data store that takes requests.
func (s openStores) Store(id string) (*datastore.Store, error) {
	if s.bulk.Filling(id) {
		return nil, fhir.Errorf(fhir.KindUnavailable, "the data store %q is being filled; DescribeFHIRDatastore tells when it is ACTIVE", id).With("Retry-After", "5")
	}
	return s.Catalog.Store(id)
}

// async lets requests be answered later, with the access that they had.
func (j *jobs) async(g *guard) *rest.Async {
	return &rest.Async{Jobs: j.queue, Keep: g.keep, Restore: g.restore}
}

package server

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/tuning"
	"github.com/tarnhealth/tarn/smart"
	"github.com/tarnhealth/tarn/validate"
)

// auditName is the folder of the audit log in a data folder.
const auditName = "audit"

// An auditLog is the audit log of a data folder, and what follows it.
type auditLog struct {
	log *audit.Log
	// index makes the records searchable, and others hands them on elsewhere.
	index     *audit.Follower
	followers []*audit.Follower
	stop      context.CancelFunc
	running   sync.WaitGroup
}

// lazyAudit opens the audit log of a folder when it is first asked for. It is
// nil where the configuration turns it off.
func lazyAudit(cfg *Config, f *folder, log *slog.Logger) func() (*auditLog, error) {
	return sync.OnceValues(func() (*auditLog, error) {
		if !cfg.audited() {
			return nil, nil
		}
		var err error
		f.recorder, err = openAudit(cfg, f, log)
		return f.recorder, err
	})
}

func openAudit(cfg *Config, f *folder, log *slog.Logger) (*auditLog, error) {
	key, err := auditKey(cfg, f.dir)
	if err != nil {
		return nil, &Refusal{Text: err.Error(), Cause: err}
	}
	dir := filepath.Join(f.dir, auditName)
	keys, err := f.vault.AuditKeys(context.Background())
	if err != nil {
		return nil, keyRefusal(cfg, f.dir, err)
	}
	l, err := audit.Open(audit.Options{Dir: dir, Key: key, Keys: keys, Durability: audit.Durability(cfg.Audit.Durability), Logger: log})
	if errors.Is(err, audit.ErrKey) {
		return nil, &Refusal{Text: fmt.Sprintf("the master key (%s, or the variable %s) is not the one that the audit log %s was signed with; give it the right one", cmp.Or(cfg.MasterKey, filepath.Join(f.dir, masterKeyName)), crypt.MasterKeyVariable, dir), Cause: err}
	}
	if err != nil {
		return nil, &Refusal{Text: fmt.Sprintf("the audit log %s cannot be opened: %v; tarn audit verify says more, and moving the folder away begins a new log", dir, err), Cause: err}
	}
	return &auditLog{log: l, stop: func() {}}, nil
}

// failed is why nothing can be recorded now.
func (a *auditLog) failed() error {
	if a == nil {
		return nil
	}
	return a.log.Failed()
}

// auditKey is the key that the audit log of a data folder is signed with.
func auditKey(cfg *Config, dir string) (ed25519.PrivateKey, error) {
	box, err := auditBox(cfg, dir)
	if err != nil {
		return nil, err
	}
	return audit.Key(box.Key(audit.KeyPurpose)), nil
}

// follow starts handing records on.
func (a *auditLog) follow(cfg *Config, f *folder, stdout io.Writer, log *slog.Logger) error {
	if a == nil {
		return nil
	}
	db := f.storage.Records()
	a.index = &audit.Follower{
		Log: a.log, Sink: &storeSink{stores: f.catalog}, Name: "index", DB: db, Logger: log,
		Share: auditShare, Spare: tuning.Spare(), Pause: auditPause, Batch: auditBatch, Together: 2 * runtime.GOMAXPROCS(0),
	}
	a.followers = []*audit.Follower{a.index}
	for _, name := range cfg.Audit.Sinks {
		sink, err := newSink(name, stdout)
		if err != nil {
			return err
		}
		a.followers = append(a.followers, &audit.Follower{Log: a.log, Sink: sink, Name: "sink " + name, DB: db, Logger: log})
	}
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	for _, follower := range a.followers {
		a.running.Go(func() { follower.Run(ctx) })
	}
	if cfg.Audit.Archive != "" {
		vault, err := AuditVault(ctx, cfg.Audit.Archive, S3Service{cfg.Bulk.Endpoint, cfg.Bulk.Region, cfg.Bulk.KMSKey})
		if err != nil {
			return err
		}
		archive := &audit.Archive{Log: a.log, To: vault, Keep: time.Duration(cfg.Audit.KeepDays) * 24 * time.Hour, Needed: a.needed}
		a.running.Go(func() { keepArchive(ctx, archive, log) })
	}
	return nil
}

// How the index works while requests come: its share of the time, how long it
// lets records gather, and how many AuditEvents it makes at once, about.
const (
	auditShare = 0.02
	auditPause = 5 * time.Second
	auditBatch = 2000
)

// needed is the lowest record that is still to be handed on.
func (a *auditLog) needed(ctx context.Context) (uint64, error) {
	lowest := ^uint64(0)
	for _, f := range a.followers {
		at, err := f.At(ctx)
		if err != nil {
			return 0, err
		}
		lowest = min(lowest, at)
	}
	return lowest, nil
}

// archivePause is how often the archive looks for what is to be done.
const archivePause = time.Hour

func keepArchive(ctx context.Context, archive *audit.Archive, log *slog.Logger) {
	for {
		switch archived, removed, err := archive.Run(ctx); {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Error("the audit log cannot be archived", "error", err)
		case archived+removed > 0:
			log.Info("audit log", "archived", archived, "removed", removed)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(archivePause):
		}
	}
}

// rest is the option of the FHIR API.
func (a *auditLog) rest(cfg *Config) *rest.Audit {
	if a == nil {
		return nil
	}
	return &rest.Audit{Log: a.log, Address: cfg.address, Index: a.catchUp, ReadsAlone: cfg.Audit.Durability == AuditProcess}
}

// indexTime bounds how long a search of AuditEvents waits for the index.
const indexTime = 20 * time.Second

// catchUp makes everything recorded so far searchable.
func (a *auditLog) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, indexTime)
	defer cancel()
	last, err := a.log.Sync()
	if err != nil {
		return err
	}
	left, err := a.index.CatchUp(ctx, last)
	if err != nil && ctx.Err() != nil {
		return fhir.Errorf(fhir.KindUnavailable, "the newest %d records of the audit log are still being made searchable; try again", left).With("Retry-After", "20")
	}
	return err
}

// append records what happened beside the FHIR API.
func (a *auditLog) append(r audit.Record) error {
	if a == nil {
		return nil
	}
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	r.Time = r.Time.UTC()
	return a.log.Append(r)
}

// closeFollowers ends what reads the log, which needs the data stores.
func (a *auditLog) closeFollowers() {
	if a == nil {
		return
	}
	a.stop()
	a.running.Wait()
	for _, f := range a.followers {
		_ = f.Close() // it was only read
	}
}

// note records an event; a failure is logged, and by then the log refuses
// everything else.
func (f *folder) note(r audit.Record, log *slog.Logger) {
	a, err := f.audit()
	if err == nil {
		err = a.append(r)
	}
	if err != nil {
		log.Error("an event is missing from the audit log", "action", r.Action, "error", err)
	}
}

// noteSignIn records what package login tells of.
func (f *folder) noteSignIn(log *slog.Logger) func(context.Context, login.Event) {
	return func(_ context.Context, e login.Event) {
		detail := strings.Join(e.AMR, " ")
		if e.Provider != "" {
			detail = strings.TrimSpace(detail + " through " + e.Provider)
		}
		f.note(audit.Record{
			Time: e.Time, Class: audit.ClassSignIn, Action: e.Kind, Refused: e.Kind == "sign-in-failed" || e.Kind == "locked",
			Agent: audit.Agent{User: e.UserID, Address: e.Address}, Detail: detail,
		}, log)
	}
}

// noteGrant records what package smart tells of.
func (f *folder) noteGrant(log *slog.Logger) func(context.Context, smart.Event) {
	return func(_ context.Context, e smart.Event) {
		r := audit.Record{
			Time: e.Time, Class: audit.ClassGrant, Action: e.Kind, Store: e.DataStore,
			Refused: e.Kind == "denied" || e.Kind == "token-refused" || e.Kind == "replay",
			Agent:   audit.Agent{User: e.UserID, Client: e.ClientID, Address: e.Address}, Detail: cmp.Or(e.Scope, e.Reason),
		}
		if e.Patient != "" {
			r.Patients = []string{strings.TrimPrefix(e.Patient, "Patient/")}
		}
		f.note(r, log)
	}
}

// recorded runs a request to the admin API that changes something, and records
// it. What cannot be recorded is not begun.
func (f *folder) recorded(c admin.Change, run func() (any, error)) (any, error) {
	return f.recordedBy(audit.Agent{User: "administrator", Address: "local"}, c, run)
}

// recordedBy is recorded for what somebody does who is known.
func (f *folder) recordedBy(by audit.Agent, c admin.Change, run func() (any, error)) (any, error) {
	a, err := f.audit()
	if err != nil {
		return nil, err
	}
	result, failure := run()
	rec := audit.Record{Class: audit.ClassAdmin, Action: c.Pattern, Status: http.StatusOK, Agent: by}
	if failure != nil {
		rec.Status = fhir.KindOf(failure).Status()
	}
	if of := result; of != nil {
		if record, ok := of.(datastore.Record); ok && record.ID != "" {
			rec.Store = record.ID
		}
	}
	rec.Entities = []string{c.Path}
	return result, errors.Join(failure, a.append(rec))
}

// newSink makes a sink of its name in the configuration.
func newSink(name string, stdout io.Writer) (audit.Sink, error) {
	if name == "stdout" {
		return audit.NDJSON{To: stdout}, nil
	}
	u, err := url.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no sink of the audit log", name)
	}
	host, _ := os.Hostname()
	switch u.Scheme {
	case "syslog+tcp", "syslog+udp":
		if _, port := u.Hostname(), u.Port(); port != "" && u.Path == "" {
			return &audit.Syslog{Network: strings.TrimPrefix(u.Scheme, "syslog+"), Address: u.Host, Host: host}, nil
		}
	case "otlp+http", "otlp+https":
		if u.Host != "" && u.Path != "" {
			return &audit.OTLP{URL: strings.TrimPrefix(name, "otlp+")}, nil
		}
	}
	return nil, fmt.Errorf("%q is no sink of the audit log; write stdout, syslog+tcp://host:port, syslog+udp://host:port, or otlp+http(s)://host:port/v1/logs", name)
}

// A storeSink keeps AuditEvents as resources: those of a data store there, and
// those of none in the data store "default". It takes them in bulk, past the
// engine's log and memory, since what is there is looked through by every
// search. What is there already is not written again.
type storeSink struct{ stores *datastore.Catalog }

// Write stores the events.
func (s *storeSink) Write(ctx context.Context, events []audit.Event) error {
	of := map[string][][]byte{}
	for i := range events {
		id := cmp.Or(events[i].Record.Store, DefaultStore)
		of[id] = append(of[id], events[i].JSON)
	}
	for id, resources := range of {
		store, err := s.stores.Store(id)
		if fhir.KindOf(err) == fhir.KindNotFound && err != nil {
			continue // the data store was deleted; the log has the records
		}
		if err == nil {
			err = storeEvents(ctx, store, resources)
		}
		if err != nil {
			return fmt.Errorf("AuditEvents of the data store %s: %w", id, err)
		}
	}
	return nil
}

func storeEvents(ctx context.Context, store *datastore.Store, resources [][]byte) error {
	// No profile may keep them out.
	w := store.BulkWriter(authz.Unrestricted(), datastore.BulkOptions{Type: "AuditEvent", Level: validate.Minimal})
	outcomes, err := w.Write(ctx, resources)
	for i := range outcomes {
		if outcomes[i].Err != nil {
			// What is wrong with it would name patients in the server's log.
			err = errors.Join(err, fmt.Errorf("%s is refused with status %d", outcomes[i].ID, fhir.KindOf(outcomes[i].Err).Status()))
		}
	}
	return err
}

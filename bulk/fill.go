package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/synth"
	"github.com/tarnhealth/tarn/validate"
)

// A Fill says what a new data store is filled with: synthetic patients, or what
// another data store held at a time.
type Fill struct {
	// Store is the id of the data store.
	Store string
	// Patients is how many synthetic patients there are to be.
	Patients int `json:",omitempty"`
	// Source is the id of the data store to copy, SourceScope names it among
	// those of its id, T is the logical time.
	Source, SourceScope string `json:",omitempty"`
	T                   uint64 `json:",omitempty"`
	// At is, in the place of T, the time to copy a data store at that was deleted
	// and is kept; zero is when it was deleted.
	At   time.Time `json:",omitzero"`
	Kept bool      `json:",omitempty"`
	// By is the id of the access key that asked.
	By string
}

// A FillStatus says how far a data store is filled.
type FillStatus struct {
	State   State
	Message string
	// Done of Total are there: patients, or resources.
	Done, Total int64
	// Source is as in Fill.
	Source string
}

// fillState is the checkpoint of a fill job.
type fillState struct {
	// Patients are done, or resources up to the one of a type and an id.
	Patients    int
	Type, ID    string
	Done, Total int64
	Message     string
	Starts      int
}

// preloadSeed chooses the people.
const preloadSeed = 1

// action is what the audit log and events call it.
func (f *Fill) action() string {
	if f.Source != "" {
		return "restore"
	}
	return "preload"
}

// Create makes a data store and fills it: both are there after a crash, or
// neither is. Until it is filled, Filling reports it.
func (s *Service) Create(ctx context.Context, catalog *datastore.Catalog, draft datastore.Draft, in Fill) (*datastore.Store, error) {
	if draft.ID == "" {
		draft.ID = datastore.NewStoreID()
	}
	in.Store = draft.ID
	begun := false
	draft.Also = func(tx kv.Tx, r datastore.Record) error {
		begun = true
		s.setFilling(in.Store, true) // before anybody can see that it is ACTIVE
		_, err := s.fills.EnqueueIn(tx, job.Spec{Kind: kindFill, Scope: scopeOf(r), Input: in})
		return err
	}
	store, err := catalog.CreateFrom(ctx, draft)
	if err != nil {
		if begun {
			s.setFilling(in.Store, false)
		}
		return nil, err
	}
	s.fills.Wake()
	return store, nil
}

// Filling reports whether a data store is being filled, or was not filled to
// the end.
func (s *Service) Filling(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.filling[id]
}

func (s *Service) setFilling(id string, filling bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.filling, id); filling {
		s.filling[id] = true
	}
}

// findFilling finds the data stores that former processes did not fill.
func (s *Service) findFilling(ctx context.Context) error {
	all, err := s.fills.List(ctx, kindFill, "")
	if err != nil {
		return err
	}
	for _, j := range all {
		id, _, _ := strings.Cut(j.Scope, " ")
		if _, gone := s.store(id, j.Scope); gone == nil && j.State != job.Done {
			s.filling[id] = true
		}
	}
	return nil
}

// AsOf is the logical time that a data store had at a time: what was stored up
// to then is in it. Zero is now.
func (s *Service) AsOf(ctx context.Context, source *datastore.Store, at time.Time) (store.T, error) {
	view, err := source.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return 0, err
	}
	defer view.Close()
	if at.IsZero() {
		return view.T(), nil
	}
	versions, err := view.History(ctx, store.History{Until: at})
	if err != nil {
		return 0, err
	}
	for v, err := range versions {
		return v.T, err
	}
	return 0, fhir.Errorf(fhir.KindInvalid, "the data store held nothing at %s", at.UTC().Format(time.RFC3339))
}

// Copy is a Fill with what a data store held as of a logical time.
func Copy(source *datastore.Store, t store.T, by string) Fill {
	return Fill{Source: source.Record().ID, SourceScope: scopeOf(source.Record()), T: uint64(t), By: by}
}

// CopyKept is a Fill with what a data store held at a time that was deleted and is
// kept; zero is when it was deleted.
func CopyKept(source datastore.Record, at time.Time, by string) Fill {
	return Fill{Source: source.ID, SourceScope: scopeOf(source), Kept: true, At: at, By: by}
}

// Fills are how far the data stores are that are filled, or were, by what
// ScopeOf names them.
func (s *Service) Fills(ctx context.Context) (map[string]FillStatus, error) {
	all, err := s.fills.List(ctx, kindFill, "")
	if err != nil {
		return nil, err
	}
	found := map[string]FillStatus{}
	for i := range all {
		j := &all[i]
		var at fillState
		if j.Checkpoint != nil {
			if err := json.Unmarshal(j.Checkpoint, &at); err != nil {
				return nil, err
			}
		}
		var in Fill
		if err := json.Unmarshal(j.Input, &in); err != nil {
			return nil, err
		}
		status := FillStatus{State: stateOf(j, false), Message: at.Message, Done: max(at.Done, j.Progress.Done), Total: at.Total, Source: in.Source}
		if status.State == Failed && status.Message == "" {
			status.Message = "the server could not carry it out; its log has more"
		}
		found[j.Scope] = status
	}
	return found, nil
}

// ScopeOf names a data store in Fills.
func ScopeOf(r datastore.Record) string { return scopeOf(r) }

// A filler is one attempt at a fill job.
type filler struct {
	*Service
	lease  *job.Lease
	spec   Fill
	target *datastore.Store
	state  fillState
	saved  time.Time
}

func (s *Service) runFill(ctx context.Context, l *job.Lease) (any, error) {
	f := &filler{Service: s, lease: l, saved: s.opt.Now()}
	err := f.work(ctx)
	if stopped := ended(ctx); stopped != nil && !errors.Is(stopped, job.ErrCancelled) {
		return nil, stopped
	}
	status := 200
	if err != nil {
		status, f.state.Message = statusOf(err), public(err)
	}
	late := context.WithoutCancel(ctx)
	if err == nil {
		s.setFilling(f.spec.Store, false)
	}
	detail := fmt.Sprintf("%d of %d", f.state.Done, f.state.Total)
	return nil, errors.Join(err,
		s.record(late, Event{Action: f.spec.action(), Job: l.Job().ID, Store: f.spec.Store, By: f.spec.By, Status: status, Detail: detail}),
		l.Save(late, &f.state))
}

func (f *filler) work(ctx context.Context) error {
	j := f.lease.Job()
	if err := json.Unmarshal(j.Input, &f.spec); err != nil {
		return err
	}
	if j.Checkpoint != nil {
		if err := json.Unmarshal(j.Checkpoint, &f.state); err != nil {
			return err
		}
	}
	if f.state.Starts++; f.state.Starts > maxStarts {
		return fhir.Errorf(fhir.KindUnprocessable, "given up: the server stopped %d times at this place", maxStarts)
	}
	var err error
	if f.target, err = f.Service.store(f.spec.Store, j.Scope); err != nil {
		return err
	}
	if f.spec.Source != "" {
		return f.copy(ctx)
	}
	return f.preload(ctx)
}

// fillBatch is how many resources are stored together.
const fillBatch = 1000

// A batch is resources on their way.
type batch struct{ texts [][]byte }

func (b *batch) add(text []byte) { b.texts = append(b.texts, bytes.Clone(text)) }

// note saves how far the filler is, now and then.
func (f *filler) note(ctx context.Context, always bool) error {
	if now := f.opt.Now(); always || now.Sub(f.saved) >= f.opt.Every {
		f.saved, f.state.Starts = now, 1
		return f.lease.Save(ctx, &f.state)
	}
	return nil
}

// store stores batches, some at a time; all must be taken. More than one at a
// time are handed over, and note is called when all of them are there.
func (f *filler) store(ctx context.Context, batches []batch, level validate.Level) error {
	writer := f.target.BulkWriter(authz.Unrestricted(), datastore.BulkOptions{Level: level})
	group, ctx := errgroup.WithContext(ctx)
	for _, b := range batches {
		group.Go(func() error {
			outcomes, err := writer.Write(ctx, b.texts)
			if err != nil {
				return err
			}
			for _, o := range outcomes {
				if o.Result == datastore.BulkRefused {
					return fmt.Errorf("bulk: %s/%s was refused: %w", o.Type, o.ID, o.Err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// preload makes the synthetic patients.
func (f *filler) preload(ctx context.Context) error {
	f.state.Total = int64(f.spec.Patients)
	round := make([]batch, 1)
	most := 2 * runtime.GOMAXPROCS(0)
	flush := func(patients int) error {
		if err := f.store(ctx, round, validate.Strict); err != nil {
			return err
		}
		round = make([]batch, 1)
		f.state.Patients, f.state.Done = patients, int64(patients)
		return f.note(ctx, false)
	}
	population := synth.New(synth.Options{Patients: f.spec.Patients, Seed: preloadSeed})
	err := population.Each(func(b synth.Bundle) error {
		if b.Patient >= 0 && b.Patient < f.state.Patients {
			return ctx.Err()
		}
		for _, r := range b.Resources {
			round[len(round)-1].add(r.JSON)
		}
		if len(round[len(round)-1].texts) < fillBatch {
			return ctx.Err()
		}
		if len(round) < most {
			round = append(round, batch{})
			return ctx.Err()
		}
		return flush(b.Patient + 1)
	})
	if err != nil {
		return err
	}
	if err := flush(f.spec.Patients); err != nil {
		return err
	}
	return f.note(ctx, true)
}

// copy copies the current versions of another data store as of a time.
func (f *filler) copy(ctx context.Context) error {
	source, done, err := f.source(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f.copyFrom(ctx, source), done())
}

// source opens what is copied.
func (f *filler) source(ctx context.Context) (source *datastore.Store, done func() error, err error) {
	if !f.spec.Kept {
		source, err = f.Service.store(f.spec.Source, f.spec.SourceScope)
		if err != nil {
			err = fhir.Errorf(fhir.KindNotFound, "the data store to copy was deleted").Because(err)
		}
		return source, func() error { return nil }, err
	}
	source, done, err = f.opt.Stores.OpenKept(ctx, f.spec.Source)
	if err == nil && scopeOf(source.Record()) != f.spec.SourceScope {
		err = errors.Join(fhir.Errorf(fhir.KindNotFound, "the data store to copy is not kept any more"), done())
	}
	if err != nil {
		return nil, nil, err
	}
	if f.spec.T == 0 {
		t, err := f.AsOf(ctx, source, f.spec.At)
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		f.spec.T = uint64(t)
	}
	return source, done, nil
}

func (f *filler) copyFrom(ctx context.Context, source *datastore.Store) error {
	var contents binary.Filler // large ones go from blob to blob
	ctx = binary.With(ctx, &contents)
	versions, err := source.Past(ctx, store.T(f.spec.T), f.state.Type, f.state.ID)
	if err != nil {
		return err
	}
	var lastType, lastID string
	round, n := make([]batch, 1), int64(0)
	flush := func() error {
		// What was stored once is stored again, whatever rules it breaks.
		if err := f.store(ctx, round, validate.Minimal); err != nil {
			return err
		}
		contents.Reset()
		f.state.Type, f.state.ID, f.state.Done = lastType, lastID, f.state.Done+n
		round, n = make([]batch, 1), 0
		return f.note(ctx, false)
	}
	var text []byte
	for v, err := range versions {
		if err != nil {
			return err
		}
		text = v.Body.Append(text[:0], strconv.FormatUint(v.Number, 10), v.LastUpdated)
		round[len(round)-1].add(text)
		lastType, lastID, n = v.Type, v.ID, n+1
		if len(round[len(round)-1].texts) < fillBatch {
			continue
		}
		if len(round) < 2*runtime.GOMAXPROCS(0) {
			round = append(round, batch{})
			continue
		}
		if err := flush(); err != nil {
			return err
		}
	}
	if err := flush(); err != nil {
		return err
	}
	f.state.Total = f.state.Done
	return f.note(ctx, true)
}

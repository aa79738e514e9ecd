package backups

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/server/repeat"
)

// StageLife is how long a staged copy is kept that nobody renews: links hold the
// space of tables that are no longer used.
const StageLife = 10 * time.Minute

// Stages are the staged copies of an open data folder, which others take at
// their leisure.
type Stages struct {
	Folder

	mu     sync.Mutex
	closed bool
	live   map[string]*time.Timer
}

// NewStages makes the Stages of a folder.
func NewStages(f Folder) *Stages {
	f.Session = rand.Text()
	return &Stages{Folder: f, live: map[string]*time.Timer{}}
}

// Open stages the folder, for StageLife.
func (s *Stages) Open(ctx context.Context) (*Staged, error) {
	staged, err := s.Stage(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(fhir.Errorf(fhir.KindUnavailable, "the data folder is being closed"), Unstage(s.Dir, staged.Name))
	}
	s.live[staged.Name] = time.AfterFunc(StageLife, func() { _ = s.Drop(staged.Name) })
	return staged, nil
}

// Renew keeps a staged copy for another StageLife.
func (s *Stages) Renew(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	timer := s.live[name]
	if timer == nil {
		return fhir.Errorf(fhir.KindNotFound, "there is no staged copy %q any more; begin the backup anew", name)
	}
	timer.Reset(StageLife)
	return nil
}

// Drop removes a staged copy; one that is not there is no error.
func (s *Stages) Drop(name string) error {
	s.mu.Lock()
	timer := s.live[name]
	delete(s.live, name)
	s.mu.Unlock()
	if timer == nil {
		return nil
	}
	timer.Stop()
	return Unstage(s.Dir, name)
}

// Close removes all staged copies.
func (s *Stages) Close() error {
	s.mu.Lock()
	s.closed = true
	names := slices.Collect(maps.Keys(s.live))
	s.mu.Unlock()
	var errs []error
	for _, name := range names {
		errs = append(errs, s.Drop(name))
	}
	return errors.Join(errs...)
}

// keep renews a staged copy until ctx ends.
func (s *Stages) keep(ctx context.Context, name string) {
	Renewing(ctx, func() { _ = s.Renew(name) })
}

// Renewing calls renew often enough for a staged copy to stay, until ctx ends.
func Renewing(ctx context.Context, renew func()) {
	repeat.Every(ctx, StageLife/4, renew)
}

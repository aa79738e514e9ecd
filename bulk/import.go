package bulk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/validate"
)

// An Import says what an import job is to do.
type Import struct {
	// Store is the id of the data store.
	Store string
	// Name and Token are the caller's; either may be "".
	Name, Token string
	// Input is the URL of a folder, whose files of NDJSON (*.ndjson, *.jsonl,
	// also with .gz or .zst) are all read, or of one file. Files are read in its
	// place where it is "".
	Input string
	Files []InputFile `json:",omitempty"`
	// Output is the URL of the folder where the job's own folder is made, "" for
	// the server's files.
	Output string
	// Level is how strictly resources are validated.
	Level validate.Level
	// By is the id of the access key that asked; a job of one may write
	// everything. Grant is the access of a caller over FHIR.
	By    string
	Grant []byte `json:",omitempty"`
	// KMSKey and Role are kept for who asks; the server does not use them.
	KMSKey, Role string
	// Request is the URL that was called, over FHIR.
	Request string
}

// An InputFile is one file of an import, by its URL.
type InputFile struct {
	// Type, where not "", is the type that the file's resources must have.
	Type string
	URL  string
}

// Counts is how far an import job is.
type Counts struct {
	// FilesScanned were begun; FilesImported of them came to their end, FilesFailed of them
	// had something that could not be stored, FilesSkipped were no NDJSON.
	FilesScanned, FilesImported, FilesFailed, FilesSkipped int64
	// Bytes is the size of the files that were begun, as they are stored.
	Bytes int64
	// Scanned lines had a resource; Stored were stored, or there already.
	// Refused were at fault, Failed were not: the server was.
	Scanned, Stored, Refused, Failed int64
	// Created, Updated and Unchanged are parts of Stored.
	Created, Updated, Unchanged int64
	// Flagged were stored although something about them is wrong.
	Flagged int64
	// Read is how many bytes of resources were read, decompressed, in Busy.
	Read int64
	Busy time.Duration
}

// An ImportStatus describes an import job.
type ImportStatus struct {
	Import
	Status
	Counts
}

// Status is what jobs of all kinds have in common.
type Status struct {
	ID    string
	State State
	// Message says why a job failed, or what else there is to say.
	Message            string
	Submitted, EndTime time.Time
	// Folder is the URL of the job's output; "" for the server's own files.
	Folder string
	// Owner is who asked over FHIR.
	Owner string
}

// A State is that of a job, in HealthLake's words.
type State string

// The states.
const (
	Submitted           State = "SUBMITTED"
	Queued              State = "QUEUED"
	InProgress          State = "IN_PROGRESS"
	Completed           State = "COMPLETED"
	CompletedWithErrors State = "COMPLETED_WITH_ERRORS"
	Failed              State = "FAILED"
	CancelInProgress    State = "CANCEL_IN_PROGRESS"
	CancelCompleted     State = "CANCEL_COMPLETED"
)

// Ended reports whether the state is final.
func (s State) Ended() bool {
	return slices.Contains([]State{Completed, CompletedWithErrors, Failed, CancelCompleted}, s)
}

// stateOf is the state of a job; errors is set where a job that is done had
// some.
func stateOf(j *job.Job, errors bool) State {
	switch j.State {
	case job.Queued:
		return Queued
	case job.Running:
		if j.Cancelling {
			return CancelInProgress
		}
		return InProgress
	case job.Cancelled:
		return CancelCompleted
	case job.Failed:
		return Failed
	}
	if errors {
		return CompletedWithErrors
	}
	return Completed
}

// StartImport makes an import job. One with the Token of another, and otherwise
// the same, is that one. owner is who asked over FHIR, "" for a By.
func (s *Service) StartImport(ctx context.Context, store *datastore.Store, owner string, in Import) (ImportStatus, error) {
	in.Store = store.Record().ID
	for _, place := range []string{in.Input, in.Output} {
		if place == "" {
			continue
		}
		if err := s.opt.Places.Check(place); err != nil {
			return ImportStatus{}, fhir.Errorf(fhir.KindInvalid, "%v", err)
		}
	}
	j, err := s.start(ctx, s.imports, kindImport, scopeOf(store.Record()), owner, in.Token, s.opt.Limits.Imports, &in)
	if err != nil {
		return ImportStatus{}, err
	}
	return s.importStatus(&j)
}

// start enqueues a job, unless its token was used for the same.
func (s *Service) start(ctx context.Context, queue *job.Queue, kind, scope, owner, token string, running int, input any) (job.Job, error) {
	s.starting.Lock()
	defer s.starting.Unlock()
	if token != "" {
		known, found, err := s.withToken(ctx, queue, kind, scope, owner, token, input)
		if err != nil || found {
			return known, err
		}
	}
	j, err := queue.Enqueue(ctx, job.Spec{Kind: kind, Scope: scope, Owner: owner, Input: input, MaxOpen: running + s.opt.Limits.Waiting})
	if errors.Is(err, job.ErrFull) {
		return j, fhir.Errorf(fhir.KindThrottled, "%d %s jobs of this data store run or wait, the most that may; try again when one has ended", running+s.opt.Limits.Waiting, kind).
			With("Retry-After", "60")
	}
	return j, err
}

// withToken finds the job that was started with a token.
func (s *Service) withToken(ctx context.Context, queue *job.Queue, kind, scope, owner, token string, input any) (job.Job, bool, error) {
	all, err := queue.List(ctx, kind, scope)
	if err != nil {
		return job.Job{}, false, err
	}
	asked, err := json.Marshal(input)
	if err != nil {
		return job.Job{}, false, err
	}
	for _, j := range all {
		var in struct{ Token string }
		if json.Unmarshal(j.Input, &in) != nil || in.Token != token || j.Owner != owner {
			continue
		}
		if hashOf(j.Input) != hashOf(asked) {
			return j, false, fhir.Errorf(fhir.KindInvalid, "the ClientToken was used for another request; use a new one for each")
		}
		return j, true, nil
	}
	return job.Job{}, false, nil
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// importStatus reads the record of an import job.
func (s *Service) importStatus(j *job.Job) (ImportStatus, error) {
	status := ImportStatus{Status: Status{ID: j.ID, Submitted: j.Created, EndTime: j.Ended, Owner: j.Owner}}
	if err := json.Unmarshal(j.Input, &status.Import); err != nil {
		return status, err
	}
	var at importState
	if j.Checkpoint != nil {
		if err := json.Unmarshal(j.Checkpoint, &at); err != nil {
			return status, err
		}
	}
	status.Counts, status.Message = at.Counts, at.Message
	status.State = stateOf(j, at.Refused+at.Failed+at.FilesFailed > 0)
	if status.State == Failed && status.Message == "" {
		status.Message = "the server could not carry it out; its log has more"
	}
	if status.Output != "" {
		status.Folder = outputURL(status.Output, importFolder(status.Store, j.ID))
	}
	return status, nil
}

// DescribeImport describes an import job of a data store: KindNotFound where
// there is none.
func (s *Service) DescribeImport(ctx context.Context, store *datastore.Store, id string) (ImportStatus, error) {
	j, err := find(ctx, s.imports, kindImport, store, id)
	if err != nil {
		return ImportStatus{}, err
	}
	return s.importStatus(&j)
}

// ListImports describes all import jobs of a data store that are still known,
// oldest first.
func (s *Service) ListImports(ctx context.Context, store *datastore.Store) ([]ImportStatus, error) {
	all, err := list(ctx, s.imports, kindImport, store)
	if err != nil {
		return nil, err
	}
	found := make([]ImportStatus, 0, len(all))
	for i := range all {
		status, err := s.importStatus(&all[i])
		if err != nil {
			return nil, err
		}
		found = append(found, status)
	}
	return found, nil
}

// CancelImport ends an import job; what it stored stays.
func (s *Service) CancelImport(ctx context.Context, store *datastore.Store, id string) error {
	if _, err := find(ctx, s.imports, kindImport, store, id); err != nil {
		return err
	}
	_, err := s.imports.Cancel(ctx, id)
	return err
}

// find is a job of a kind and data store.
func find(ctx context.Context, queue *job.Queue, kind string, store *datastore.Store, id string) (job.Job, error) {
	j, err := queue.Get(ctx, id)
	if errors.Is(err, job.ErrNotFound) || err == nil && (j.Kind != kind || j.Scope != scopeOf(store.Record())) {
		return j, fhir.Errorf(fhir.KindNotFound, "there is no %s job %.64q of this data store, or no longer", kind, id)
	}
	return j, err
}

// list is the jobs of a kind and data store, oldest first.
func list(ctx context.Context, queue *job.Queue, kind string, store *datastore.Store) ([]job.Job, error) {
	all, err := queue.List(ctx, kind, scopeOf(store.Record()))
	slices.SortFunc(all, func(a, b job.Job) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return slices.Compare([]string{a.ID}, []string{b.ID})
	})
	return all, err
}

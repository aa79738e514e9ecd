package job

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

// A State is where a job is in its life.
type State string

// The states. Done, Failed and Cancelled are final.
const (
	Queued    State = "queued"
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Ended reports whether the state is final.
func (s State) Ended() bool { return s == Done || s == Failed || s == Cancelled }

// A Job is the record of one piece of work.
type Job struct {
	// ID is random and cannot be guessed.
	ID string
	// Kind names the handler.
	Kind string
	// Scope is what the job works on, such as a data store's id.
	Scope string
	// Owner is who asked for it, in whatever form the kind compares.
	Owner string
	// Input says what to do, in the kind's own form. It should be small:
	// what is large is a part.
	Input json.RawMessage
	// Inputs are the names of Spec.Parts.
	Inputs []string
	State  State
	// Checkpoint is what Lease.Save kept last; empty before.
	Checkpoint json.RawMessage `json:",omitempty"`
	Progress   Progress
	// Result is what the handler returned; of a job that is Done.
	Result json.RawMessage `json:",omitempty"`
	// Error says why a job Failed. It may name what only operators may see.
	Error string
	// Cancelling is set where the job is to end without being done.
	Cancelling bool
	// Attempts is how often the job was begun.
	Attempts int
	// Created, Began (the last attempt) and Ended are zero where that has not
	// happened.
	Created, Began, Ended time.Time
	// LeasedUntil is when a Running job may be taken over.
	LeasedUntil time.Time
}

// Progress is how far a job has come, in units that the kind chooses.
type Progress struct {
	Done int64
	// Total is 0 where it is not known.
	Total int64
}

// A Spec asks for a job.
type Spec struct {
	Kind, Scope, Owner string
	// Input is written as JSON.
	Input any
	// Parts are large inputs. They are removed when the job ends.
	Parts map[string][]byte
	// MaxOpen bounds the jobs of this kind and scope that have not ended; 0
	// is no bound.
	MaxOpen int
}

// Errors that callers tell apart.
var (
	// ErrNotFound means that there is no such job, or no longer.
	ErrNotFound = errors.New("job: no such job")
	// ErrFull means that Spec.MaxOpen is reached.
	ErrFull = errors.New("job: too many jobs are waiting")
	// ErrLost means that the lease has run out and another holds the job.
	ErrLost = errors.New("job: the lease was taken over")
	// ErrCancelled means that the job is to end.
	ErrCancelled = errors.New("job: cancelled")
	// ErrTooLarge means that a part grew beyond its limit.
	ErrTooLarge = errors.New("job: the part is too large")
)

// The tables. An entry of open is there for each job that has not ended, under
// a key that sorts by age.
var (
	jobs = kv.NewTable[Job]("job")
	open = kv.NewTable[openJob]("job_open")
)

type openJob struct{ ID, Kind, Scope string }

// openKey is the key of a job in the table of open ones.
func openKey(j *Job) string { return j.Created.UTC().Format("20060102150405.000000000") + " " + j.ID }

// Package store owns the resource-store contract: what a backend (pebble,
// postgres) promises, and the parts of a write that all backends share. The
// conformance suite is in storetest.
//
// A store keeps every version of every resource. Time in it is logical: T
// counts versions, and a View at T shows exactly the versions numbered up to
// T. The ops of one Commit become visible together.
//
// It leaves to others: who may see what (datastore), what a query means
// (search), and how versions and entries are laid out (the backends).
package store

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// T is a logical time: the number of versions that the store has taken. It
// only grows, and a version's T is its place in that sequence, from 1.
type T uint64

// A Store keeps the resources of one data store. All methods are safe for
// concurrent use.
type Store interface {
	// View returns the store as of t, or as of now where t is 0. It fails
	// with ErrExpired where t lies too far back to be shown exactly.
	View(ctx context.Context, t T) (View, error)
	// Commit applies ops all together or not at all, and returns their
	// versions in the order of ops once they are durable and searchable. A
	// failed precondition is an *OpError.
	Commit(ctx context.Context, ops []Op) ([]Version, error)
	// Load is Commit for bulk input: preconditions are not allowed, and an op
	// that would store what is stored already is left out (its current
	// version is returned), so that a load may be repeated. When it returns, ops
	// and bodies are the caller's again; entries are not.
	Load(ctx context.Context, ops []Op) ([]Version, error)
	// Changes yields the versions after t, oldest first, up to now.
	Changes(ctx context.Context, after T) iter.Seq2[Version, error]
	// Erase removes versions for good, from every view, open ones included:
	// bodies, entries, and their places in histories. It returns how many
	// versions are gone once that is durable. All erasures happen, or none.
	// The T of what is gone is not used again.
	Erase(ctx context.Context, erasures []Erasure) (int, error)
	// Index adds entries to the versions that are stored when it is called;
	// those of later commits are in their ops. Reads and writes go on
	// meanwhile. What is found by the new entries before Index returns is not
	// complete. It may be called again after it failed, or was cut off.
	Index(ctx context.Context, w Indexing) error
	// Unindex forgets every entry of some parameters, named by their
	// search.Param.Key. New entries of them may not come afterwards.
	Unindex(ctx context.Context, keys []string) error
	// Close waits for running commits and closes the files.
	Close() error
}

// A View is a store at one logical time. It must be closed.
type View interface {
	T() T
	// Read returns the newest version, a deletion included. A resource that
	// never existed is ErrNotFound.
	Read(ctx context.Context, resourceType, id string) (Version, error)
	// ReadVersion returns one version. A missing one is ErrNotFound.
	ReadVersion(ctx context.Context, resourceType, id string, number uint64) (Version, error)
	// History yields versions, newest first.
	History(ctx context.Context, q History) iter.Seq2[Version, error]
	// Search returns one page of the matches of a plan.
	Search(ctx context.Context, plan search.Plan, page Page) (Result, error)
	// Count returns the exact number of matches of a plan.
	Count(ctx context.Context, plan search.Plan) (int, error)
	// Scan yields the matches of a Scan. Each is valid until the next one is
	// asked for: its body is in memory that is used again.
	Scan(ctx context.Context, q Scan) iter.Seq2[Version, error]
	Close()
}

// A Version is one state of a resource.
type Version struct {
	Type, ID string
	// Number is the version number, from 1; as versionId it is written in
	// decimal.
	Number      uint64
	T           T
	LastUpdated time.Time
	// Op says how the version came about.
	Op OpKind
	// Created is set where the resource did not exist before this version, or
	// was deleted.
	Created bool
	// Body is empty for a deletion. Read-only.
	Body fhir.Body
}

// Deleted reports whether the version is a deletion.
func (v *Version) Deleted() bool { return v.Op == OpDelete }

// OpKind is the interaction that made a version.
type OpKind uint8

// The kinds.
const (
	OpCreate OpKind = iota + 1 // POST
	OpUpdate                   // PUT, whether or not the resource was there before
	OpDelete
)

// An Op is one write, ready to be stored.
type Op struct {
	Kind     OpKind
	Type, ID string
	Body     fhir.Body
	// Entries are what search.Extract returned.
	Entries []search.Entry
	// Fresh says that the id was made at random for this op: no resource has or
	// had it, and a store need not look.
	Fresh bool

	// IfVersion is the version number that must be current (If-Match); 0 for
	// any.
	IfVersion uint64
	// IfAbsent demands that the resource does not exist or is deleted.
	IfAbsent bool
	// Unchanged lists searches whose answer the op depends on.
	Unchanged []Condition
}

// A Condition demands that no resource which matches Part was written after T
// by another Commit; ops of the same Commit do not count. (A match that was
// deleted after T, or changed so that it matches no longer, is the matter of
// IfVersion.)
type Condition struct {
	Part search.Part
	// Types are those whose resources Part was made from: no resource of them
	// may have been written after T either.
	Types []string
	T     T
}

// An Erasure names what Erase removes. A missing resource or version is
// ErrNotFound inside an OpError.
type Erasure struct {
	Type, ID string
	// Number is one version, which must not be the current one (ErrVersion);
	// 0 is the whole resource with all its versions, after which it is as if
	// it had never been.
	Number uint64
}

// An Indexing is the work of Index.
type Indexing struct {
	// Entries returns the entries to add to a version. Those that the version
	// has already may be among them. It is called from several goroutines.
	Entries func(v Version) ([]search.Entry, error)
	// Progress, where not nil, is told from time to time how many versions of
	// how many have been looked at.
	Progress func(done, total int)
}

// A History asks for versions, newest first.
type History struct {
	// Type and ID narrow to a type or an instance; "" for all.
	Type, ID string
	// Since, where not zero, leaves out what was written before it.
	Since time.Time
	// Until, where not zero, leaves out what was written after it.
	Until time.Time
	// Before, where not 0, yields only versions with a smaller T: the place
	// where the page before ended.
	Before T
	// Parts, where not nil, are the types that are wanted, and the condition that
	// the content of a version must meet: a deletion is wanted where the last
	// content before it is. The conditions are about any version, current or not;
	// Chain and Has ask for resources as the view has them. Terms come without
	// Recheck. ID is "" then.
	Parts []search.Part
}

// A Page asks for a part of a search result.
type Page struct {
	// After is the Next of the page before; nil for the first.
	After []byte
	Limit int
	// Total asks for Result.Total.
	Total bool
	// Explain asks for Result.Explanation.
	Explain bool
}

// A Result is one page of matches.
type Result struct {
	// Matches are in the plan's order. Bodies are read as the sequence is
	// walked, which must happen before the View is closed.
	Matches iter.Seq2[Version, error]
	// Len is the number of Matches.
	Len int
	// Total is the number of all matches, exactly, where asked for; otherwise -1.
	Total int
	// Next is where the next page begins; nil at the end.
	Next []byte
	// Explanation is how the page was found, where asked for; otherwise nil.
	// A backend that has nothing to tell may leave it nil.
	Explanation []Step
}

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("store: no such resource or version")
	ErrExpired  = errors.New("store: the view's time is no longer kept")
	ErrClosed   = errors.New("store: closed")
	// ErrVersion, ErrExists, ErrChanged and ErrDuplicate are the failed
	// preconditions inside an OpError.
	ErrVersion   = errors.New("store: the current version is another")
	ErrExists    = errors.New("store: the resource exists")
	ErrChanged   = errors.New("store: a matching resource was written meanwhile")
	ErrDuplicate = errors.New("store: two ops on one resource")
)

// An OpError says which op of a Commit failed a precondition.
type OpError struct {
	Index int
	Err   error
}

func (e *OpError) Error() string { return e.Err.Error() }
func (e *OpError) Unwrap() error { return e.Err }

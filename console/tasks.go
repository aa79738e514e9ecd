package console

import (
	"slices"
	"sync"
	"time"
)

const (
	// maxTasks is how many tasks that have ended are remembered.
	maxTasks = 50
	// taskShown is how long the end of a task is shown.
	taskShown = time.Hour
)

// A task is an addition of guides that goes on while nobody waits: a package may
// have to be fetched, with others, and be read.
type task struct {
	ID, Store string
	// What is the name of the package or file.
	What           string
	Started, Ended time.Time
	// Reasons are why it was refused; Broken is set where that was the server's
	// fault. Both are empty while it runs and where it was done.
	Reasons []string
	Broken  bool
}

// Running reports whether it has not ended.
func (t task) Running() bool { return t.Ended.IsZero() }

// Done reports whether it was carried out.
func (t task) Done() bool { return !t.Running() && len(t.Reasons) == 0 && !t.Broken }

// tasks are the tasks of one process: what they did is durable when they end, and
// those that a stop ends did nothing.
type tasks struct {
	mu      sync.Mutex
	closed  bool
	list    []*task
	running sync.WaitGroup
}

// begin adds a task, unless one of its data store runs, or all has ended. The
// caller finishes it.
func (t *tasks) begin(one *task) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || slices.ContainsFunc(t.list, func(other *task) bool { return other.Store == one.Store && other.Running() }) {
		return false
	}
	t.list = append(t.list, one)
	t.running.Add(1)
	return true
}

// finish ends a task.
func (t *tasks) finish(one *task, now time.Time, reasons []string, broken bool) {
	defer t.running.Done()
	t.mu.Lock()
	defer t.mu.Unlock()
	one.Ended, one.Reasons, one.Broken = now, reasons, broken
	t.list = slices.DeleteFunc(t.list, func(other *task) bool {
		return other != one && !other.Running() && (other.Store == one.Store || now.Sub(other.Ended) > taskShown)
	})
	if extra := len(t.list) - maxTasks; extra > 0 {
		t.list = slices.DeleteFunc(t.list, func(other *task) bool {
			extra--
			return extra >= 0 && !other.Running() && other != one
		})
	}
}

// of are the tasks of a data store, the latest first.
func (t *tasks) of(store string, now time.Time) (all []task) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range slices.Backward(t.list) {
		if one.Store == store && (one.Running() || now.Sub(one.Ended) <= taskShown) {
			all = append(all, *one)
		}
	}
	return all
}

// close lets no more begin, and waits for those that run.
func (t *tasks) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.running.Wait()
}

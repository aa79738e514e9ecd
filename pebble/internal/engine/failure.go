package engine

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/durable"
	"github.com/tarnhealth/tarn/fhir"
)

// A Failure is what is known of the errors of an engine's disk.
//
// After the first one in writing the log, the list of files or a file of one's
// own, and where the engine cannot write out its memory, the store only reads: it
// cannot know whether the batch that failed will be found when the folder is
// opened again.
type Failure struct {
	// Of is what the engine holds, "the data store" where it is "".
	Of string
	// Pause is how long the engine waits before it tries to write a table again;
	// 0 is halt.DefaultPause.
	Pause time.Duration

	mu    sync.Mutex
	cause error
	dead  bool
	// first is closed at the first error; nil where nobody waits for it.
	first chan struct{}
}

// Get returns what callers are to see of a failure that lasts until the folder
// is opened again, nil while there is none. Each gets an error of its own, which
// it may add to.
func (f *Failure) Get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lasting()
}

func (f *Failure) lasting() error {
	switch {
	case f.cause == nil:
		return nil
	case f.dead || !durable.Full(f.cause):
		return fhir.Errorf(fhir.KindUnavailable,
			"storage failed: the disk of %s cannot be written. Reading goes on, and nothing of this request is visible; "+
				"what to do: repair the disk, then start the server again", f.of()).Because(f.cause)
	}
	return fhir.Errorf(fhir.KindUnavailable,
		"storage failed: the disk of %s is full. Reading goes on, and nothing of this request is visible; "+
			"what to do: free some space on the server's disk, then try again", f.of()).With("Retry-After", "30").Because(f.cause)
}

func (f *Failure) of() string { return cmp.Or(f.Of, "the data store") }

// Passes reports whether the folder only needs to be closed and opened again
// when there is space: all that was acknowledged is there, and the engine can be
// closed.
func (f *Failure) Passes() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cause != nil && !f.dead && durable.Full(f.cause)
}

// Fatal reports whether the engine gave up in the middle of a call.
func (f *Failure) Fatal() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}

// Set records an error and returns what callers are to see.
func (f *Failure) Set(cause error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == nil {
		if f.cause = cause; f.first != nil {
			close(f.first)
		}
	}
	return f.lasting()
}

// Guard runs a call of the engine. It turns its panics into errors, and knows of
// those errors of the disk that the engine does not see.
func (f *Failure) Guard(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("the storage engine gave up", "panic", p, "stack", string(debug.Stack()))
			f.mu.Lock()
			f.dead = true
			f.mu.Unlock()
			err = f.Set(fmt.Errorf("%w: %v", errGaveUp, p))
		}
	}()
	return cmp.Or(call(), f.Get())
}

// MinFree is how much of the disk stays free: enough for the engine to write
// out what it has taken. Beyond it, the engine would give up.
const MinFree = 128 << 20

// A Gauge watches the free space of a folder's disk. It belongs to the writer.
type Gauge struct {
	Checked time.Time
	low     bool
	free    uint64
}

// Check refuses writes while the disk is nearly full. It looks once a second.
func (g *Gauge) Check(fs vfs.FS, dir string) error {
	if time.Since(g.Checked) >= time.Second {
		usage, err := fs.GetDiskUsage(dir)
		g.Checked, g.free = time.Now(), usage.AvailBytes
		g.low = err == nil && usage.AvailBytes < MinFree
	}
	if !g.low {
		return nil
	}
	return fhir.Errorf(fhir.KindUnavailable,
		"the disk of the data store is nearly full: %d MB are free, %d MB are needed; free some space and try again",
		g.free>>20, MinFree>>20)
}

// probeBytes is what Room writes: no less than opening an engine does.
const probeBytes = 4 << 20

// Room finds out whether a folder that was full has space again, by writing to
// it. What it writes is removed.
func Room(disk vfs.FS, dir string) error {
	if usage, err := disk.GetDiskUsage(dir); err == nil && usage.AvailBytes < MinFree {
		return syscall.ENOSPC
	}
	name := disk.PathJoin(dir, "room.tmp")
	file, err := disk.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for n := 0; n < probeBytes && err == nil; n += len(block) {
		_, err = file.Write(block)
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close(), disk.Remove(name))
}

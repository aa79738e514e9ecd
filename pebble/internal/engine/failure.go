package engine

import (
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/fhir"
)

// A Failure is the first error of the disk. After it, the store only reads: it
// cannot know whether the batch that failed will be found when the folder is
// opened again.
type Failure struct {
	mu    sync.Mutex
	cause error
	dead  bool
}

// Get returns what callers are to see, nil while all is well. Each gets an
// error of its own, which it may add to.
func (f *Failure) Get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == nil {
		return nil
	}
	return fhir.Errorf(fhir.KindUnavailable,
		"the data store cannot be written: its disk failed or is full. Nothing of this request is visible; "+
			"free or repair the disk and start the server again").Because(f.cause)
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
	if f.cause == nil {
		f.cause = cause
	}
	f.mu.Unlock()
	return f.Get()
}

// Guard runs a call of the engine and turns its panics, which is how it gives
// up, into errors.
func (f *Failure) Guard(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			f.mu.Lock()
			f.dead = true
			f.mu.Unlock()
			err = fmt.Errorf("pebble: the storage engine gave up: %v", p)
		}
	}()
	return call()
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

package pebble

import (
	"fmt"
	"sync"

	"github.com/tarnhealth/tarn/fhir"
)

// A failure is the first error of the disk. After it, the store only reads: it
// cannot know whether the batch that failed will be found when the folder is
// opened again.
type failure struct {
	mu   sync.Mutex
	err  error
	dead bool
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// fatal reports whether the engine gave up in the middle of a call.
func (f *failure) fatal() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}

// set records an error and returns what callers are to see.
func (f *failure) set(cause error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = fhir.Errorf(fhir.KindUnavailable,
			"the data store cannot be written: its disk failed or is full. Nothing of this request is visible; "+
				"free or repair the disk and start the server again").Because(cause)
	}
	return f.err
}

// guard runs a call of the engine and turns its panics, which is how it gives
// up, into errors.
func (f *failure) guard(call func() error) (err error) {
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

package faulty

import (
	"os"
	"syscall"
	"testing"
)

// Each calls once with disks on which each step-th change in dir fails in turn,
// with all later ones (full) and alone (broken), up to the last change that once
// makes; it reports whether it noticed, as it must at some. How many changes there
// are, and which are the engine's own, whose tables are written beside the
// requests, differs from run to run. With TARN_FAILURES=all each change fails.
func Each(t *testing.T, dir string, step int64, once func(*testing.T, *Disk) bool) {
	if os.Getenv("TARN_FAILURES") == "all" {
		step = 1
	}
	for _, c := range []struct {
		name    string
		forever bool
		err     error
	}{{"full", true, syscall.ENOSPC}, {"broken", false, syscall.EIO}} {
		t.Run(c.name, func(t *testing.T) {
			noticed := false
			for at := int64(1); !t.Failed(); at += step {
				disk := &Disk{Dir: dir, At: at, Forever: c.forever, Err: c.err}
				failed := once(t, disk)
				if disk.Count() < at {
					break
				}
				noticed = noticed || failed
			}
			if !noticed {
				t.Error("no failure was noticed")
			}
		})
	}
}

package blob

import (
	"io"
	"os"
)

// writebackEvery is how many bytes of a file the system is asked to begin
// writing at a time. It would let them lie until the file is synced, and the disk
// idle until then.
const writebackEvery = 1 << 20

// A writeback writes to a file and has the system write on beside it. It makes
// nothing durable.
type writeback struct {
	file *os.File
	// at is the size so far, begun is up to where writing has begun.
	at, begun int64
}

var _ io.Writer = (*writeback)(nil)

// Write implements io.Writer.
func (w *writeback) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.at += int64(n)
	if w.at-w.begun >= writebackEvery {
		beginWriting(w.file, w.begun, w.at-w.begun)
		w.begun = w.at
	}
	return n, err
}

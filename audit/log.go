package audit

import (
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/crypt/seal"
	"github.com/tarnhealth/tarn/durable"
)

// Options for Open. Only Dir and Key are required.
type Options struct {
	// Dir is the folder of the log, made where it is not there.
	Dir string
	// Key signs checkpoints.
	Key ed25519.PrivateKey
	// Keys seal the records; nil leaves them as they are. What was written before
	// stays as it was.
	Keys seal.Keys
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// SegmentSize is the size in bytes from which a segment ends; 0 is 64 MiB.
	SegmentSize int64
	// Checkpoint is how long records wait for a checkpoint at most; 0 is a
	// second.
	Checkpoint time.Duration
	// Durability is when records of accesses that change nothing are on disk; ""
	// is Disk.
	Durability Durability
	// Pace is how long after a write the next one waits, at most, for records
	// that are on their way (see Expect) or likely to come, so that they share
	// it; 0 is four milliseconds, and less than 0 is not at all.
	Pace time.Duration
	// Logger is nil for slog.Default.
	Logger *slog.Logger

	// after is the clock of gather, for tests.
	after func(time.Duration) (over <-chan time.Time, stop func() bool)
	// writeAt writes a block, and sync makes what was written durable, for tests
	// of failing disks.
	writeAt func(f *os.File, block []byte, at int64) (int, error)
	sync    func(f *os.File) error
}

// A Log is an open audit log. Safe for concurrent use, by one process.
type Log struct {
	opt  Options
	lock *os.File

	mu sync.Mutex
	// waiting are the records of the next block; nil where there are none.
	waiting *group
	// spare is the memory of blocks that were written.
	spare [][]byte
	// crowd is who could share it.
	crowd crowd
	// gathering is set while the writer waits for enough to write.
	gathering bool
	closed    bool
	// wake has one element where waiting is not nil.
	wake chan struct{}
	// enough ends the writer's wait.
	enough chan struct{}
	done   chan struct{} // closed when the writer has ended
	// ask asks the writer for a checkpoint now.
	ask chan chan error

	// safe is how much of the log is on disk. Only the writer changes it.
	safe end
	// grown is closed and replaced when safe changes.
	grown chan struct{}
	// begun is when the latest group was written.
	begun time.Time

	// early is what makes Process: see there.
	early early

	// tail is held by whoever writes to the file. It is locked before mu.
	tail sync.Mutex
	// at is the end of the log.
	at end
	// file is the newest segment, which only the writer replaces, reserved how
	// much of it is written, with zeros behind the end, and buf a block in the
	// making.
	file     *os.File
	reserved int64
	buf      []byte
	// window is what of file is reserved, where records are written early.
	window window
	// sealed are the ciphers for the records of the newest segment.
	sealed cabinet

	// failed is why nothing is written; passing is set where that may pass. mu
	// guards both.
	failed  error
	passing bool
	// signed is how many records the latest checkpoint covers.
	signed uint64
	// unclosed is set where the log was found as a process left it that ended
	// without closing it.
	unclosed bool
}

// end is where a log ends.
type end struct {
	segment uint64
	size    int64 // of the segment
	next    uint64
	hash    hash
}

// ErrClosed is the error of a log that was closed.
var ErrClosed = errors.New("audit: the log is closed")

// run writes groups until the log is closed.
func (l *Log) run() {
	defer close(l.done)
	var due <-chan time.Time
	await := func() {
		if due == nil {
			due = time.After(l.opt.Checkpoint)
		}
	}
	for {
		select {
		case _, open := <-l.wake:
			if !open {
				return
			}
			l.gather()
			l.writeGroup()
			await()
		case <-l.early.written:
			l.rotateFull()
			await()
		case <-due:
			due = nil
			if err := l.secure(); err != nil {
				l.fail(err)
			}
		case answer := <-l.ask:
			err := l.writable()
			if err == nil {
				err = l.checkpoint()
			}
			answer <- err
		}
	}
}

// secure makes what was written durable, and signs it where the log is well.
func (l *Log) secure() error {
	l.tail.Lock()
	to := l.at
	l.early.told = false
	l.tail.Unlock()
	switch err := l.Failed(); {
	case err == nil && l.signed != to.next-1:
		return l.checkpoint()
	case durable.Full(err):
		return l.settle(to) // the next group that is written brings a checkpoint
	}
	return nil
}

// Checkpoint signs the end of the log now. What was recorded before is then on
// disk.
func (l *Log) Checkpoint() error {
	answer := make(chan error, 1)
	select {
	case l.ask <- answer:
		return <-answer
	case <-l.done:
		return ErrClosed
	}
}

// End is the number of the latest durable record, 0 for none, and a channel
// that is closed when there are more.
func (l *Log) End() (number uint64, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.safe.next - 1, l.grown
}

// Dir is the folder of the log.
func (l *Log) Dir() string { return l.opt.Dir }

// Close writes what waits, and a last checkpoint.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.early.open.Store(false)
	close(l.wake)
	l.mu.Unlock()
	<-l.done
	var err error
	// Who writes early has ended, or sees that the log is closed.
	if l.signed != l.written().next-1 && l.Failed() == nil {
		err = l.checkpoint()
	}
	l.tail.Lock()
	defer l.tail.Unlock()
	return errors.Join(err, l.cutBehind(), l.file.Sync(), l.file.Close(), l.lock.Close())
}

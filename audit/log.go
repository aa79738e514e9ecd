package audit

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/crypt/seal"
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
	// Pace is how long after a write the next one waits, at most, for records
	// that are on their way (see Expect) or likely to come, so that they share
	// it; 0 is four milliseconds, and less than 0 is not at all.
	Pace time.Duration
	// Logger is nil for slog.Default.
	Logger *slog.Logger

	// after is the clock of gather, for tests.
	after func(time.Duration) (over <-chan time.Time, stop func() bool)
	// writeAt writes a block, for tests of failing disks.
	writeAt func(f *os.File, block []byte, at int64) (int, error)
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

	// at is the end of the log, on disk. Only the writer changes it.
	at end
	// grown is closed and replaced when at changes.
	grown chan struct{}
	// file is the newest segment, reserved how much of it is written, with
	// zeros behind the end, and buf a block in the making.
	file     *os.File
	reserved int64
	buf      []byte
	// begun is when the latest group was written.
	begun time.Time
	// sealed are the ciphers for the records of the newest segment.
	sealed cabinet
	// failed is why nothing is written; only the writer changes it. passing is
	// set where that may pass.
	failed  error
	passing bool
	// signed is how many records the latest checkpoint covers.
	signed uint64
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
	for {
		select {
		case _, open := <-l.wake:
			if !open {
				return
			}
			l.gather()
			l.writeGroup()
			if due == nil {
				due = time.After(l.opt.Checkpoint)
			}
		case <-due:
			due = nil
			if l.failed != nil {
				continue // the next group that is written brings one
			}
			if err := l.checkpoint(); err != nil {
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

// Checkpoint signs the end of the log now.
func (l *Log) Checkpoint() error {
	answer := make(chan error, 1)
	select {
	case l.ask <- answer:
		return <-answer
	case <-l.done:
		return ErrClosed
	}
}

// write adds a block that has a body and makes it durable.
func (l *Log) write(kind blockKind, body []byte) error {
	l.buf = append(beginBlock(l.buf), body...)
	var err error
	l.buf, err = l.writeBlock(kind, 0, l.buf)
	return err
}

// writeBlock seals a block that beginBlock began, and makes it durable.
func (l *Log) writeBlock(kind blockKind, count uint32, block []byte) ([]byte, error) {
	if kind == kindRecords && l.sealed.keys != nil {
		sealed, err := l.sealed.seal(l.at.segment, block, l.at.next, count)
		if err != nil {
			return block, err
		}
		kind, block = kindSealed, sealed
	}
	block, h := sealBlock(block, kind, l.at.next, count, l.at.hash)
	l.reserve(int64(len(block)))
	if _, err := l.opt.writeAt(l.file, block, l.at.size); err != nil {
		return block, err
	}
	if err := syncData(l.file); err != nil {
		return block, err
	}
	l.mu.Lock()
	l.at.hash, l.at.size, l.at.next = h, l.at.size+int64(len(block)), l.at.next+uint64(count)
	close(l.grown)
	l.grown = make(chan struct{})
	l.mu.Unlock()
	l.well()
	return block, nil
}

// checkpoint signs the end of the log.
func (l *Log) checkpoint() error {
	c := Checkpoint{
		Records: l.at.next - 1, Hash: hex.EncodeToString(l.at.hash[:]), Time: l.opt.Now().UTC().Round(0),
		Segment: l.at.segment, Size: l.at.size, Key: KeyID(l.opt.Key.Public().(ed25519.PublicKey)),
	}
	c.Signature = ed25519.Sign(l.opt.Key, c.signed())
	text, err := json.Marshal(c)
	if err == nil {
		err = l.write(kindCheckpoint, text)
	}
	if err == nil {
		err = writeHead(l.opt.Dir, &c)
	}
	l.signed = c.Records
	return err
}

// End is the number of the latest durable record, 0 for none, and a channel
// that is closed when there are more.
func (l *Log) End() (number uint64, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at.next - 1, l.grown
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
	close(l.wake)
	l.mu.Unlock()
	<-l.done
	var err error
	if l.failed == nil && l.signed != l.at.next-1 {
		err = l.checkpoint()
	}
	return errors.Join(err, l.file.Truncate(l.at.size), l.file.Close(), l.lock.Close())
}

package audit

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options for Open. Only Dir and Key are required.
type Options struct {
	// Dir is the folder of the log, made where it is not there.
	Dir string
	// Key signs checkpoints.
	Key ed25519.PrivateKey
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// SegmentSize is the size in bytes from which a segment ends; 0 is 64 MiB.
	SegmentSize int64
	// Checkpoint is how long records wait for a checkpoint at most; 0 is a
	// second.
	Checkpoint time.Duration
	// Logger is nil for slog.Default.
	Logger *slog.Logger
}

// A Log is an open audit log. Safe for concurrent use, by one process.
type Log struct {
	opt  Options
	lock *os.File

	mu sync.Mutex
	// waiting are the records of the next block; nil where there are none.
	waiting *group
	closed  bool
	// wake has one element where waiting is not nil.
	wake chan struct{}
	done chan struct{} // closed when the writer has ended
	// ask asks the writer for a checkpoint now.
	ask chan chan error

	// at is the end of the log, on disk. Only the writer changes it.
	at end
	// grown is closed and replaced when at changes.
	grown chan struct{}
	// file is the newest segment, and buf the block in the making.
	file *os.File
	buf  []byte
	// failed is why nothing is written any more.
	failed error
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

// A group is records that are written together.
type group struct {
	body  []byte
	count uint32
	done  chan struct{}
	err   error
}

// ErrClosed is the error of a log that was closed.
var ErrClosed = errors.New("audit: the log is closed")

// maxGroup bounds the bytes that wait for one write.
const maxGroup = 32 << 20

// Append adds records and returns once they are durable: nil, or why they are
// not. Records of one call stay together and in their order.
func (l *Log) Append(records ...Record) error {
	if len(records) == 0 {
		return nil
	}
	var body, text []byte
	for i := range records {
		text = records[i].append(text[:0])
		body = appendRecord(body, text)
	}
	g, err := l.join(body, len(records))
	if err != nil {
		return err
	}
	<-g.done
	return g.err
}

// join puts records into the group that is written next.
func (l *Log) join(body []byte, count int) (*group, error) {
	for {
		l.mu.Lock()
		if l.closed || l.failed != nil {
			err := l.failed
			l.mu.Unlock()
			if err == nil {
				err = ErrClosed
			}
			return nil, err
		}
		g := l.waiting
		if g != nil && len(g.body)+len(body) > maxGroup {
			l.mu.Unlock()
			<-g.done // it is full: come again
			continue
		}
		if g == nil {
			g = &group{done: make(chan struct{})}
			l.waiting = g
			l.wake <- struct{}{}
		}
		g.body = append(g.body, body...)
		g.count += uint32(count)
		l.mu.Unlock()
		return g, nil
	}
}

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
			l.writeGroup()
			if due == nil {
				due = time.After(l.opt.Checkpoint)
			}
		case <-due:
			due = nil
			if err := l.checkpoint(); err != nil {
				l.fail(err)
			}
		case answer := <-l.ask:
			err := l.failed
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

func (l *Log) writeGroup() {
	l.mu.Lock()
	g := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	if g.err = l.failed; g.err == nil {
		if g.err = l.write(kindRecords, g.count, g.body); g.err == nil && l.at.size >= l.opt.SegmentSize {
			if err := l.rotate(); err != nil {
				l.fail(err)
			}
		}
	}
	if g.err != nil {
		l.fail(g.err)
	}
	close(g.done)
}

// fail ends writing: after an error nobody knows what is on disk.
func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = fmt.Errorf("audit: the log cannot be written: %w", err)
		l.opt.Logger.Error("the audit log cannot be written; requests are refused until the server is started again", "error", err)
	}
}

// write adds a block and makes it durable.
func (l *Log) write(kind blockKind, count uint32, body []byte) error {
	l.buf = append(beginBlock(l.buf), body...)
	block, h := sealBlock(l.buf, kind, l.at.next, count, l.at.hash)
	l.buf = block
	if _, err := l.file.WriteAt(block, l.at.size); err != nil {
		return err
	}
	if err := syncData(l.file); err != nil {
		return err
	}
	l.mu.Lock()
	l.at.hash, l.at.size, l.at.next = h, l.at.size+int64(len(block)), l.at.next+uint64(count)
	close(l.grown)
	l.grown = make(chan struct{})
	l.mu.Unlock()
	if cap(l.buf) > 4<<20 {
		l.buf = nil
	}
	return nil
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
		err = l.write(kindCheckpoint, 0, text)
	}
	if err == nil {
		err = writeHead(l.opt.Dir, &c)
	}
	l.signed = c.Records
	return err
}

// segmentStart is the body of the first block of a segment.
type segmentStart struct {
	Segment uint64    `json:"segment"`
	Created time.Time `json:"created"`
	// Before is the hash of the block before, in hex.
	Before string `json:"before"`
	// Key is the public key that checkpoints are signed with from here on.
	Key ed25519.PublicKey `json:"key"`
}

// rotate ends the segment with a checkpoint and begins the next.
func (l *Log) rotate() error {
	if err := l.checkpoint(); err != nil {
		return err
	}
	old := l.file
	if err := l.begin(l.at.segment + 1); err != nil {
		return err
	}
	return old.Close()
}

// begin makes a segment.
func (l *Log) begin(segment uint64) error {
	f, err := os.OpenFile(l.segment(segment), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	text, err := json.Marshal(segmentStart{segment, l.opt.Now().UTC(), hex.EncodeToString(l.at.hash[:]), l.opt.Key.Public().(ed25519.PublicKey)})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.mu.Lock()
	l.file, l.at.segment, l.at.size = f, segment, 0
	l.mu.Unlock()
	if err := l.write(kindSegment, 0, text); err != nil {
		return err
	}
	return syncDir(l.opt.Dir)
}

func (l *Log) segment(n uint64) string { return filepath.Join(l.opt.Dir, segmentName(n)) }

func segmentName(n uint64) string { return fmt.Sprintf("%08d.log", n) }

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
	return errors.Join(err, l.file.Close(), l.lock.Close())
}

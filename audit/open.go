package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Damage is something in the files that a Log never wrote.
type Damage struct {
	// File is the name in the folder, and Offset where in it.
	File   string
	Offset int64
	// Record is the number of the first record that cannot be trusted; 0 where
	// that is not known.
	Record uint64
	Text   string
}

func (d *Damage) Error() string {
	at := d.File
	if d.Offset > 0 {
		at += fmt.Sprintf(" at byte %d", d.Offset)
	}
	if d.Record > 0 {
		at += fmt.Sprintf(" (record %d)", d.Record)
	}
	return "audit: " + at + ": " + d.Text
}

// ErrKey says that a log was signed with another key.
var ErrKey = errors.New("audit: the log was signed with another key")

// Open opens a log, or begins one. What a crash left of a block that was never
// acknowledged is cut off, and recorded. Any other flaw in the newest segment
// is a *Damage, and nothing is changed; Verify looks at the older ones.
func Open(opt Options) (*Log, error) {
	if len(opt.Key) != ed25519.PrivateKeySize {
		return nil, errors.New("audit: there is no key to sign checkpoints with")
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.SegmentSize == 0 {
		opt.SegmentSize = 64 << 20
	}
	if opt.Checkpoint == 0 {
		opt.Checkpoint = time.Second
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
		return nil, err
	}
	l := &Log{opt: opt, wake: make(chan struct{}, 1), done: make(chan struct{}), ask: make(chan chan error), grown: make(chan struct{}), at: end{next: 1}}
	if err := l.open(); err != nil {
		if l.file != nil {
			err = errors.Join(err, l.file.Close())
		}
		if l.lock != nil {
			err = errors.Join(err, l.lock.Close())
		}
		return nil, err
	}
	return l, nil
}

func (l *Log) open() (err error) {
	if l.lock, err = os.OpenFile(filepath.Join(l.opt.Dir, "LOCK"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if err := lockFile(l.lock); err != nil {
		return fmt.Errorf("audit: another process has the log %s open: %w", l.opt.Dir, err)
	}
	segments, err := segmentsIn(l.opt.Dir)
	if err != nil {
		return err
	}
	head, err := readHead(l.opt.Dir)
	if err != nil {
		return err
	}
	cut := int64(0)
	switch {
	case len(segments) > 0:
		if cut, err = l.resume(segments[len(segments)-1], head); err != nil {
			return err
		}
	case head != nil:
		return &Damage{File: headName, Text: "it tells of records, but the segments are gone"}
	default:
		if err := l.begin(1); err != nil {
			return err
		}
	}
	go l.run()
	return l.tellCut(cut)
}

// tellCut records that the end of the log was cut off.
func (l *Log) tellCut(cut int64) error {
	if cut == 0 {
		return nil
	}
	l.opt.Logger.Warn("the audit log ended in a block that a crash cut short and that was never acknowledged; it was removed", "bytes", cut)
	return l.Append(Record{Time: l.opt.Now().UTC(), Class: ClassLog, Action: "recovered", Detail: fmt.Sprintf("%d bytes of an incomplete block were removed from segment %d", cut, l.at.segment)})
}

// segmentsIn lists the numbers of the segments in a folder, in order.
func segmentsIn(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []uint64
	for _, e := range entries {
		if digits, ok := strings.CutSuffix(e.Name(), ".log"); ok && len(digits) == 8 {
			if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
				all = append(all, n)
			}
		}
	}
	slices.Sort(all)
	return all, nil
}

// resume goes to the end of the newest segment and cuts off what a crash left
// there: cut is how many bytes.
func (l *Log) resume(segment uint64, head *Checkpoint) (cut int64, err error) {
	if l.file, err = os.OpenFile(l.segment(segment), os.O_RDWR, 0); err != nil {
		return 0, err
	}
	info, err := l.file.Stat()
	if err != nil {
		return 0, err
	}
	s := newSegmentReader(l.file, segmentName(segment))
	for {
		b, err := s.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			if cut = info.Size() - s.end; !torn(err, s, info.Size(), head, segment) {
				return 0, s.damage(err)
			}
			break
		}
		l.at = end{segment: segment, size: s.end, next: b.next(), hash: b.hash}
		if b.kind == kindCheckpoint {
			l.signed = b.next() - 1
		}
	}
	if s.end == 0 {
		return 0, l.restart(segment, head)
	}
	if !bytes.Equal(s.start.Key, l.opt.Key.Public().(ed25519.PublicKey)) {
		return 0, ErrKey
	}
	if head != nil && (head.Segment > segment || head.Segment == segment && head.Size > l.at.size) {
		return 0, &Damage{File: segmentName(segment), Offset: l.at.size, Text: fmt.Sprintf("it ends before the %d records that %s tells of", head.Records, headName)}
	}
	if cut > 0 {
		err = errors.Join(l.file.Truncate(s.end), l.file.Sync())
	}
	return cut, err
}

// restart begins a segment anew whose first block never got to disk.
func (l *Log) restart(segment uint64, head *Checkpoint) error {
	if segment == 1 && head == nil {
		return errors.Join(l.file.Close(), os.Remove(l.segment(segment)), l.begin(1))
	}
	if head == nil || head.Segment != segment-1 {
		return &Damage{File: segmentName(segment), Text: "it has no first block"}
	}
	name := l.segment(segment)
	if err := errors.Join(l.file.Close(), os.Remove(name)); err != nil {
		return err
	}
	l.file = nil
	if _, err := l.resume(segment-1, head); err != nil {
		return err
	}
	old := l.file
	return errors.Join(l.begin(segment), old.Close())
}

// torn reports whether a flaw is what a crash leaves: part of the last write,
// behind what HEAD tells of.
func torn(err error, s *segmentReader, size int64, head *Checkpoint, segment uint64) bool {
	if head != nil && head.Segment == segment && s.end < head.Size {
		return false
	}
	switch {
	case errors.Is(err, errCut):
		return true
	case errors.Is(err, errBlock), errors.Is(err, errChain):
		// The last write may have got to disk in any part; what follows it
		// was written after it was durable.
		return s.r.offset >= size || errors.Is(err, errBlock) && s.empty(size)
	}
	return false
}

// A segmentReader reads a segment from its start.
type segmentReader struct {
	r    *blockReader
	file *os.File
	name string
	// end is where the last good block ends.
	end int64
	// next record
	number uint64
	start  *segmentStart
}

func newSegmentReader(f *os.File, name string) *segmentReader {
	return &segmentReader{r: &blockReader{r: io.NewSectionReader(f, 0, 1<<62)}, file: f, name: name}
}

// next reads a block whose place in the chain is right.
func (s *segmentReader) next() (block, error) {
	b, err := s.r.next()
	if s.start == nil && (err == nil || errors.Is(err, errChain)) {
		err = s.readStart(&b)
	}
	if err != nil {
		return b, err
	}
	if s.number != 0 && b.first != s.number {
		return b, errChain
	}
	s.end, s.number = s.r.offset, b.next()
	return b, nil
}

// readStart takes the hash before the segment from its first block, which says
// what it is.
func (s *segmentReader) readStart(b *block) error {
	var start segmentStart
	if b.kind != kindSegment || json.Unmarshal(b.body, &start) != nil || segmentName(start.Segment) != s.name {
		return errBlock
	}
	before, err := hex.DecodeString(start.Before)
	if err != nil || len(before) != hashSize {
		return errBlock
	}
	if chain(hash(before), s.r.buf[:headSize+len(b.body)]) != b.hash {
		return errChain
	}
	s.r.before, s.start = b.hash, &start
	return nil
}

// empty reports whether the file has nothing but zeros after the last good
// block.
func (s *segmentReader) empty(size int64) bool {
	rest, err := io.ReadAll(io.NewSectionReader(s.file, s.end, min(size-s.end, maxBody)))
	return err == nil && !slices.ContainsFunc(rest, func(c byte) bool { return c != 0 })
}

func (s *segmentReader) damage(err error) error {
	d := &Damage{File: s.name, Offset: s.end, Record: s.number}
	switch {
	case errors.Is(err, errChain):
		d.Text = "what is here was altered, or is not in its place: the hash does not follow from what is before"
	case errors.Is(err, errBlock):
		d.Text = "what is here was altered: it is no block of the log"
	case errors.Is(err, errCut):
		d.Text = "the file was cut off here"
	default:
		return err
	}
	return d
}

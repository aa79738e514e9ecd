package audit

import (
	"bytes"
	"crypto/ed25519"
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
	switch opt.Durability {
	case "":
		opt.Durability = Disk
	case Disk, Process:
	default:
		return nil, fmt.Errorf("audit: %q is no durability", opt.Durability)
	}
	if opt.Pace == 0 {
		opt.Pace = usualPace
	}
	if opt.after == nil {
		opt.after = after
	}
	window := opt.Durability == Process && opt.writeAt == nil
	if opt.writeAt == nil {
		opt.writeAt = (*os.File).WriteAt
	}
	if opt.sync == nil {
		opt.sync = syncData
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
		return nil, err
	}
	l := &Log{opt: opt, sealed: cabinet{keys: opt.Keys}, wake: make(chan struct{}, 1), enough: make(chan struct{}, 1), done: make(chan struct{}), ask: make(chan chan error), grown: make(chan struct{}), at: end{next: 1}, crowd: crowd{turn: 1}, early: early{window: window, written: make(chan struct{}, 1)}}
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
	l.safe = l.at
	if now := l.opt.Durability == Process; now != (head.durability() == Process) {
		// From now on, HEAD says so.
		if err := l.checkpoint(); err != nil {
			return err
		}
	}
	l.early.open.Store(l.opt.Durability == Process)
	go l.run()
	return l.tellCut(cut, head.durability())
}

// tellCut records that the end of the log was cut off, or that it may be missing:
// before was the durability of the log.
func (l *Log) tellCut(cut int64, before Durability) error {
	var detail string
	switch {
	case cut > 0 && before == Process:
		detail = fmt.Sprintf("%d bytes were removed from segment %d: records of accesses that changed nothing and were not on disk, of a second or less, or of what was never acknowledged", cut, l.at.segment)
	case cut > 0:
		detail = fmt.Sprintf("%d bytes of an incomplete block were removed from segment %d", cut, l.at.segment)
	case before == Process && l.unclosed:
		detail = "the log was not closed: if the machine lost power, records of accesses that changed nothing may be missing, of a second or less"
	default:
		return nil
	}
	l.opt.Logger.Warn("the audit log was not closed, and is sound up to its end", "recorded", detail)
	return l.Append(Record{Time: l.opt.Now().UTC(), Class: ClassLog, Action: "recovered", Detail: detail})
}

// segmentsIn lists the numbers of the segments in a folder, in order.
func segmentsIn(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []uint64
	for _, e := range entries {
		if isSegment(e.Name()) {
			n, _ := strconv.ParseUint(e.Name()[:8], 10, 64) // it is one
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// isSegment reports whether a name is that of a segment.
func isSegment(name string) bool {
	digits, ok := strings.CutSuffix(name, ".log")
	_, err := strconv.ParseUint(digits, 10, 64)
	return ok && len(digits) == 8 && err == nil
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
	s := newSegmentReader(l.file, segmentName(segment), nil)
	for {
		b, err := s.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			rest, readErr := s.rest()
			if readErr != nil {
				return 0, readErr
			}
			if !rest.torn(err, head.durability()) || head.covers(segment, s.end) {
				return 0, s.damage(err)
			}
			cut = rest.size
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
	if head == nil {
		l.signed = 0 // whatever checkpoint there is, HEAD is to tell of it
	} else {
		l.signed = min(l.signed, head.Records)
	}
	if !bytes.Equal(s.start.Key, l.opt.Key.Public().(ed25519.PublicKey)) {
		return 0, ErrKey
	}
	if head != nil && (head.Segment > segment || head.Segment == segment && head.Size > l.at.size) {
		return 0, &Damage{File: segmentName(segment), Offset: l.at.size, Text: fmt.Sprintf("it ends before the %d records that %s tells of", head.Records, headName)}
	}
	l.unclosed = info.Size() > s.end || l.signed != l.at.next-1
	l.reserved = s.end
	return cut, errors.Join(l.file.Truncate(s.end), l.file.Sync())
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

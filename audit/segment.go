package audit

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tarnhealth/tarn/durable"
)

// segmentStart is the body of the first block of a segment.
type segmentStart struct {
	Segment uint64    `json:"segment"`
	Created time.Time `json:"created"`
	// Before is the hash of the block before, in hex.
	Before string `json:"before"`
	// Key is the public key that checkpoints are signed with from here on.
	Key ed25519.PublicKey `json:"key"`
}

// rotate ends the segment with a checkpoint and begins the next. Nobody writes
// meanwhile.
func (l *Log) rotate() error {
	l.tail.Lock()
	defer l.tail.Unlock()
	c, err := l.putCheckpoint()
	if err != nil {
		return err
	}
	if err := l.signedTo(c, l.at); err != nil {
		return err
	}
	old := l.file
	// What was reserved is not needed; the next segment must not be there
	// before that is durable.
	l.window.close()
	if err := errors.Join(old.Truncate(l.at.size), old.Sync()); err != nil {
		return err
	}
	if err := l.begin(l.at.segment + 1); err != nil {
		return err
	}
	return old.Close()
}

// begin makes a segment. Where it cannot, the log ends where it did. l.tail is
// held, or there is no writer yet.
func (l *Log) begin(segment uint64) error {
	f, err := os.OpenFile(l.segment(segment), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	text, err := json.Marshal(segmentStart{segment, l.opt.Now().UTC(), hex.EncodeToString(l.at.hash[:]), l.opt.Key.Public().(ed25519.PublicKey)})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.window.close()
	before, at, reserved := l.file, l.at, l.reserved
	l.file, l.reserved, l.at.segment, l.at.size = f, 0, segment, 0
	if err = l.put(kindSegment, text); err == nil {
		err = l.settle(l.at)
	}
	if err != nil {
		l.file, l.at, l.reserved = before, at, reserved
		return errors.Join(err, f.Close(), os.Remove(l.segment(segment)))
	}
	return durable.SyncFolder(l.opt.Dir)
}

func (l *Log) segment(n uint64) string { return filepath.Join(l.opt.Dir, segmentName(n)) }

func segmentName(n uint64) string { return fmt.Sprintf("%08d.log", n) }

// How much of a segment is written ahead, as much as it has but within these.
const (
	leastReserve = 64 << 10
	mostReserve  = 4 << 20
)

// zeros are written a page at a time: what is written in larger pieces the
// Linux kernel keeps in larger pieces, and then takes twice the time to write a
// few bytes of one.
var zeros [4 << 10]byte

// reserve writes zeros behind a block of n bytes that comes next where there is
// no room for it, so that most blocks lie where the file has been written
// before: making them durable then changes nothing but them. It may fail, since
// nothing depends on it.
func (l *Log) reserve(n int64) {
	end := l.at.size + n
	if end <= l.reserved {
		return
	}
	to := min(end+min(max(l.at.size, leastReserve), mostReserve), l.opt.SegmentSize)
	for at := end; at < to; {
		k, err := l.file.WriteAt(zeros[:min(int64(len(zeros)), to-at)], at)
		if at += int64(k); err != nil {
			to = at
		}
	}
	l.reserved = max(end, to)
	l.window.close()
	if l.early.window && to > end { // the file is that long
		l.window.open(l.file, l.at.size, to)
	}
}

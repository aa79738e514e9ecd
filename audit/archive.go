package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/tarnhealth/tarn/durable"
)

// An Archive keeps the segments of a log that are full elsewhere, each as two
// files:
//
//	00000001.log.gz     the segment as it is: Verify and Each read it, and
//	                    `gunzip` makes it what it was
//	00000001.ndjson.gz  its records as AuditEvent resources, one in a line
type Archive struct {
	Log *Log
	// Dir is the folder of the archive, made where it is not there; To is where
	// it is otherwise.
	Dir string
	To  Vault
	// Keep is how long the log itself keeps a segment after its last record;
	// 0 is for good. It is removed only when it is archived, and the log
	// records that.
	Keep time.Duration
	// Needed, where not nil, is the lowest number of a record that is still to
	// be handed on: its segment stays.
	Needed func(context.Context) (uint64, error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// actionRemoved is the action of the record that segments were archived and
// removed; its entity is the number of the last one.
const actionRemoved = "segments-removed"

// Run archives what is full and not archived yet, and removes what is to be
// kept no longer. It returns how many segments it archived and removed.
func (a *Archive) Run(ctx context.Context) (archived, removed int, err error) {
	segments, err := segmentsIn(a.Log.opt.Dir)
	if err != nil {
		return 0, 0, err
	}
	there, err := a.vault().Names(ctx)
	if err != nil {
		return 0, 0, err
	}
	a.Log.mu.Lock()
	current := a.Log.safe.segment
	a.Log.mu.Unlock()
	for _, n := range segments {
		if n >= current || ctx.Err() != nil {
			break
		}
		made, err := a.keep(ctx, n, there)
		if err != nil {
			return archived, 0, fmt.Errorf("audit: segment %d cannot be archived: %w", n, err)
		}
		if made {
			archived++
		}
	}
	if ctx.Err() != nil {
		return archived, 0, ctx.Err()
	}
	removed, err = a.remove(ctx, segments, current)
	return archived, removed, err
}

func (a *Archive) vault() Vault {
	if a.To == nil {
		return FolderVault(a.Dir)
	}
	return a.To
}

// keep archives one segment where it is not there yet.
func (a *Archive) keep(ctx context.Context, n uint64, there []string) (made bool, err error) {
	base := fmt.Sprintf("%08d", n)
	if slices.Contains(there, base+".log.gz") && slices.Contains(there, base+".ndjson.gz") {
		return false, nil
	}
	source := a.Log.segment(n)
	err = a.vault().Put(ctx, base+".ndjson.gz", compressed(func(w io.Writer) error {
		return walkFile(segmentFile{name: source}, a.Log.opt.Keys, false, func(_ *segmentReader, b *block) error { return writeEvents(w, b) },
			func(s *segmentReader, err error, _ *remainder) error { return s.damage(err) })
	}))
	if err != nil {
		return false, err
	}
	return true, a.vault().Put(ctx, base+".log.gz", compressed(func(w io.Writer) error {
		f, err := os.Open(source)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	}))
}

// compressed is what fill writes, gzipped.
func compressed(fill func(io.Writer) error) func(io.Writer) error {
	return func(to io.Writer) error {
		z := gzip.NewWriter(to)
		w := bufio.NewWriterSize(z, 64<<10)
		err := fill(w)
		return errors.Join(err, w.Flush(), z.Close())
	}
}

// writeEvents writes the records of a block as AuditEvents.
func writeEvents(w io.Writer, b *block) error {
	if b.kind == kindSealed {
		return ErrSealed
	}
	if b.kind != kindRecords {
		return nil
	}
	return b.texts(func(number uint64, text []byte) error {
		s, err := decode(number, text)
		if err != nil {
			return err
		}
		events, err := Events(&s)
		if err != nil {
			return err
		}
		return NDJSON{w}.Write(context.Background(), events)
	})
}

// remove removes the oldest segments that are to be kept no longer.
func (a *Archive) remove(ctx context.Context, segments []uint64, current uint64) (int, error) {
	if a.Keep <= 0 {
		return 0, nil
	}
	needed := uint64(1<<64 - 1)
	if a.Needed != nil {
		var err error
		if needed, err = a.Needed(ctx); err != nil {
			return 0, err
		}
	}
	now := time.Now
	if a.Now != nil {
		now = a.Now
	}
	count := 0
	for count < len(segments) && segments[count] < current {
		created, first, err := startOf(a.Log.segment(segments[count] + 1))
		if err != nil {
			return 0, err
		}
		if now().Sub(created) < a.Keep || first > needed {
			break
		}
		count++
	}
	if count == 0 {
		return 0, nil
	}
	last := segments[count-1]
	if err := a.Log.Append(Record{
		Time: now().UTC(), Class: ClassLog, Action: actionRemoved, Entities: []string{strconv.FormatUint(last, 10)},
		Detail: fmt.Sprintf("segments up to %d were archived, and removed from the log", last),
	}); err != nil {
		return 0, err
	}
	// HEAD must not speak of a segment that is gone.
	if err := a.Log.Checkpoint(); err != nil {
		return 0, err
	}
	for _, n := range segments[:count] {
		if err := os.Remove(a.Log.segment(n)); err != nil {
			return 0, err
		}
	}
	return count, durable.SyncFolder(a.Log.opt.Dir)
}

// startOf is when a segment began, and its first record.
func startOf(name string) (created time.Time, first uint64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return created, 0, err
	}
	defer f.Close()
	s := newSegmentReader(f, filepath.Base(name), nil)
	b, err := s.next()
	if err != nil {
		return created, 0, s.damage(err)
	}
	return s.start.Created, b.first, nil
}

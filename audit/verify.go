package audit

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/tarnhealth/tarn/crypt/seal"
)

// A Verification is what Verify found of a sound log.
type Verification struct {
	// First and Last are the numbers of the records; Last is 0 where there are
	// none.
	First, Last uint64
	Segments    int
	Checkpoints int
	// Signed is the number of the last record that a checkpoint covers, and
	// Time when it was signed.
	Signed uint64
	Time   time.Time
	// Head is the hash at the end, in hex.
	Head string
	// Unfinished is how many bytes of a block that is being written, or that a
	// crash cut short, the log ends with; with Process also of those behind it.
	Unfinished int64
	// Durability is what the latest checkpoint says; "" is Disk.
	Durability Durability
}

// Verify reads the log in a folder, and the segments archived from it where
// archive is not "", from its first record to its last, and checks each hash,
// number and signature. The error is a *Damage where something was altered,
// removed or put elsewhere. A server may have the log open.
//
// What came after the latest checkpoint, a second's worth, is held together by
// its hashes alone: someone who can write to the folder could cut it off.
// expect are checkpoints that were kept elsewhere, where not nil: the log must
// have them.
func Verify(dir, archive string, keys []ed25519.PublicKey, expect ...Checkpoint) (Verification, error) {
	return Folder{Dir: dir, Archive: archive}.Verify(keys, expect...)
}

// Verify is Verify of the package, with keys for the records.
func (f Folder) Verify(keys []ed25519.PublicKey, expect ...Checkpoint) (Verification, error) {
	// HEAD is read first: a server that runs goes on meanwhile.
	head, err := readHead(f.Dir)
	if err != nil {
		return Verification{}, err
	}
	v := &verifier{keys: keys, expect: expect, found: make([]bool, len(expect)), head: head}
	if err := f.walk(v.block, v.flaw); err != nil {
		return v.Verification, err
	}
	return v.Verification, v.finish()
}

// A verifier is one call of Verify.
type verifier struct {
	Verification
	keys     []ed25519.PublicKey
	expect   []Checkpoint
	found    []bool
	head     *Checkpoint
	headSeen bool

	hash    hash
	started bool
	segment *segmentReader
	// missing is how many segments before the first one are not there, and
	// removed how many the log says were archived.
	missing, removed uint64
}

func (v *verifier) block(s *segmentReader, b *block) error {
	if s != v.segment {
		if err := v.begin(s, b); err != nil {
			return err
		}
	}
	if v.First == 0 {
		v.First = b.first
	}
	switch b.kind {
	case kindSegment:
	case kindSealed: // without the keys, its hash and its place are all there is to check
	case kindCheckpoint:
		if err := v.checkpoint(s, b); err != nil {
			return err
		}
	case kindRecords:
		if err := v.records(s, b); err != nil {
			return err
		}
	default:
		return &Damage{File: s.name, Offset: s.end, Text: "it holds a block of no known kind"}
	}
	v.hash, v.Last = b.hash, b.next()-1
	return nil
}

// begin checks that a segment follows the one before.
func (v *verifier) begin(s *segmentReader, b *block) error {
	number := s.start.Segment
	switch {
	case !v.started:
		v.missing = number - 1
	case number != v.segment.start.Segment+1:
		return &Damage{File: segmentName(v.segment.start.Segment + 1), Record: v.Last + 1, Text: "the segment is gone"}
	case s.start.Before != hex.EncodeToString(v.hash[:]) || b.first != v.Last+1:
		return &Damage{File: s.name, Record: b.first, Text: "the segment does not follow from the one before: something was altered or removed"}
	}
	if number == 1 && s.start.Before != hex.EncodeToString(make([]byte, hashSize)) {
		return &Damage{File: s.name, Text: "the first segment was altered"}
	}
	v.segment, v.started = s, true
	v.Segments++
	return nil
}

func (v *verifier) checkpoint(s *segmentReader, b *block) error {
	c, err := checkpointBody(b)
	if err != nil || c.Hash != hex.EncodeToString(v.hash[:]) || c.Records != v.Last || !c.Check(v.keys...) {
		return &Damage{File: s.name, Offset: s.end, Text: "the checkpoint is not signed with the server's key, or not for what is before it"}
	}
	v.Checkpoints++
	v.Signed, v.Time, v.Durability = c.Records, c.Time, c.Durability
	v.headSeen = v.headSeen || v.head != nil && v.head.Hash == c.Hash && v.head.Records == c.Records
	for i, e := range v.expect {
		v.found[i] = v.found[i] || e.Hash == c.Hash && e.Records == c.Records
	}
	return nil
}

// records reads each record, for what the chain protects should be readable
// too, and learns which segments were archived.
func (v *verifier) records(s *segmentReader, b *block) error {
	err := b.texts(func(number uint64, text []byte) error {
		r, err := decode(number, text)
		if err == nil && r.Class == ClassLog && r.Action == actionRemoved && len(r.Entities) == 1 {
			n, _ := strconv.ParseUint(r.Entities[0], 10, 64)
			v.removed = max(v.removed, n)
		}
		return err
	})
	if err != nil {
		return &Damage{File: s.name, Offset: s.end, Record: b.first, Text: err.Error()}
	}
	return nil
}

// flaw judges a block that is not sound.
func (v *verifier) flaw(s *segmentReader, err error, rest *remainder) error {
	if !s.torn(err, rest, v.head) {
		return s.damage(err)
	}
	v.Unfinished = rest.size
	return nil
}

// finish checks what only the whole log shows.
func (v *verifier) finish() error {
	v.Head = hex.EncodeToString(v.hash[:])
	if v.missing > v.removed {
		return &Damage{File: segmentName(v.removed + 1), Text: fmt.Sprintf("the log begins with segment %d; those before are gone, and the log does not say that they were archived", v.missing+1)}
	}
	if v.head != nil && !v.head.Check(v.keys...) {
		return &Damage{File: headName, Text: "it is not signed with the server's key"}
	}
	if v.head != nil && !v.headSeen {
		return &Damage{File: headName, Record: v.Last + 1, Text: fmt.Sprintf("it tells of %d records with a hash that the log does not have: the end of the log was removed, or the log was made anew", v.head.Records)}
	}
	if v.head == nil && v.Checkpoints > 0 {
		return &Damage{File: headName, Text: "it is gone"}
	}
	for i, found := range v.found {
		if !found {
			return &Damage{File: headName, Text: fmt.Sprintf("the checkpoint of %d records at %s that was kept elsewhere is not in the log", v.expect[i].Records, v.expect[i].Time.Format(time.RFC3339))}
		}
	}
	return nil
}

// walk reads the blocks of all segments of a folder and its archive, in order.
// flaw is asked about a block that cannot be read; rest is what the newest
// segment has from there on, and nil in others.
func (f Folder) walk(each func(*segmentReader, *block) error, flaw func(s *segmentReader, err error, rest *remainder) error) error {
	files, err := segmentFiles(f.Dir, f.vault())
	if err != nil {
		return err
	}
	for i, name := range files {
		if err := walkFile(name, f.Keys, i == len(files)-1, each, flaw); err != nil {
			return err
		}
	}
	return nil
}

// A segmentFile is a segment: a path, or in a vault, where that is not nil, a
// name there.
type segmentFile struct {
	name  string
	vault Vault
}

// segmentFiles are the segments, each once, the oldest first.
func segmentFiles(dir string, archive Vault) ([]segmentFile, error) {
	own, err := segmentsIn(dir)
	if err != nil {
		return nil, err
	}
	var files []segmentFile
	if archive != nil {
		names, err := archive.Names(context.Background())
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if segment, ok := strings.CutSuffix(name, ".gz"); ok && isSegment(segment) && (len(own) == 0 || segment < segmentName(own[0])) {
				files = append(files, segmentFile{name, archive})
			}
		}
	}
	for _, n := range own {
		files = append(files, segmentFile{name: filepath.Join(dir, segmentName(n))})
	}
	return files, nil
}

func walkFile(file segmentFile, keys seal.Keys, last bool, each func(*segmentReader, *block) error, flaw func(*segmentReader, error, *remainder) error) error {
	if file.vault != nil {
		return walkArchived(file, keys, each, flaw)
	}
	f, err := os.Open(file.name)
	if err != nil {
		return err
	}
	defer f.Close()
	return newSegmentReader(f, filepath.Base(file.name), keys).walk(last, each, flaw)
}

func walkArchived(file segmentFile, keys seal.Keys, each func(*segmentReader, *block) error, flaw func(*segmentReader, error, *remainder) error) error {
	f, err := file.vault.Open(context.Background(), file.name)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return &Damage{File: file.name, Text: err.Error()}
	}
	defer z.Close()
	s := newSegmentReader(nil, strings.TrimSuffix(file.name, ".gz"), keys)
	s.r.r = z
	return s.walk(false, each, flaw)
}

// walk reads the blocks. One of the newest segment that cannot be read may be
// about to be written: it is read again, after a look at what is behind it.
func (s *segmentReader) walk(last bool, each func(*segmentReader, *block) error, flaw func(*segmentReader, error, *remainder) error) error {
	var rest *remainder
	for {
		b, err := s.next()
		switch {
		case err == io.EOF:
			return nil
		case err == nil:
			rest = nil
			if err := each(s, &b); err != nil {
				return err
			}
		case last && s.file != nil && rest == nil:
			if rest, err = s.rest(); err != nil {
				return err
			}
			s.again()
		default:
			return flaw(s, err, rest)
		}
	}
}

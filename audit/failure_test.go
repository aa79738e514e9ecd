package audit

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A failingDisk writes half of a block, and fails.
type failingDisk struct {
	err error
	// in is the end of the names of the files that fail, all where empty.
	in string
}

func (d *failingDisk) writeAt(f *os.File, block []byte, at int64) (int, error) {
	if d.err == nil || !strings.HasSuffix(f.Name(), d.in) {
		return f.WriteAt(block, at)
	}
	n, err := f.WriteAt(block[:len(block)/2], at)
	return n, errors.Join(d.err, err)
}

func (d *failingDisk) under(opt *Options) { opt.writeAt = d.writeAt }

// TestFullDiskPasses refuses records while the disk is full, takes them again
// when it is not, and has those that it took, no others, in a sound log.
func TestFullDiskPasses(t *testing.T) {
	for name, test := range map[string]struct {
		in   string
		size int64
	}{
		"a block":              {in: ".log", size: 1 << 20},
		"the next segment":     {in: "00000002.log", size: 300},
		"each of two segments": {in: ".log", size: 300},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			disk := &failingDisk{in: test.in}
			l := openLog(t, dir, disk.under, func(opt *Options) { opt.SegmentSize = test.size })
			var taken []string
			add := func(action string) error {
				err := l.Append(Record{Entities: []string{action}})
				if err == nil {
					taken = append(taken, action)
				}
				return err
			}
			if err := add("before"); err != nil {
				t.Fatal(err)
			}
			disk.err = syscall.ENOSPC
			for _, action := range []string{"full-1", "full-2", "full-3"} {
				_ = add(strings.Repeat(action, 2000)) // the one that fills a segment is taken
			}
			if err := l.Failed(); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("on a full disk: %v", err)
			}
			disk.err = nil
			if err := add("after"); err != nil || l.Failed() != nil {
				t.Errorf("with space again: %v, %v", err, l.Failed())
			}
			if err := l.Checkpoint(); err != nil {
				t.Error(err)
			}
			if v := mustVerify(t, dir, uint64(len(taken))); v.Unfinished != 0 {
				t.Errorf("%d bytes that were refused are behind the end", v.Unfinished)
			}
			if got := entities(t, dir); !slices.Equal(got, taken) {
				t.Errorf("the log has %v, want %v", got, taken)
			}
		})
	}
}

// TestBrokenDiskLasts takes nothing after an error that is not that the disk is
// full, until the log is opened again.
func TestBrokenDiskLasts(t *testing.T) {
	dir := t.TempDir()
	disk := &failingDisk{}
	l := openLog(t, dir, disk.under)
	if err := l.Append(Record{Entities: []string{"before"}}); err != nil {
		t.Fatal(err)
	}
	disk.err = syscall.EIO
	if err := l.Append(Record{Entities: []string{"broken"}}); !errors.Is(err, syscall.EIO) {
		t.Errorf("on a broken disk: %v", err)
	}
	disk.err = nil
	if err := l.Append(Record{Entities: []string{"after"}}); !errors.Is(err, syscall.EIO) {
		t.Errorf("afterwards: %v", err)
	}
	_ = l.Close() // what failed is told by Append
}

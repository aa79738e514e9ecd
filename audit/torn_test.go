package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// killedLog makes a log as a process that was killed leaves it: zeros behind
// the last block, and no checkpoint of the last records.
func killedLog(t testing.TB, records int) (name string, content []byte, l *Log) {
	t.Helper()
	l = openLog(t, t.TempDir())
	appendAll(t, l, 1, records-1)
	last := record(records)
	last.Query = strings.Repeat("q", 3*sector)
	if err := l.Append(last); err != nil {
		t.Fatal(err)
	}
	name = l.segment(1)
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(content) < leastReserve || content[len(content)-1] != 0 {
		t.Fatalf("nothing is reserved: %d bytes", len(content))
	}
	l.Close()
	os.Remove(filepath.Join(l.Dir(), headName))
	write(t, name, content)
	return name, content, l
}

func TestWhatWasReservedIsNoDamage(t *testing.T) {
	_, _, l := killedLog(t, 5)
	if v := mustVerify(t, l.Dir(), 5); v.Unfinished != 0 {
		t.Errorf("%d bytes are unfinished", v.Unfinished)
	}
	l = openLog(t, l.Dir())
	if n, _ := l.End(); n != 5 {
		t.Errorf("%d records, want 5: nothing was cut off that had to be recorded", n)
	}
	appendAll(t, l, 6, 7)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustVerify(t, l.Dir(), 7)
	if info, err := os.Stat(l.segment(1)); err != nil || info.Size() != l.at.size {
		t.Errorf("a closed log has %d bytes, want %d: %v", info.Size(), l.at.size, err)
	}
}

// What a loss of power leaves of the last block has sectors missing. A block
// that is whole but for a byte was altered.
func TestAMissingSectorIsNoAlteration(t *testing.T) {
	name, content, l := killedLog(t, 5)
	end := len(bytes.TrimRight(content, "\x00"))
	blocks := blocksOf(t, name)
	begin := end - len(blocks[len(blocks)-1])
	for i := begin; i < end; i++ {
		altered := bytes.Clone(content)
		altered[i] ^= 1
		write(t, name, altered)
		var damage *Damage
		if _, err := verify(l.Dir()); !errors.As(err, &damage) && i < begin+17 || err == nil && (i < begin+17 || i > begin+20) {
			t.Errorf("byte %d of the last block altered: %v", i-begin, err)
		}
	}
	boundary := (begin + sector) / sector * sector
	for _, hole := range [][2]int{{begin, boundary}, {boundary, boundary + sector}, {boundary + sector, end}} {
		torn := bytes.Clone(content)
		clear(torn[hole[0]:hole[1]])
		write(t, name, torn)
		if v, err := verify(l.Dir()); err != nil || v.Unfinished == 0 || v.Last != 4 {
			t.Errorf("without the bytes %v: %+v %v", hole, v, err)
		}
		again, err := Open(l.opt)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := again.End(); n != 5 { // 4, and the record of the cut
			t.Errorf("%d records", n)
		}
		again.Close()
		os.Remove(filepath.Join(l.Dir(), headName))
	}
}

// TestVerifyWhileItGrows reads a log that is written all the time.
func TestVerifyWhileItGrows(t *testing.T) {
	t.Run("disk", func(t *testing.T) { verifyGrowing(t, Disk) })
	t.Run("process", func(t *testing.T) { verifyGrowing(t, Process) })
}

func verifyGrowing(t *testing.T, of Durability) {
	l := openLog(t, t.TempDir(), func(o *Options) { o.Durability = of }, func(o *Options) { o.Checkpoint, o.SegmentSize = time.Millisecond, 40_000 })
	for range 40 {
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				for n := range 10 { // not without end: who reads may be the slower one
					if err := l.Append(record(n)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		// HEAD may be there a moment after its checkpoint.
		var damage *Damage
		if _, err := verify(l.Dir()); errors.As(err, &damage) && damage.File != headName {
			t.Error(err)
		}
		wait.Wait()
	}
}

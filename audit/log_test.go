package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var testKey = Key(bytes.Repeat([]byte{7}, 32))

func publicKey(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func openLog(t testing.TB, dir string, change ...func(*Options)) *Log {
	t.Helper()
	opt := Options{Dir: dir, Key: testKey, Checkpoint: time.Hour, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&opt)
	}
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func small(opt *Options) { opt.SegmentSize = 1000 }

func record(n int) Record {
	return Record{Time: time.Date(2026, 1, 31, 12, 0, n%60, 0, time.UTC), Action: "read", Store: "default", Status: 200, Entities: []string{fmt.Sprintf("Patient/%d", n)}}
}

func appendAll(t testing.TB, l *Log, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := l.Append(record(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func verify(dir string) (Verification, error) {
	return Verify(dir, "", []ed25519.PublicKey{publicKey(testKey)})
}

func mustVerify(t testing.TB, dir string, last uint64) Verification {
	t.Helper()
	v, err := verify(dir)
	if err != nil || v.Last != last {
		t.Fatalf("Verify = %+v, %v; want %d records", v, err, last)
	}
	return v
}

func entities(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	err := Each(dir, "", func(s Stored) error {
		if int(s.Number) != len(all)+1 {
			t.Fatalf("record %d is the %dth", s.Number, len(all)+1)
		}
		all = append(all, strings.Join(s.Entities, " "))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAppendAndReopen(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir, small)
	appendAll(t, l, 1, 20)
	if _, err := Open(l.opt); err == nil {
		t.Error("two have the log open at once")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(record(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	l = openLog(t, dir, small)
	appendAll(t, l, 21, 40)
	if n, _ := l.End(); n != 40 {
		t.Errorf("End = %d", n)
	}
	v := mustVerify(t, dir, 40)
	if v.Segments < 3 || v.Checkpoints < v.Segments-1 {
		t.Errorf("%+v", v)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if v = mustVerify(t, dir, 40); v.Signed != 40 {
		t.Errorf("closed, %d are signed", v.Signed)
	}
	for i, e := range entities(t, dir) {
		if e != fmt.Sprintf("Patient/%d", i+1) {
			t.Fatalf("record %d is of %s", i+1, e)
		}
	}
}

func TestManyAppendAtOnce(t *testing.T) {
	l := openLog(t, t.TempDir(), func(o *Options) { o.SegmentSize, o.Checkpoint = 20_000, time.Millisecond })
	const writers, each = 16, 40
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for n := range each {
				if err := l.Append(record(w*each+n), Record{Action: "pair"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	all := entities(t, l.Dir())
	seen := map[string]bool{}
	for i := 0; i+1 < len(all); i += 2 {
		if seen[all[i]] = true; all[i] == "" || all[i+1] != "" {
			t.Fatalf("what came together is apart: %q %q", all[i], all[i+1])
		}
	}
	if len(seen) != writers*each {
		t.Errorf("%d different records, want %d", len(seen), writers*each)
	}
	mustVerify(t, l.Dir(), 2*writers*each)
}

func TestReaderGoesOn(t *testing.T) {
	l := openLog(t, t.TempDir(), small)
	r := l.Reader(3)
	defer r.Close()
	next := uint64(3)
	for round := range 5 {
		appendAll(t, l, round*10+1, round*10+10)
		for {
			got, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 {
				break
			}
			for _, s := range got {
				if s.Number != next || s.Entities[0] != fmt.Sprintf("Patient/%d", next) {
					t.Fatalf("record %d %v, want %d", s.Number, s.Entities, next)
				}
				next++
			}
		}
		if next != uint64(round*10+11) {
			t.Fatalf("round %d ends before %d", round, next)
		}
	}
}

// closedLog makes a log of several segments and checkpoints.
func closedLog(t testing.TB, change ...func(*Options)) string {
	t.Helper()
	dir := t.TempDir()
	l := openLog(t, dir, append(change, func(o *Options) { o.SegmentSize = 1200 })...)
	for n := 1; n <= 12; n++ {
		r := record(n)
		if n%3 == 0 {
			r.Action = "update" // which ends a segment at once
		}
		if err := l.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEveryAlteredByteIsFound(t *testing.T) {
	t.Run("disk", func(t *testing.T) { alterEveryByte(t, closedLog(t)) })
	t.Run("process", func(t *testing.T) { alterEveryByte(t, closedLog(t, process)) })
}

func alterEveryByte(t *testing.T, dir string) {
	mustVerify(t, dir, 12)
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, name := range append(files, filepath.Join(dir, headName)) {
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range good {
			bad := bytes.Clone(good)
			if bad[i] ^= 1; bad[i] == '\r' || bad[i] == ' ' {
				continue // white space between the members of HEAD
			}
			write(t, name, bad)
			if v, err := verify(dir); err == nil {
				t.Errorf("%s, byte %d (%q) altered: not found: %+v", filepath.Base(name), i, good[i], v)
			}
		}
		write(t, name, good)
	}
	mustVerify(t, dir, 12)
}

func write(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// blocksOf takes a segment file apart.
func blocksOf(t testing.TB, name string) [][]byte {
	t.Helper()
	rest, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for rest = bytes.TrimRight(rest, "\x00"); len(rest) > 0; {
		n := headSize + int(binary.BigEndian.Uint32(rest[17:])) + hashSize
		for len(rest) < n {
			rest = append(rest, 0) // of a hash that ends with it
		}
		all, rest = append(all, rest[:n]), rest[n:]
	}
	return all
}

func TestRemovedAndReorderedIsFound(t *testing.T) {
	for _, file := range []int{0, 1, 2, 3} {
		dir := closedLog(t, func(o *Options) { o.Durability = []Durability{Disk, Process}[file/2] })
		file %= 2
		segments, _ := filepath.Glob(filepath.Join(dir, "*.log"))
		name := segments[file]
		blocks := blocksOf(t, name)
		if len(blocks) < 4 {
			t.Fatalf("only %d blocks", len(blocks))
		}
		try := func(what string, order ...[]byte) {
			t.Helper()
			write(t, name, bytes.Join(order, nil))
			v, err := verify(dir)
			// With Process, what is added behind the end is told as unfinished.
			added := v.Durability == Process && v.Signed == 12 && v.Unfinished > 0
			if err == nil && !added {
				t.Errorf("segment %d: %s: not found: %+v", file, what, v)
			}
		}
		for i := range blocks {
			without := append(append([][]byte{}, blocks[:i]...), blocks[i+1:]...)
			try(fmt.Sprintf("block %d of %d removed", i, len(blocks)), without...)
			twice := append(append([][]byte{}, blocks[:i+1]...), blocks[i:]...)
			try(fmt.Sprintf("block %d twice", i), twice...)
			try(fmt.Sprintf("all from block %d cut off", i), blocks[:i]...)
			if i > 0 {
				swapped := append([][]byte{}, blocks...)
				swapped[i], swapped[i-1] = swapped[i-1], swapped[i]
				try(fmt.Sprintf("block %d before %d", i, i-1), swapped...)
			}
		}
	}
}

func TestRemovedSegmentIsFound(t *testing.T) {
	dir := closedLog(t)
	segments, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, name := range segments {
		good, _ := os.ReadFile(name)
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if v, err := verify(dir); err == nil {
			t.Errorf("%s removed: not found: %+v", filepath.Base(name), v)
		}
		write(t, name, good)
	}
	if err := os.Remove(filepath.Join(dir, headName)); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(dir); err == nil {
		t.Error("HEAD removed: not found")
	}
}

// Whoever makes the log anew without the key, hashes and all, is found.
func TestMadeAnewWithAnotherKey(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir, func(o *Options) { o.Key = Key(bytes.Repeat([]byte{8}, 32)) })
	appendAll(t, l, 1, 5)
	l.Close()
	var damage *Damage
	if _, err := verify(dir); !errors.As(err, &damage) || !strings.Contains(damage.Text, "signed") {
		t.Errorf("another key: %v", err)
	}
	head, err := readHead(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(dir, "", []ed25519.PublicKey{publicKey(l.opt.Key)}, *head); err != nil {
		t.Errorf("the right key and a checkpoint kept: %v", err)
	}
	head.Records--
	if _, err := Verify(dir, "", []ed25519.PublicKey{publicKey(l.opt.Key)}, *head); err == nil {
		t.Error("a kept checkpoint that is not there is not missed")
	}
}

func TestWhatACrashLeavesIsCut(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	appendAll(t, l, 1, 5)
	name := l.segment(1)
	blocks := blocksOf(t, name)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	os.Remove(filepath.Join(dir, headName)) // as before the first checkpoint
	last := len(whole) - len(blocks[len(blocks)-1])
	for size := last + 1; size < len(whole); size++ {
		write(t, name, whole[:size])
		l, err := Open(l.opt)
		if err != nil {
			t.Fatalf("%d bytes of the last block: %v", size-last, err)
		}
		if n, _ := l.End(); n != 5 { // 4, and the record of the cut
			t.Fatalf("%d records", n)
		}
		l.Close()
		mustVerify(t, dir, 5)
		os.Remove(filepath.Join(dir, headName))
	}
	write(t, name, append(bytes.Clone(whole[:last]), make([]byte, 700)...))
	if l, err = Open(l.opt); err != nil {
		t.Fatalf("zeros: %v", err)
	}
	l.Close()
	os.Remove(filepath.Join(dir, headName))
	whole[len(blocks[0])+headSize+10] ^= 1
	write(t, name, whole)
	var damage *Damage
	if _, err := Open(l.opt); !errors.As(err, &damage) {
		t.Errorf("an altered block in the middle: %v", err)
	}
}

func TestASegmentThatNeverBegan(t *testing.T) {
	dir := closedLog(t)
	segments, err := segmentsIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	next := segments[len(segments)-1] + 1
	write(t, filepath.Join(dir, segmentName(next)), []byte(magic))
	l := openLog(t, dir)
	appendAll(t, l, 13, 14)
	if l.at.segment != next {
		t.Errorf("segment %d, want %d", l.at.segment, next)
	}
	mustVerify(t, dir, 14)
}

func TestFailedWritesAreNotAcknowledged(t *testing.T) {
	l := openLog(t, t.TempDir())
	appendAll(t, l, 1, 1)
	l.file.Close()
	if err := l.Append(record(2)); err == nil {
		t.Error("a write to a closed file is acknowledged")
	}
	if err := l.Append(record(3)); err == nil || errors.Is(err, ErrClosed) {
		t.Errorf("after a failure: %v", err)
	}
}

// TestKill kills a process that appends, again and again, and looks for each
// record that it said was recorded.
func TestKill(t *testing.T) {
	if dir := os.Getenv("AUDIT_KILL_DIR"); dir != "" {
		appendForever(dir, Durability(os.Getenv("AUDIT_KILL_DURABILITY")))
		return
	}
	for _, of := range []Durability{Disk, Process} {
		t.Run(string(of), func(t *testing.T) { testKill(t, of) })
	}
}

func testKill(t *testing.T, of Durability) {
	dir := t.TempDir()
	for round := range 4 {
		before := len(entities(t, dir))
		acknowledged := killed(t, dir, of, 40+60*round)
		l := openLog(t, dir, func(o *Options) { o.Durability = of })
		n, _ := l.End()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		mustVerify(t, dir, n)
		found := map[string]bool{}
		for _, e := range entities(t, dir)[before:] {
			found[e] = true
		}
		for _, a := range acknowledged {
			if !found[a] {
				t.Errorf("round %d: %s was acknowledged and is gone", round, a)
			}
		}
	}
}

// killed runs appendForever in a process and kills it after some records.
func killed(t *testing.T, dir string, of Durability, after int) []string {
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "AUDIT_KILL_DIR="+dir, "AUDIT_KILL_DURABILITY="+string(of))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if name, ok := strings.CutSuffix(lines.Text(), "."); ok && strings.HasPrefix(name, "Patient/") {
			all = append(all, name)
		}
		if len(all) == after {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	if len(all) < after {
		t.Fatalf("the process ended after %d records", len(all))
	}
	return all
}

func appendForever(dir string, of Durability) {
	l, err := Open(Options{Dir: dir, Key: testKey, Checkpoint: 2 * time.Millisecond, SegmentSize: 8000, Durability: of})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var out sync.Mutex
	var wait sync.WaitGroup
	for w := range 8 {
		wait.Go(func() {
			for n := w; ; n += 8 {
				r := record(n)
				if n%7 == 0 {
					r.Action = "update"
				}
				if err := l.Append(r); err != nil {
					os.Exit(1)
				}
				out.Lock()
				io.WriteString(os.Stdout, "Patient/"+strconv.Itoa(n)+".\n")
				out.Unlock()
			}
		})
	}
	wait.Wait()
}

func FuzzBlocks(f *testing.F) {
	dir := closedLog(f)
	seed, err := os.ReadFile(filepath.Join(dir, segmentName(1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:100])
	f.Fuzz(func(t *testing.T, src []byte) {
		r := &blockReader{r: bytes.NewReader(src)}
		for {
			b, err := r.next()
			if err != nil {
				return
			}
			_ = b.texts(func(n uint64, text []byte) error { _, err := decode(n, text); return err })
		}
	})
}

func BenchmarkAppend(b *testing.B) { benchmarkAppend(b) }

func benchmarkAppend(b *testing.B, change ...func(*Options)) {
	l := openLog(b, b.TempDir(), append(change, func(o *Options) { o.Checkpoint = time.Second })...)
	r := record(1)
	r.Agent = Agent{User: "c7f4e6f0-6a52-4a55-9a13-1cbf0c31", FHIRUser: "Practitioner/1", Client: "app", Address: "192.0.2.1"}
	r.Request, r.Patients = "OQTEUR7SGJDZ5MZNAAFTLRFAKE", []string{"1"}
	b.SetParallelism(32)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := l.Append(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

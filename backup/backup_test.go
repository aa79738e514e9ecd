package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/blob/blobtest"
	"github.com/tarnhealth/tarn/blob/s3blob"
)

var ctx = context.Background()

// content is what the files of a data folder hold, by their names.
type content map[string][]byte

func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// first is a small data folder; one file has several pieces, one is empty.
func first() content {
	return content{
		"stores/default/000001.sst": noise(1, 100_000),
		"stores/default/000002.sst": noise(2, 3*4096+17),
		"system/MANIFEST-1":         []byte("manifest"),
		"keys/default.json":         []byte("{}"),
		"stores/default/empty":      {},
	}
}

// snapshot writes the files to a folder of their own.
func snapshot(t *testing.T, c content) *backup.Snapshot {
	t.Helper()
	dir := t.TempDir()
	s := &backup.Snapshot{Taken: time.Now(), Program: "test", Stores: []backup.Store{{ID: "default", T: 7}}}
	for name, b := range c {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
		s.Files = append(s.Files, backup.Source{Name: name, Path: path, Size: -1, Piece: 4096, Known: strings.HasSuffix(name, ".sst")})
	}
	return s
}

func dirBucket(t *testing.T) (blob.Bucket, string) {
	t.Helper()
	dir := t.TempDir()
	b, err := blob.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, dir
}

func makePlace(t *testing.T, opt backup.Options) *backup.Place {
	t.Helper()
	p, err := backup.Make(ctx, opt)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func take(t *testing.T, p *backup.Place, s *backup.Snapshot) backup.Result {
	t.Helper()
	r, err := p.Take(ctx, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fetch is what a backup holds.
func fetch(p *backup.Place, id, dir string) (content, error) {
	m, err := p.Manifest(ctx, id)
	if err != nil {
		return nil, err
	}
	err = p.Fetch(ctx, m, func(f backup.File) string { return filepath.Join(dir, filepath.FromSlash(f.Name)) }, nil)
	if err != nil {
		return nil, err
	}
	c := content{}
	for _, f := range m.Files {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Name)))
		if err != nil {
			return nil, err
		}
		c[f.Name] = b
	}
	return c, nil
}

func wantContent(t *testing.T, p *backup.Place, id string, want content) {
	t.Helper()
	got, err := fetch(p, id, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("backup %s holds other files than were taken", id)
	}
}

// testPlace takes two backups, of which the second has little that is new, and
// restores both.
func testPlace(t *testing.T, opt backup.Options) {
	p := makePlace(t, opt)
	old := first()
	one := take(t, p, snapshot(t, old))
	recent := maps.Clone(old)
	delete(recent, "stores/default/000001.sst")
	recent["stores/default/000003.sst"] = noise(3, 5000)
	recent["system/MANIFEST-1"] = []byte("another")
	s := snapshot(t, recent)
	s.Taken = s.Taken.Add(time.Minute)
	two := take(t, p, s)
	if two.Pieces != 3 {
		t.Errorf("the second backup wrote %d pieces, not the 3 that are new", two.Pieces)
	}
	wantContent(t, p, one.ID, old)
	wantContent(t, p, two.ID, recent)
	if v, err := p.Verify(ctx, nil, nil); err != nil || len(v.Flaws) > 0 || v.Backups != 2 || v.Unused != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	again, err := backup.Open(ctx, opt)
	if err != nil {
		t.Fatal(err)
	}
	latest, err := again.Latest(ctx)
	if err != nil || latest.ID != two.ID || latest.Stores[0].T != 7 {
		t.Errorf("the latest is %+v, %v", latest, err)
	}
	pruned, err := again.Prune(ctx, backup.Keep{Last: 1}, false)
	if err != nil || len(pruned.Removed) != 1 || pruned.Removed[0] != one.ID || pruned.Pieces == 0 {
		t.Errorf("%+v, %v", pruned, err)
	}
	wantContent(t, p, two.ID, recent)
	if _, err := again.Manifest(ctx, one.ID); !errors.Is(err, backup.ErrNone) {
		t.Errorf("the backup that was removed: %v", err)
	}
}

var key = bytes.Repeat([]byte{7}, 32)

func TestFolder(t *testing.T) {
	b, _ := dirBucket(t)
	testPlace(t, backup.Options{Bucket: b})
}

func TestFolderEncrypted(t *testing.T) {
	b, dir := dirBucket(t)
	testPlace(t, backup.Options{Bucket: b, Prefix: "a/b/", Key: key})
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("default")) || bytes.Contains(text, []byte("another")) {
			t.Errorf("%s shows what was kept", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestS3(t *testing.T) {
	s := blobtest.StartServer(t)
	s.MakeBucket(t, "backups")
	b, err := s3blob.Open(ctx, "backups", s3blob.Options{Endpoint: s.Endpoint, KeyID: s.KeyID, Secret: s.Secret})
	if err != nil {
		t.Fatal(err)
	}
	testPlace(t, backup.Options{Bucket: b, Prefix: "tarn/", Key: key})
}

func TestKnownFilesAreNotRead(t *testing.T) {
	b, _ := dirBucket(t)
	p := makePlace(t, backup.Options{Bucket: b})
	s := snapshot(t, first())
	one := take(t, p, s)
	for _, f := range s.Files {
		if !f.Known {
			continue
		}
		info, err := os.Stat(f.Path)
		if err == nil {
			err = os.WriteFile(f.Path, make([]byte, info.Size()), 0o600)
		}
		if err == nil {
			err = os.Chtimes(f.Path, info.ModTime(), info.ModTime())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Taken = s.Taken.Add(time.Minute)
	two := take(t, p, s)
	if two.Pieces != 0 || two.New != 0 {
		t.Errorf("%d pieces were written", two.Pieces)
	}
	if diff := cmp.Diff(one.Files, two.Files); diff != "" {
		t.Error(diff)
	}
}

// A limited bucket fails for good when so many blobs were written.
type limited struct {
	blob.Bucket
	left atomic.Int64
	err  error
}

func (l *limited) Create(ctx context.Context, key string) (blob.Writer, error) {
	if l.left.Add(-1) < 0 {
		return nil, l.err
	}
	return l.Bucket.Create(ctx, key)
}

// TestCutOff lets the disk of the place fill up, or the process end, after each
// write of a backup. The one before stays whole, the one that was cut off is
// none, and the next one goes on where it ended.
func TestCutOff(t *testing.T) {
	for n := int64(0); ; n++ {
		b, _ := dirBucket(t)
		p := makePlace(t, backup.Options{Bucket: b})
		old := first()
		one := take(t, p, snapshot(t, old))
		broken := &limited{Bucket: b, err: &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}}
		broken.left.Store(n)
		q, err := backup.Open(ctx, backup.Options{Bucket: broken})
		if err != nil {
			t.Fatal(err)
		}
		recent := maps.Clone(old)
		recent["stores/default/000004.sst"] = noise(4, 3*4096)
		s := snapshot(t, recent)
		s.Taken = s.Taken.Add(time.Minute)
		_, err = q.Take(ctx, s, nil)
		if err == nil {
			if n < 4 {
				t.Errorf("%d writes were enough", n)
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("after %d writes: %v", n, err)
		}
		if latest, err := p.Latest(ctx); err != nil || latest.ID != one.ID {
			t.Errorf("after %d writes the latest is %+v, %v", n, latest, err)
		}
		wantContent(t, p, one.ID, old)
		two := take(t, p, s)
		if want := max(0, 3-max(0, int(n)-1)); two.Pieces != want {
			t.Errorf("after %d writes, the next backup wrote %d pieces, not %d", n, two.Pieces, want)
		}
		wantContent(t, p, two.ID, recent)
	}
}

// TestDamage alters, cuts and removes files of a backup, one at a time. Verify
// names the file of the data folder, and it is not restored.
func TestDamage(t *testing.T) {
	for _, opt := range []backup.Options{{}, {Key: key}} {
		for _, harm := range []struct {
			name string
			do   func(path string, text []byte) error
		}{
			{"altered", func(path string, text []byte) error {
				text[len(text)/2] ^= 1
				return os.WriteFile(path, text, 0o600)
			}},
			{"cut off", func(path string, text []byte) error { return os.WriteFile(path, text[:len(text)-1], 0o600) }},
			{"removed", func(path string, _ []byte) error { return os.Remove(path) }},
		} {
			t.Run(fmt.Sprint(harm.name, " ", opt.Key != nil), func(t *testing.T) {
				b, dir := dirBucket(t)
				opt.Bucket = b
				p := makePlace(t, opt)
				r := take(t, p, snapshot(t, first()))
				for i := range r.Files {
					f := &r.Files[i]
					if len(f.Pieces) == 0 {
						continue
					}
					name := f.Pieces[len(f.Pieces)/2]
					testHarm(t, p, r.ID, f.Name, filepath.Join(dir, "pieces", name[:2], name), harm.do)
				}
				manifest := filepath.Join(dir, "backups", r.ID+".json")
				if harm.name == "removed" {
					return // then it is no backup
				}
				testHarm(t, p, r.ID, "", manifest, harm.do)
			})
		}
	}
}

func testHarm(t *testing.T, p *backup.Place, id, file, path string, do func(string, []byte) error) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = do(path, bytes.Clone(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.Verify(ctx, []string{id}, nil)
	if err != nil || len(v.Flaws) != 1 || v.Flaws[0].File != file || v.Flaws[0].Backup != id {
		t.Errorf("of %q: %+v, %v", file, v, err)
	}
	if _, err := fetch(p, id, t.TempDir()); !errors.Is(err, backup.ErrDamaged) || !strings.Contains(err.Error(), file) {
		t.Errorf("fetching %q: %v", file, err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := p.Verify(ctx, nil, nil); err != nil || len(v.Flaws) != 0 {
		t.Errorf("put right again: %+v, %v", v, err)
	}
}

// TestDamagedPieceIsWrittenAgain heals what sizes tell.
func TestDamagedPieceIsWrittenAgain(t *testing.T) {
	b, dir := dirBucket(t)
	p := makePlace(t, backup.Options{Bucket: b})
	s := snapshot(t, first())
	r := take(t, p, s)
	name := r.Files[0].Pieces[0]
	if err := os.WriteFile(filepath.Join(dir, "pieces", name[:2], name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Taken = s.Taken.Add(time.Minute)
	if again := take(t, p, s); again.Pieces != 1 {
		t.Errorf("%d pieces were written", again.Pieces)
	}
	wantContent(t, p, r.ID, first())
}

func TestKeys(t *testing.T) {
	b, _ := dirBucket(t)
	makePlace(t, backup.Options{Bucket: b, Key: key})
	for _, other := range [][]byte{nil, bytes.Repeat([]byte{8}, 32)} {
		if _, err := backup.Open(ctx, backup.Options{Bucket: b, Key: other}); !errors.Is(err, backup.ErrKey) {
			t.Errorf("with the key %x: %v", other, err)
		}
	}
	plain, _ := dirBucket(t)
	makePlace(t, backup.Options{Bucket: plain})
	if _, err := backup.Open(ctx, backup.Options{Bucket: plain, Key: key}); !errors.Is(err, backup.ErrKey) {
		t.Errorf("a key for a place without one: %v", err)
	}
}

func TestPlaces(t *testing.T) {
	b, dir := dirBucket(t)
	if _, err := backup.Open(ctx, backup.Options{Bucket: b}); !errors.Is(err, backup.ErrNone) {
		t.Errorf("an empty folder: %v", err)
	}
	head := filepath.Join(dir, "tarn-backup.json")
	if err := os.WriteFile(head, []byte(`{"format":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Make(ctx, backup.Options{Bucket: b}); !errors.Is(err, backup.ErrNewer) {
		t.Errorf("a newer format: %v", err)
	}
	if err := os.Rename(head, filepath.Join(dir, "thesis.txt")); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Make(ctx, backup.Options{Bucket: b}); !errors.Is(err, backup.ErrNone) || !strings.Contains(err.Error(), "thesis.txt") {
		t.Errorf("a folder with other files: %v", err)
	}
}

// TestLocks keeps backups and prunings apart, and lets locks go whose owners
// are gone.
func TestLocks(t *testing.T) {
	b, _ := dirBucket(t)
	now := time.Now()
	p := makePlace(t, backup.Options{Bucket: b, Now: func() time.Time { return now }})
	s := snapshot(t, first())
	take(t, p, s)
	s.Taken = s.Taken.Add(time.Minute)
	tried := false
	_, err := p.Take(ctx, s, func(backup.Progress) {
		if tried {
			return
		}
		tried = true
		if _, err := p.Prune(ctx, backup.Keep{Last: 1}, false); !errors.Is(err, backup.ErrBusy) {
			t.Errorf("pruning while a backup is taken: %v", err)
		}
	})
	if err != nil || !tried {
		t.Fatal(err, tried)
	}
	lock := `{"kind":"prune","host":"h","process":1,"renewed":"` + now.Add(-5*time.Minute).UTC().Format(time.RFC3339) + `"}`
	if err := blob.Write(ctx, b, "locks/prune-x", []byte(lock)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Take(ctx, s, nil); !errors.Is(err, backup.ErrBusy) || !strings.Contains(err.Error(), "locks/prune-x") {
		t.Errorf("a backup while somebody prunes: %v", err)
	}
	now = now.Add(time.Hour)
	s.Taken = s.Taken.Add(time.Minute)
	if _, err := p.Take(ctx, s, nil); err != nil {
		t.Errorf("when that one is gone: %v", err)
	}
}

// TestPruneByAge keeps what is not older, and the newest always.
func TestPruneByAge(t *testing.T) {
	b, _ := dirBucket(t)
	now := time.Now()
	p := makePlace(t, backup.Options{Bucket: b, Now: func() time.Time { return now }})
	for i := range 5 {
		s := snapshot(t, content{"a": []byte(fmt.Sprint(i))})
		s.Taken = now.Add(time.Duration(i-5) * 24 * time.Hour)
		take(t, p, s)
	}
	dry, err := p.Prune(ctx, backup.Keep{Within: 50 * time.Hour}, true)
	if err != nil || len(dry.Removed) != 3 || dry.Kept != 2 || dry.Pieces != 3 {
		t.Errorf("%+v, %v", dry, err)
	}
	if done, err := p.Prune(ctx, backup.Keep{Within: 50 * time.Hour}, false); err != nil || cmp.Diff(dry, done) != "" {
		t.Errorf("%+v, %v", done, err)
	}
	now = now.Add(1000 * time.Hour)
	if last, err := p.Prune(ctx, backup.Keep{Within: time.Hour}, false); err != nil || last.Kept != 1 {
		t.Errorf("%+v, %v", last, err)
	}
}

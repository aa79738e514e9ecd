package endtoend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/pebble"
)

// folderPatients is how many patients the folder under test holds.
const folderPatients = 400

// damages are what happens to one file.
var damages = []struct {
	name string
	do   func(content []byte) []byte // nil: the file is gone
}{
	{"missing", func([]byte) []byte { return nil }},
	{"cut", func(c []byte) []byte { return append([]byte{}, c[:len(c)/2]...) }},
	{"changed", func(c []byte) []byte {
		c = bytes.Clone(c)
		c[len(c)/2] ^= 0x55
		return c
	}},
	{"zeroed", func(c []byte) []byte { return make([]byte, len(c)) }},
}

// TestDamagedFolder damages each file of a data folder in turn, in each way. A
// damage must be refused when the folder is opened or reported when the data
// is read; where it is neither, everything must be there.
func TestDamagedFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a folder a hundred times")
	}
	quiet(t)
	image := folderImage(t)
	for _, name := range slices.Sorted(maps.Keys(image)) {
		if len(image[name]) == 0 {
			continue
		}
		for _, d := range damages {
			t.Run(filepath.ToSlash(name)+"/"+d.name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "data")
				for n, c := range image {
					if n == name {
						c = d.do(c)
					}
					if c != nil {
						writeFile(t, filepath.Join(dir, n), c)
					}
				}
				checkDamaged(t, dir, unseen(name, d.name))
			})
		}
	}
}

// folderImage is the content of a data folder as a crash leaves it: some data
// in the index files, some in the log. The disk is copied at one moment, for the
// engine writes and removes files whenever it likes.
func folderImage(t *testing.T) map[string][]byte {
	t.Helper()
	disk := crashing.New()
	for half := range 2 {
		catalog := openCatalog(t, disk, time.Now)
		if half == 0 {
			if _, err := catalog.Create(context.Background(), "default", ""); err != nil {
				t.Fatal(err)
			}
		}
		fillFolder(t, catalog, half*folderPatients/2, (half+1)*folderPatients/2, 20-19*half)
		if half == 1 {
			defer catalog.Close()
			break
		}
		if err := catalog.Close(); err != nil {
			t.Fatal(err)
		}
	}
	image := map[string][]byte{}
	readDisk(t, disk.CrashClone(vfs.CrashCloneCfg{}), "data", "", image)
	return image
}

// readDisk adds the files of a folder to an image, by their names in the one
// where it began.
func readDisk(t *testing.T, disk vfs.FS, dir, name string, image map[string][]byte) {
	t.Helper()
	entries, err := disk.List(disk.PathJoin(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		entry = filepath.Join(name, entry)
		info, err := disk.Stat(disk.PathJoin(dir, entry))
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			readDisk(t, disk, dir, entry, image)
			continue
		}
		file, err := disk.Open(disk.PathJoin(dir, entry))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(file)
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		image[entry] = content
	}
}

func openFolder(dir string) (*datastore.Catalog, error) {
	folder, err := pebble.OpenFolder(dir, pebble.FolderOptions{FS: vfs.Default})
	if err != nil {
		return nil, err
	}
	catalog, err := datastore.Open(context.Background(), datastore.Options{Backend: folder, BaseURL: "http://example.org"})
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	return catalog, nil
}

// fillFolder stores patients, size in a commit. Commits of a few kilobytes let
// the engine tell a damage inside its log from the log's end: the log notes how
// far it was synced, but not the part of a commit that fills up a block.
func fillFolder(t *testing.T, c *datastore.Catalog, from, to, size int) {
	t.Helper()
	s, err := c.Store("default")
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i += size {
		var ops []datastore.Op
		for j := range size {
			tree, err := s.Parse(fmt.Appendf(nil, `{"resourceType":"Patient","id":"p%d","name":[{"family":"Family%d"}],"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">%x</div>"}}`, i+j, i+j, noise(i+j)))
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, writeOf(tree))
		}
		if _, err := s.Commit(context.Background(), authz.Unrestricted(), ops, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// noise makes the log longer than a few blocks of 32 kB, though bodies are
// compressed: only what later blocks say shows a damage in one.
func noise(seed int) []byte {
	text := make([]byte, 1000)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(text) // never fails
	return text
}

func readFolder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	image := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		image[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func writeFile(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkDamaged opens a folder of which one file is damaged.
//
// mayLose says why the loss of data may go unseen, "" where it may not.
func checkDamaged(t *testing.T, dir, mayLose string) {
	t.Helper()
	catalog, err := openFolder(dir)
	if err != nil {
		if !errors.Is(err, pebble.ErrDamaged) && !errors.Is(err, datastore.ErrIncomplete) {
			t.Errorf("the refusal is neither ErrDamaged nor ErrIncomplete: %v", err)
		}
		return
	}
	err = missing(t, catalog)
	if closing := catalog.Close(); err == nil && closing != nil {
		t.Logf("close: %v", closing)
	}
	switch {
	case errors.Is(err, errLost) && mayLose == "":
		t.Errorf("the damage is not seen, and data is lost: %v", err)
	case errors.Is(err, errLost):
		t.Logf("the damage is not seen: %s: %v", mayLose, err)
	}
}

// unseen says why a damage cannot be told from a crash, "" where it can. After
// a crash a log may end anywhere behind what was synced, and where that was
// only the log itself tells.
func unseen(name, damage string) string {
	if strings.HasSuffix(name, ".log") && damage != "changed" {
		return "a log that ends too early looks like one that a crash cut off"
	}
	return ""
}

// quiet drops what the storage engine logs of damages.
func quiet(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(before) })
}

var errLost = errors.New("lost")

// missing reads and finds all that the folder should hold. The error is
// errLost where something is not there, another where reading reports one.
func missing(t *testing.T, c *datastore.Catalog) error {
	t.Helper()
	s, err := c.Store("default")
	if err != nil {
		return fmt.Errorf("%w: %v", errLost, err)
	}
	view, err := s.View(context.Background(), authz.Unrestricted(), 0)
	if err != nil {
		return err
	}
	defer view.Close()
	for i := range folderPatients {
		v, err := view.Read(context.Background(), "Patient", fmt.Sprintf("p%d", i))
		if err != nil && fhir.KindOf(err) == fhir.KindNotFound {
			return fmt.Errorf("%w: %v", errLost, err)
		}
		if err != nil {
			return err
		}
		if !strings.Contains(string(v.Body.JSON), fmt.Sprintf(`"Family%d"`, i)) {
			return fmt.Errorf("%w: p%d is %s", errLost, i, v.Body.JSON)
		}
	}
	q, err := plan(s, "Patient?family=family&_count=1000")
	if err != nil {
		t.Fatal(err)
	}
	found, err := readPage(s, q, 0, nil)
	if err == nil && len(found.matches) != folderPatients {
		return fmt.Errorf("%w: a search finds %d of %d", errLost, len(found.matches), folderPatients)
	}
	return err
}

// TestFolderInUse: a folder can be opened once only, and a refused second one
// does not harm the first.
func TestFolderInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := first.Create(context.Background(), "default", ""); err != nil {
		t.Fatal(err)
	}
	fillFolder(t, first, 0, folderPatients/2, 20)
	if _, err := openFolder(dir); !errors.Is(err, pebble.ErrLocked) {
		t.Errorf("the second opening: %v; want ErrLocked", err)
	}
	fillFolder(t, first, folderPatients/2, folderPatients, 20)
	if err := missing(t, first); err != nil {
		t.Error(err)
	}
}

// TestFolderOfANewerVersion: a folder that a newer program wrote is refused
// and left as it is.
func TestFolderOfANewerVersion(t *testing.T) {
	for _, part := range []string{"system", filepath.Join("stores", "default")} {
		dir := filepath.Join(t.TempDir(), "data")
		for n, c := range folderImage(t) {
			writeFile(t, filepath.Join(dir, n), c)
		}
		markers, err := filepath.Glob(filepath.Join(dir, part, "marker.format-version.*"))
		if err != nil || len(markers) != 1 {
			t.Fatalf("%v, %v", markers, err)
		}
		if err := os.Rename(markers[0], filepath.Join(dir, part, "marker.format-version.999999.999")); err != nil {
			t.Fatal(err)
		}
		before := readFolder(t, dir)
		if _, err := openFolder(dir); !errors.Is(err, pebble.ErrNewer) {
			t.Errorf("%s: %v; want ErrNewer", part, err)
		}
		for name, content := range readFolder(t, dir) {
			if strings.HasPrefix(name, part) && !bytes.Equal(content, before[name]) {
				t.Errorf("%s: the refusal changed %s", part, name)
			}
		}
	}
}

// TestSecondServer: a server on a folder that another one has open ends at
// once, with one line that says why; the first goes on.
func TestSecondServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the server")
	}
	s := serve(t, t.TempDir())
	out, err := command(t.Context(), t, "serve", "--auth", "none", "--data", s.dir, "--listen", "127.0.0.1:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "in use by another tarn") || strings.Count(strings.TrimSpace(string(out)), "\n") > 1 {
		t.Errorf("the second server: %v\n%s", err, out)
	}
	getBundle(t, s.url("default")+"/Patient")
}

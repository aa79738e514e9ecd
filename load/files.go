package load

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// The groups of files, in the order of loading. Patients refer to shared
// organizations and practitioners by conditional references, which must match
// exactly one; files that bring their own copies of those come last.
const (
	groupOrganizations = iota
	groupPractitioners
	groupOthers
	groupSelfContained
)

// A file is one file to load.
type file struct {
	path     string
	size     int64
	modified time.Time
	ndjson   bool
	// packing is "", ".gz" or ".zst".
	packing string
	// group orders files: each group is finished before the next begins.
	group int
}

// find lists the files under paths, in the order of loading.
func find(paths []string) ([]*file, error) {
	var files []*file
	seen := map[string]bool{}
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			f := newFile(name)
			if f == nil {
				if name == path {
					return fmt.Errorf("%s: %w", path, ErrNothing)
				}
				return nil
			}
			info, err := os.Stat(name)
			if err != nil || info.IsDir() || seen[filepath.Clean(name)] {
				return err
			}
			seen[filepath.Clean(name)] = true
			f.size, f.modified = info.Size(), info.ModTime()
			files = append(files, f)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, ErrNothing
	}
	postpone(files)
	slices.SortStableFunc(files, func(a, b *file) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.path, b.path))
	})
	return files, nil
}

// newFile tells by a name what a file holds, or returns nil.
func newFile(path string) *file {
	f := &file{path: path, group: groupOthers}
	name := filepath.Base(path)
	for _, packing := range []string{".gz", ".zst"} {
		if rest, ok := strings.CutSuffix(name, packing); ok {
			name, f.packing = rest, packing
		}
	}
	switch filepath.Ext(name) {
	case ".ndjson":
		f.ndjson = true
	case ".json":
	default:
		return nil
	}
	// As Synthea and tarn synth name them.
	switch lower := strings.ToLower(name); {
	case strings.Contains(lower, "hospitalinformation"), strings.HasPrefix(lower, "infrastructure."):
		f.group = groupOrganizations
	case strings.Contains(lower, "practitionerinformation"):
		f.group = groupPractitioners
	}
	return f
}

// postpone looks into the files where some hold shared organizations: those
// without conditional references are self-contained.
func postpone(files []*file) {
	if !slices.ContainsFunc(files, func(f *file) bool { return f.group < groupOthers }) {
		return
	}
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for _, f := range files {
		if f.group == groupOthers && !f.ndjson {
			group.Go(func() error {
				if !f.refersConditionally() {
					f.group = groupSelfContained
				}
				return nil
			})
		}
	}
	_ = group.Wait() // nothing fails: what cannot be read is reported when it is loaded
}

// refersConditionally looks for {"reference": "Practitioner?identifier=…"}.
// http://hl7.org/fhir/R4/http.html#trules
func (f *file) refersConditionally() bool {
	content, _, err := f.open()
	if err != nil {
		return false
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	for err == nil {
		_, after, found := bytes.Cut(text, []byte(`"reference"`))
		if !found {
			return false
		}
		value := bytes.TrimLeft(after, ": \t\r\n")
		if conditional.Match(value) {
			return true
		}
		text = after
	}
	return false
}

// conditional matches the value of a conditional reference.
var conditional = regexp.MustCompile(`^"[A-Za-z]{1,64}\?`)

// counter counts the bytes that were read from a file.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// open returns the file's content and a counter of its bytes on disk.
func (f *file) open() (io.ReadCloser, *counter, error) {
	disk, err := os.Open(f.path)
	if err != nil {
		return nil, nil, err
	}
	count := &counter{Reader: disk}
	switch f.packing {
	case ".gz":
		r, err := gzip.NewReader(bufio.NewReader(count))
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("not gzip: %w", err), disk.Close())
		}
		return both{r, disk}, count, nil
	case ".zst":
		r, err := zstd.NewReader(count, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("not Zstandard: %w", err), disk.Close())
		}
		return both{r.IOReadCloser(), disk}, count, nil
	}
	return both{io.NopCloser(count), disk}, count, nil
}

// both closes a decompressor and what it reads from.
type both struct {
	io.ReadCloser
	disk io.Closer
}

func (b both) Close() error { return errors.Join(b.ReadCloser.Close(), b.disk.Close()) }

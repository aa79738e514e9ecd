package load

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
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
	slices.SortStableFunc(files, func(a, b *file) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.path, b.path))
	})
	return files, nil
}

// newFile tells by a name what a file holds, or returns nil.
func newFile(path string) *file {
	f := &file{path: path, group: 2}
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
	// Patients refer to what these hold: Synthea's, and those of tarn synth.
	switch lower := strings.ToLower(name); {
	case strings.Contains(lower, "hospitalinformation"), strings.HasPrefix(lower, "infrastructure."):
		f.group = 0
	case strings.Contains(lower, "practitionerinformation"):
		f.group = 1
	}
	return f
}

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

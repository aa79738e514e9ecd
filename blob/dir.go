package blob

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Dir is a bucket in a local folder: a blob is a file. Files elsewhere cannot
// be reached through it, by links neither.
type Dir struct{ root *os.Root }

// OpenDir opens a folder, which must be there.
func OpenDir(name string) (*Dir, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, dirError(err, ErrNoBucket)
	}
	return &Dir{root: root}, nil
}

// Close frees the folder.
func (d *Dir) Close() error { return d.root.Close() }

// partial is how the names of files begin that are being written.
const partial = ".tarn-part-"

// Open reads a file.
func (d *Dir) Open(_ context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	f, err := d.root.Open(key)
	if err != nil {
		return nil, dirError(err, ErrNotFound)
	}
	info, err := f.Stat()
	switch {
	case err == nil && !info.Mode().IsRegular():
		err = ErrNotFound
	case err == nil && offset > info.Size():
		err = ErrRange
	}
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if length < 0 {
		return f, nil
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, length), f}, nil
}

// Stat describes a file.
func (d *Dir) Stat(_ context.Context, key string) (Info, error) {
	if err := CheckKey(key); err != nil {
		return Info{}, err
	}
	info, err := d.root.Stat(key)
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotFound
	}
	if err != nil {
		return Info{}, dirError(err, ErrNotFound)
	}
	return describe(key, info), nil
}

func describe(key string, info fs.FileInfo) Info {
	return Info{
		Key: key, Size: info.Size(), Modified: info.ModTime().UTC(),
		ETag: strconv.FormatInt(info.ModTime().UnixNano(), 36) + "-" + strconv.FormatInt(info.Size(), 36),
	}
}

// Create writes a file under another name first.
func (d *Dir) Create(_ context.Context, key string) (Writer, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	folder := path.Dir(key)
	if folder != "." {
		if err := d.root.MkdirAll(folder, 0o700); err != nil {
			return nil, dirError(err, ErrNoBucket)
		}
	}
	temp := path.Join(folder, partial+rand.Text())
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, dirError(err, ErrNoBucket)
	}
	return &dirWriter{Writer: bufio.NewWriterSize(&writeback{file: f}, 256<<10), dir: d, file: f, temp: temp, key: key}, nil
}

type dirWriter struct {
	*bufio.Writer
	dir       *Dir
	file      *os.File
	temp, key string
	done      bool
}

// Commit makes the file durable, then visible, then its name durable.
func (w *dirWriter) Commit() error {
	if w.done {
		return errors.New("blob: the writer has ended")
	}
	err := errors.Join(w.Flush(), w.file.Sync())
	if err == nil {
		err = w.dir.root.Rename(w.temp, w.key)
	}
	if err != nil {
		w.Close()
		return dirError(err, ErrNoBucket)
	}
	w.done = true
	return errors.Join(w.file.Close(), w.dir.syncParents(w.key))
}

func (w *dirWriter) Close() error {
	if w.done {
		return nil
	}
	w.done = true
	return errors.Join(w.file.Close(), w.dir.root.Remove(w.temp))
}

// syncParents makes the names of a new file and of the folders above it
// durable.
func (d *Dir) syncParents(key string) error {
	for folder := path.Dir(key); ; folder = path.Dir(folder) {
		f, err := d.root.Open(folder)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if folder == "." {
			return nil
		}
	}
}

// Delete removes a file, and the folders above it that are empty then.
func (d *Dir) Delete(_ context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	err := d.root.Remove(key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return dirError(err, ErrNotFound)
	}
	for folder := path.Dir(key); folder != "."; folder = path.Dir(folder) {
		if d.root.Remove(folder) != nil {
			break // not empty
		}
	}
	return nil
}

// Presign is not supported: who serves the files signs URLs for them.
func (d *Dir) Presign(context.Context, string, string, time.Duration) (string, error) {
	return "", ErrNotSupported
}

// List walks the folder in the order of keys.
func (d *Dir) List(ctx context.Context, prefix, after string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		d.walk(ctx, ".", prefix, after, yield)
	}
}

// walk yields the files below a folder; false means to stop. A folder sorts as
// its name with a slash, as the keys below it do.
func (d *Dir) walk(ctx context.Context, folder, prefix, after string, yield func(Info, error) bool) bool {
	names, err := d.names(folder)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return yield(Info{}, err)
	}
	for _, name := range names {
		key := strings.TrimPrefix(path.Join(folder, name), "./")
		if strings.HasSuffix(name, "/") {
			below := key + "/"
			if !strings.HasPrefix(below, prefix) && !strings.HasPrefix(prefix, below) || below < after && !strings.HasPrefix(after, below) {
				continue
			}
			if !d.walk(ctx, key, prefix, after, yield) {
				return false
			}
			continue
		}
		if !strings.HasPrefix(key, prefix) || key <= after {
			continue
		}
		info, err := d.root.Stat(key)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return yield(Info{}, dirError(err, ErrNotFound))
		}
		if info.Mode().IsRegular() && !yield(describe(key, info), nil) {
			return false
		}
	}
	return true
}

// names are those of a folder, sorted, with a slash after those of folders.
func (d *Dir) names(folder string) ([]string, error) {
	f, err := d.root.Open(folder)
	if errors.Is(err, fs.ErrNotExist) && folder != "." {
		return nil, nil // removed meanwhile
	}
	if err != nil {
		return nil, dirError(err, ErrNoBucket)
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, dirError(err, ErrNoBucket)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		if CheckKey(e.Name()) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Sweep removes what writers left that were cut off. Call it where nobody
// writes.
func (d *Dir) Sweep() error {
	return fs.WalkDir(d.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasPrefix(e.Name(), partial) {
			return d.root.Remove(name)
		}
		return err
	})
}

// dirError names what callers tell apart, where missing is what is not there.
// The path stays out of it: it is the server's.
func dirError(err, missing error) error {
	var of *fs.PathError
	cause := err
	if errors.As(err, &of) {
		cause = of.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", missing, cause)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", ErrDenied, cause)
	}
	return err
}

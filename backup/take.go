package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tarnhealth/tarn/blob"
)

// A Source is one file that a backup is to hold.
type Source struct {
	// Name is as in File.
	Name string
	// Path is where to read it, unless there is Content.
	Path    string
	Content []byte
	// Read, where not nil, reads it from its beginning, from elsewhere; Size and
	// Modified are given then.
	Read     func(context.Context) (io.ReadCloser, error)
	Modified time.Time
	// Size is how much of it to read; negative for all there is.
	Size int64
	// Known is set where a file of the same name, size and time holds the same:
	// it is not read again.
	Known bool
	// MayGo is set where it is no error that the file is gone: fs.ErrNotExist, or
	// blob.ErrNotFound of Read.
	MayGo bool
	// Kept, where not nil, is the file of a former backup, which is taken over.
	Kept *File
	// Piece is the size of pieces; 0 for DefaultPiece.
	Piece int64
}

// DefaultPiece is the size of pieces in bytes. Files that grow at their end have
// smaller ones, so that little is written again.
const DefaultPiece = 4 << 20

// workers is how many files are read, and pieces written, at a time.
const workers = 4

// A Snapshot is what a data folder held at one moment.
type Snapshot struct {
	Taken   time.Time
	Program string
	Folder  string
	Part    bool
	Stores  []Store
	Files   []Source
	// Without says, in words, what was left out on purpose.
	Without []string
}

// Progress says how far something is, in bytes.
type Progress struct {
	// Done of Total have been looked at.
	Done, Total int64
	// New were written.
	New int64
}

// A Result says what a backup came to.
type Result struct {
	*Manifest
	// Bytes are all that it holds, New those that were written for it, in pieces.
	Bytes, New int64
	Pieces     int
}

// Take makes a backup. Pieces that are there are not written again. It fails
// with ErrBusy while the place is being pruned, and with ErrOther where it keeps
// another data folder.
func (p *Place) Take(ctx context.Context, s *Snapshot, progress func(Progress)) (Result, error) {
	release, err := p.lock(ctx, lockShared)
	if err != nil {
		return Result{}, err
	}
	defer release()
	before, err := p.Latest(ctx)
	if errors.Is(err, ErrNone) || errors.Is(err, ErrDamaged) {
		before, err = &Manifest{}, nil
	}
	if err != nil {
		return Result{}, err
	}
	if s.Folder != "" && before.Folder != "" && s.Folder != before.Folder {
		return Result{}, fmt.Errorf("%w: the latest is %s; name a place of its own for each data folder", ErrOther, before.ID)
	}
	t := taker{place: p, progress: progress, before: map[string]*File{}}
	for i := range before.Files {
		t.before[before.Files[i].Name] = &before.Files[i]
	}
	if t.have, err = p.pieces(ctx); err != nil {
		return Result{}, err
	}
	m := &Manifest{Format: format, Taken: s.Taken.UTC(), Program: s.Program, Part: s.Part, Folder: s.Folder, Stores: s.Stores, Without: s.Without}
	if m.Files, err = t.all(ctx, s.Files); err != nil {
		return Result{}, err
	}
	if err := p.put(ctx, m); err != nil {
		return Result{}, err
	}
	return Result{Manifest: m, Bytes: m.Size(), New: t.at.New, Pieces: t.written}, nil
}

// A taker is one Take.
type taker struct {
	place    *Place
	progress func(Progress)
	before   map[string]*File

	mu      sync.Mutex
	have    map[string]int64
	at      Progress
	written int
}

// all takes the files, several at a time, in their order.
func (t *taker) all(ctx context.Context, sources []Source) ([]File, error) {
	sized := make([]Source, len(sources))
	for i, s := range sources {
		sized[i] = s
		size, err := s.size()
		if err != nil && !(s.MayGo && errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
		t.at.Total += size
	}
	files := make([]*File, len(sources))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range sized {
		group.Go(func() (err error) {
			if err = ctx.Err(); err == nil {
				files[i], err = t.file(ctx, &sized[i])
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var list []File
	for _, f := range files {
		if f != nil {
			list = append(list, *f)
		}
	}
	return list, nil
}

// size is how many bytes are to be read, as of now.
func (s *Source) size() (int64, error) {
	switch {
	case s.Kept != nil:
		return s.Kept.Size, nil
	case s.Content != nil:
		return int64(len(s.Content)), nil
	case s.Size >= 0:
		return s.Size, nil
	}
	info, err := os.Stat(s.Path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// file takes one file; nil where it is gone and may be.
func (t *taker) file(ctx context.Context, s *Source) (*File, error) {
	if s.Kept != nil {
		if !t.whole(s.Kept) {
			return nil, fmt.Errorf("%w: pieces of %s, of an earlier backup, are gone", ErrDamaged, s.Name)
		}
		t.done(s.Kept.Size, 0)
		return s.Kept, nil
	}
	f := &File{Name: s.Name, Piece: s.Piece}
	if f.Piece == 0 {
		f.Piece = DefaultPiece
	}
	if s.Content != nil {
		f.Size = int64(len(s.Content))
		return f, t.pieces(ctx, f, memory(s.Content))
	}
	if s.Read != nil {
		return t.elsewhere(ctx, s, f)
	}
	in, err := os.Open(s.Path)
	if errors.Is(err, fs.ErrNotExist) && s.MayGo {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	f.Modified = info.ModTime().UTC()
	if f.Size = s.Size; f.Size < 0 {
		f.Size = info.Size()
	}
	if known := t.known(s, f); known != nil {
		return known, nil
	}
	return f, t.pieces(ctx, f, in)
}

// known is what an earlier backup has of a file that has not changed since; nil
// for nothing.
func (t *taker) known(s *Source, f *File) *File {
	known := t.before[f.Name]
	if !s.Known || known == nil || known.Size != f.Size || !known.Modified.Equal(f.Modified) || !t.whole(known) {
		return nil
	}
	t.done(f.Size, 0)
	return known
}

// elsewhere takes a file that is not on a disk here.
func (t *taker) elsewhere(ctx context.Context, s *Source, f *File) (*File, error) {
	f.Size, f.Modified = s.Size, s.Modified.UTC()
	if known := t.known(s, f); known != nil {
		return known, nil
	}
	in, err := s.Read(ctx)
	if s.MayGo && (errors.Is(err, blob.ErrNotFound) || errors.Is(err, fs.ErrNotExist)) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %s cannot be read: %w", f.Name, err)
	}
	defer in.Close()
	return f, t.pieces(ctx, f, onward{in})
}

// onward is an io.ReaderAt of what is read from its beginning to its end.
type onward struct{ io.Reader }

func (o onward) ReadAt(p []byte, _ int64) (int, error) { return io.ReadFull(o.Reader, p) }

// memory is an io.ReaderAt of content.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// whole reports whether all pieces of a file are there, as far as their sizes
// tell.
func (t *taker) whole(f *File) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, name := range f.Pieces {
		if size, there := t.have[name]; !there || size != t.place.storedSize(f.size(i)) {
			return false
		}
	}
	return true
}

// pieces reads a file, and writes the pieces that are not there.
func (t *taker) pieces(ctx context.Context, f *File, from io.ReaderAt) error {
	buf := make([]byte, min(f.Piece, f.Size))
	for at := int64(0); at < f.Size; at += f.Piece {
		piece := buf[:min(f.Piece, f.Size-at)]
		if n, err := from.ReadAt(piece, at); n < len(piece) {
			return fmt.Errorf("backup: %s cannot be read to its end: %w", f.Name, err)
		}
		name := t.place.sum(piece)
		fresh, err := t.keep(ctx, name, piece)
		if err != nil {
			return fmt.Errorf("backup: a piece of %s cannot be written: %w", f.Name, err)
		}
		f.Pieces = append(f.Pieces, name)
		t.done(int64(len(piece)), fresh)
	}
	return nil
}

// keep writes a piece where it is not there with its whole size.
func (t *taker) keep(ctx context.Context, name string, content []byte) (written int64, err error) {
	size := t.place.storedSize(int64(len(content)))
	t.mu.Lock()
	there := t.have[name] == size && size > 0
	t.mu.Unlock()
	if there {
		return 0, nil
	}
	if err := t.place.write(ctx, name, content); err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.have[name] = size
	t.written++
	return size, nil
}

func (t *taker) done(read, written int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at.Done, t.at.New = t.at.Done+read, t.at.New+written
	if t.progress != nil {
		t.progress(t.at)
	}
}

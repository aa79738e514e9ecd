package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tarnhealth/tarn/durable"
)

// Fetch writes files of a backup: to is where each goes, "" for nowhere. Every
// piece is compared with its sum. Where pieces are missing it fails with
// ErrDamaged before anything is written, and names the files; where one was
// altered, in the middle: the caller removes what is there then. When it
// returns nil, the files are durable.
func (p *Place) Fetch(ctx context.Context, m *Manifest, to func(File) string, progress func(Progress)) error {
	have, err := p.pieces(ctx)
	if err != nil {
		return err
	}
	f := fetcher{place: p, progress: progress, folders: map[string]bool{}}
	var wanted []fetched
	var missing []string
	for i := range m.Files {
		file := &m.Files[i]
		path := to(*file)
		if path == "" {
			continue
		}
		if !p.there(file, have) {
			missing = append(missing, file.Name)
		}
		wanted = append(wanted, fetched{file, path})
		f.at.Total += file.Size
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: of %s, pieces are missing or too short; nothing was written", ErrDamaged, some(missing))
	}
	return f.all(ctx, wanted)
}

// some names the first of a list.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d other files", strings.Join(names[:most], ", "), len(names)-most)
}

func (p *Place) there(f *File, have map[string]int64) bool {
	for i, name := range f.Pieces {
		if size, there := have[name]; !there || size != p.storedSize(f.size(i)) {
			return false
		}
	}
	return true
}

// fetched is a file and where it goes.
type fetched struct {
	*File
	path string
}

// A fetcher is one Fetch.
type fetcher struct {
	place    *Place
	progress func(Progress)

	mu      sync.Mutex
	at      Progress
	folders map[string]bool
}

func (f *fetcher) all(ctx context.Context, wanted []fetched) error {
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, file := range wanted {
		group.Go(func() error { return f.file(inGroup, file) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for folder := range f.folders {
		if err := durable.SyncFolder(folder); err != nil {
			return err
		}
	}
	return nil
}

func (f *fetcher) file(ctx context.Context, file fetched) error {
	if err := f.folder(filepath.Dir(file.path)); err != nil {
		return err
	}
	out, err := os.OpenFile(file.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = f.pieces(ctx, file, out)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil && !file.Modified.IsZero() {
		// The next backup knows the file by it.
		err = os.Chtimes(file.path, file.Modified, file.Modified)
	}
	return err
}

func (f *fetcher) pieces(ctx context.Context, file fetched, out *os.File) error {
	for i, name := range file.Pieces {
		content, err := f.place.read(ctx, name, file.size(i))
		if err != nil {
			return fmt.Errorf("%s: %w", file.Name, err)
		}
		if _, err := out.Write(content); err != nil {
			return err
		}
		f.mu.Lock()
		f.at.Done, f.at.New = f.at.Done+int64(len(content)), f.at.New+int64(len(content))
		if f.progress != nil {
			f.progress(f.at)
		}
		f.mu.Unlock()
	}
	return nil
}

// folder makes a folder and those above it.
func (f *fetcher) folder(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.folders[name] {
		return nil
	}
	f.folders[name], f.folders[filepath.Dir(name)] = true, true
	return os.MkdirAll(name, 0o700)
}

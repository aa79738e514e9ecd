package audit

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/tarnhealth/tarn/durable"
)

// A Vault is where an archive is: a folder (FolderVault), or a bucket elsewhere.
// Names are as "00000001.log.gz".
type Vault interface {
	// Put makes a file of what fill writes, whole and durable, or not at all.
	Put(ctx context.Context, name string, fill func(io.Writer) error) error
	// Open reads a file; the error is fs.ErrNotExist where it is not there.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Names are those of all files, in order.
	Names(ctx context.Context) ([]string, error)
}

// FolderVault is a Vault in a folder, which is made where it is not there.
type FolderVault string

var _ Vault = FolderVault("")

// Put implements Vault.
func (v FolderVault) Put(_ context.Context, name string, fill func(io.Writer) error) error {
	if err := os.MkdirAll(string(v), 0o700); err != nil {
		return err
	}
	return durable.Replace(filepath.Join(string(v), name), 0o600, fill)
}

// Open implements Vault.
func (v FolderVault) Open(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(v), name))
}

// Names implements Vault.
func (v FolderVault) Names(context.Context) ([]string, error) {
	entries, err := os.ReadDir(string(v))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, err
}

// Restore brings the segments that are in the archive and not in the folder
// back, and returns how many that are. Each is checked before it is there. A
// server that archives removes them again when their time is over.
func (f Folder) Restore(ctx context.Context) (restored int, err error) {
	files, err := segmentFiles(f.Dir, f.vault())
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		if file.vault == nil || ctx.Err() != nil {
			break
		}
		sound := func(s *segmentReader, err error, _ *remainder) error { return s.damage(err) }
		if err := walkArchived(file, nil, func(*segmentReader, *block) error { return nil }, sound); err != nil {
			return restored, err
		}
		if err := f.restore(ctx, file); err != nil {
			return restored, err
		}
		restored++
	}
	return restored, ctx.Err()
}

func (f Folder) restore(ctx context.Context, file segmentFile) error {
	from, err := file.vault.Open(ctx, file.name)
	if err != nil {
		return err
	}
	defer from.Close()
	z, err := gzip.NewReader(from)
	if err != nil {
		return err
	}
	return FolderVault(f.Dir).Put(ctx, strings.TrimSuffix(file.name, ".gz"), func(w io.Writer) error {
		_, err := io.Copy(w, z)
		return err
	})
}

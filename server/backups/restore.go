package backups

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/durable"
)

// restorePrefix is how names of folders begin that are being restored.
const restorePrefix = ".restore-"

// CheckEmpty refuses a folder that holds anything.
func CheckEmpty(data string) error {
	entries, err := os.ReadDir(data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "lost+found" {
			return fmt.Errorf("the folder %s holds something (%s); a backup is restored to a folder that is empty or not there", data, e.Name())
		}
	}
	return nil
}

// Whole restores all of a backup to a data folder that is empty or not there.
// before is called when the files are there, in a folder beside their place, so
// that it can still refuse. What a restore leaves that fails is removed.
func Whole(ctx context.Context, p *backup.Place, m *backup.Manifest, data string, progress func(backup.Progress), before func(dir string) error) (err error) {
	if err := CheckEmpty(data); err != nil {
		return err
	}
	_, missing := os.Stat(data)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	dir := filepath.Join(data, restorePrefix+rand.Text())
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
			if missing != nil {
				_ = os.Remove(data) // it was made here, and is empty
			}
		}
	}()
	to := func(f backup.File) string { return filepath.Join(dir, filepath.FromSlash(f.Name)) }
	if err := p.Fetch(ctx, m, to, progress); err != nil {
		return err
	}
	if before != nil {
		if err := before(dir); err != nil {
			return err
		}
	}
	return place(dir, data)
}

// place moves what was restored to its place: last what makes it a data folder.
func place(dir, data string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int {
		return strings.Compare(lastSystem(a), lastSystem(b))
	})
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(data, e.Name())); err != nil {
			return err
		}
	}
	return errors.Join(os.RemoveAll(dir), durable.SyncFolder(data))
}

func lastSystem(e fs.DirEntry) string {
	if e.Name() == "system" {
		return "\xff"
	}
	return e.Name()
}

package backups

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/backup"
)

// auditDir is the folder of the audit log.
const auditDir = "audit"

// logPiece is the size of pieces of files that grow at their end.
const logPiece = 256 << 10

// Snapshot is what a backup of a staged data folder is to hold: what is staged,
// the files that are written once where they are, and the contents in a bucket.
// The master key is never
// in it.
func (s *Staged) Snapshot(ctx context.Context, data string) (*backup.Snapshot, error) {
	snapshot := &backup.Snapshot{Taken: s.Taken, Program: s.Program, Part: s.Part, Folder: s.Folder, Stores: s.Stores}
	staged := filepath.Join(data, s.Name)
	err := walk(staged, "", func(name, path string) {
		if s.holds(name) {
			snapshot.Files = append(snapshot.Files, backup.Source{Name: name, Path: path, Size: -1, Known: fixed(name)})
		}
	})
	if err != nil {
		return nil, err
	}
	for i := range s.Stores {
		if err := s.addContents(data, s.Stores[i].ID, snapshot); err != nil {
			return nil, err
		}
	}
	if err := s.addElsewhere(ctx, snapshot); err != nil {
		return nil, err
	}
	if err := s.addAudit(data, snapshot); err != nil {
		return nil, err
	}
	err = walk(data, "", func(name, path string) {
		if !skipped(name) && s.holds(name) {
			snapshot.Files = append(snapshot.Files, backup.Source{Name: name, Path: path, Size: -1, Known: true, MayGo: true})
		}
	})
	return snapshot, err
}

// skipped reports whether a file or folder of a data folder is none of a
// backup's, or is staged.
func skipped(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	switch top {
	case "system", "stores", "keys", auditDir, "LOCK", "lost+found", masterKey, masterKey + ".new":
		return true
	}
	base := name[strings.LastIndexByte(name, '/')+1:]
	return strings.HasPrefix(base, ".") || strings.HasSuffix(base, ".new")
}

// masterKey is the file of the master key in a data folder. Whoever has it and a
// backup has all, so they are kept apart.
const masterKey = "master.key"

// walk calls fn with every regular file below a folder, by its name with
// slashes. Of a data folder, what is staged is left out.
func walk(dir, below string, fn func(name, path string)) error {
	entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(below)))
	if errors.Is(err, fs.ErrNotExist) && below != "" {
		return nil // removed meanwhile
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := strings.TrimPrefix(below+"/"+e.Name(), "/")
		switch {
		case e.IsDir():
			if below == "" && skipped(name) && !strings.HasPrefix(filepath.Base(dir), stagePrefix) {
				continue
			}
			if err := walk(dir, name, fn); err != nil {
				return err
			}
		case e.Type().IsRegular():
			fn(name, filepath.Join(dir, filepath.FromSlash(name)))
		}
	}
	return nil
}

// addContents adds what a data store keeps beside its versions: each file is
// there before the version that refers to it, and is never changed. One that is
// gone since was erased.
func (s *Staged) addContents(data, id string, snapshot *backup.Snapshot) error {
	entries, err := os.ReadDir(filepath.Join(data, "stores", id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted since
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		below := "stores/" + id + "/" + e.Name()
		err := walk(data, below, func(name, path string) {
			if base := filepath.Base(path); !strings.HasPrefix(base, ".") {
				snapshot.Files = append(snapshot.Files, backup.Source{Name: name, Path: path, Size: -1, Known: true, MayGo: true})
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addAudit adds the segments of the audit log, the newest one as far as HEAD
// tells of it: what lies behind is still being written.
func (s *Staged) addAudit(data string, snapshot *backup.Snapshot) error {
	if s.AuditHead == nil {
		return nil
	}
	var head audit.Checkpoint
	if err := json.Unmarshal(s.AuditHead, &head); err != nil {
		return fmt.Errorf("the file HEAD of the audit log cannot be read: %w", err)
	}
	snapshot.Files = append(snapshot.Files, backup.Source{Name: auditDir + "/HEAD", Content: bytes.Clone(s.AuditHead)})
	current := fmt.Sprintf("%08d.log", head.Segment)
	names, err := filepath.Glob(filepath.Join(data, auditDir, "*.log"))
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, path := range names {
		base := filepath.Base(path)
		source := backup.Source{Name: auditDir + "/" + base, Path: path, Size: -1, Piece: logPiece, Known: true, MayGo: true}
		switch {
		case base > current:
			continue // begun since
		case base == current:
			source.Size, source.Known, source.MayGo = head.Size, false, false
		}
		snapshot.Files = append(snapshot.Files, source)
	}
	return nil
}

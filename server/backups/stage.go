package backups

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/server/vault"
	"github.com/tarnhealth/tarn/store"
)

// A Folder is an open data folder that is to be staged.
type Folder struct {
	Dir string
	// Records copies the records to a folder, see pebble.Folder.
	Records func(ctx context.Context, dir string) error
	// Store is the storage of a data store; nil where it is not open.
	Store func(id string) *pebble.Store
	// List are the records of the catalog.
	List func(ctx context.Context) ([]datastore.Record, error)
	// DB is the records; the id of the folder is one of them.
	DB kv.DB
	// Encrypted reports whether a data store, or another owner, has keys of its
	// own; see package vault.
	Encrypted func(id string) bool
	// Checkpoint writes the end of the audit log down; nil where there is none.
	Checkpoint func() error
	// Contents say where large contents are, where they are not in Dir; nil else.
	Contents *Contents
	// Program is the version of the program.
	Program string
	// Session tells this process apart from others on the folder.
	Session string
}

// A Staged is a copy of what changes in a data folder, as of one moment, beside
// it. It is JSON for other processes.
type Staged struct {
	// Name is that of a folder in the data folder.
	Name    string    `json:"name"`
	Taken   time.Time `json:"taken"`
	Program string    `json:"program"`
	// Folder is the id of the data folder.
	Folder string         `json:"folder"`
	Stores []backup.Store `json:"stores"`
	// AuditHead is the content of the audit log's file HEAD; nil for none.
	AuditHead []byte `json:"auditHead,omitempty"`
	// Plain names what is not sealed with keys of its own.
	Plain []string `json:"plain,omitempty"`
	// Contents say where large contents are that are not in the folder; nil where
	// that is not known, or they are in it. Lacking are the data stores that have
	// contents which are not in it. WithoutContents leaves them out.
	Contents        *Contents `json:"contents,omitempty"`
	Lacking         []string  `json:"lacking,omitempty"`
	WithoutContents bool      `json:"withoutContents,omitempty"`
	// Part is set where it is not the whole folder.
	Part bool `json:"part,omitempty"`
}

// stagePrefix is how names of staged folders begin.
const stagePrefix = ".backup-"

// stageTries is how often staging begins anew because a data store was made or
// deleted meanwhile.
const stageTries = 10

// Stage copies what changes: records first, so that none speaks of what a data
// store's copy does not have yet, then data stores, then the end of the audit
// log. Data stores that were made or deleted meanwhile make it begin anew.
func (f *Folder) Stage(ctx context.Context) (*Staged, error) {
	for range stageTries {
		before, err := f.fingerprint(ctx)
		if err != nil {
			return nil, err
		}
		s, err := f.stage(ctx)
		if err == nil {
			var after map[string][]byte
			if after, err = f.fingerprint(ctx); err == nil && maps.EqualFunc(before, after, bytes.Equal) {
				return s, nil
			}
			err = errors.Join(err, Unstage(f.Dir, s.Name))
		}
		if err != nil && !errors.Is(err, errMoved) {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return nil, fhir.Errorf(fhir.KindUnavailable, "data stores are made and deleted all the time, so that no moment could be copied; try again")
}

// errMoved says that a data store was opened, closed or deleted while it was
// copied.
var errMoved = errors.New("backups: a data store changed its state")

// fingerprint is what must not change while a folder is staged: which data
// stores there are, and their keys.
func (f *Folder) fingerprint(ctx context.Context) (map[string][]byte, error) {
	list, err := f.List(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string][]byte{}
	for i := range list {
		if found["store "+list[i].ID], err = json.Marshal(&list[i]); err != nil {
			return nil, err
		}
	}
	names, err := filepath.Glob(filepath.Join(f.Dir, "keys", "*.json"))
	for _, name := range names {
		if found[name], err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return found, err
}

func (f *Folder) stage(ctx context.Context) (_ *Staged, err error) {
	s := &Staged{Name: stagePrefix + rand.Text(), Taken: time.Now().UTC(), Program: f.Program, Contents: f.Contents}
	if s.Folder, err = f.id(ctx); err != nil {
		return nil, err
	}
	dir := filepath.Join(f.Dir, s.Name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, Unstage(f.Dir, s.Name))
		}
	}()
	if err := copyFolder(filepath.Join(f.Dir, "keys"), filepath.Join(dir, "keys")); err != nil {
		return nil, err
	}
	if err := f.Records(ctx, filepath.Join(dir, "system")); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(dir, "stores"), 0o700); err != nil {
		return nil, err
	}
	list, err := f.List(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if !hasStorage(&list[i]) {
			continue
		}
		one, err := f.stageStore(ctx, &list[i], filepath.Join(dir, "stores", list[i].ID))
		if err != nil {
			return nil, fmt.Errorf("data store %s: %w", list[i].ID, err)
		}
		if s.Stores = append(s.Stores, one); !one.Encrypted {
			s.Plain = append(s.Plain, vault.Describe(one.ID))
		}
		lacks, err := f.lacks(ctx, one.ID)
		if err != nil {
			return nil, err
		}
		if lacks {
			s.Lacking = append(s.Lacking, one.ID)
		}
	}
	if s.AuditHead, err = f.auditHead(); err != nil {
		return nil, err
	}
	if !f.Encrypted(vault.Records) {
		s.Plain = append(s.Plain, vault.Describe(vault.Records))
	}
	if s.AuditHead != nil && !f.Encrypted(vault.Audit) {
		s.Plain = append(s.Plain, vault.Describe(vault.Audit))
	}
	return s, nil
}

// folders holds the id of the data folder under "folder" 0x00 "id": it goes with
// it into backups, and is the same in what is restored.
var folders = kv.NewTable[string]("folder")

// id is the folder's, which is made when it is first asked for.
func (f *Folder) id(ctx context.Context) (id string, err error) {
	err = f.DB.Update(ctx, func(tx kv.Tx) (err error) {
		if id, err = folders.Get(tx, "id"); errors.Is(err, kv.ErrNotFound) {
			id = rand.Text()
			err = folders.Put(tx, "id", id, time.Time{})
		}
		return err
	})
	return id, err
}

// hasStorage reports whether a data store has files that count. One that is
// being made was not acknowledged, one that is being deleted is as good as gone.
// One that is deleted and kept counts.
func hasStorage(r *datastore.Record) bool {
	return r.Status == datastore.StatusActive || r.Status == datastore.StatusDeleted && r.HasStorage()
}

func (f *Folder) stageStore(ctx context.Context, r *datastore.Record, dir string) (backup.Store, error) {
	one := backup.Store{ID: r.ID, Name: r.Name, Created: r.Created, Encrypted: f.Encrypted(r.ID)}
	var err error
	if one.Record, err = json.Marshal(r); err != nil {
		return one, err
	}
	open := f.Store(r.ID)
	c, err := pebble.Checkpoint{}, store.ErrClosed
	if open != nil {
		c, err = open.Checkpoint(ctx, dir)
	}
	if errors.Is(err, store.ErrClosed) {
		// It is deleted, or its key cannot be used now. Nobody writes its files
		// while it is closed.
		if err := copyFolder(filepath.Join(f.Dir, "stores", r.ID), dir); err != nil {
			return one, fmt.Errorf("%w: %w", errMoved, err)
		}
		if f.Store(r.ID) != open {
			return one, errMoved
		}
		return one, nil
	}
	if fhir.KindOf(err) == fhir.KindUnavailable || f.Store(r.ID) != open {
		err = errors.Join(errMoved, err)
	}
	one.T, one.At = uint64(c.T), c.At
	one.Mark = fmt.Sprint(f.Session, " ", c.Erasures)
	return one, err
}

// copyFolder copies the files of a folder: tables, which never change, as links
// where the disk has them. A folder that is not there has no files.
func copyFolder(from, to string) error {
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == "LOCK" || strings.HasSuffix(e.Name(), ".new") {
			continue
		}
		source, target := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if fixed(e.Name()) && os.Link(source, target) == nil {
			continue
		}
		if err := copyFile(source, target); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// fixed reports whether the engine never changes a file of this name, nor uses
// the name again.
func fixed(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// auditHead writes the end of the audit log down, and returns what says where it
// is.
func (f *Folder) auditHead() ([]byte, error) {
	if f.Checkpoint != nil {
		if err := f.Checkpoint(); err != nil && !errors.Is(err, audit.ErrClosed) {
			return nil, err
		}
	}
	text, err := os.ReadFile(filepath.Join(f.Dir, auditDir, "HEAD"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// Unstage removes a staged folder.
func Unstage(data, name string) error {
	if !strings.HasPrefix(name, stagePrefix) || filepath.Base(name) != name {
		return fhir.Errorf(fhir.KindInvalid, "%q is not what a backup was staged as", name)
	}
	return os.RemoveAll(filepath.Join(data, name))
}

// Sweep removes what processes left that are gone. The caller has the folder
// to himself.
func Sweep(data string) error {
	var errs []error
	for _, prefix := range []string{stagePrefix, restorePrefix} {
		names, err := filepath.Glob(filepath.Join(data, prefix+"*"))
		errs = append(errs, err)
		for _, name := range names {
			errs = append(errs, os.RemoveAll(name))
		}
	}
	return errors.Join(errs...)
}

// ofAny reports whether a file is needed for any data store, or has the keys of
// one: its secret is in the server's records.
func ofAny(name, id string) bool {
	return name == "keys/"+id+".json" || name == "keys/"+vault.Records+".json" || strings.HasPrefix(name, "system/")
}

// Narrow leaves everything out but one data store, its keys and terminologies, and
// the server's records.
func (s *Staged) Narrow(id string) error {
	i := slices.IndexFunc(s.Stores, func(one backup.Store) bool { return one.ID == id })
	if i < 0 {
		return fhir.Errorf(fhir.KindNotFound, "there is no data store %q", id)
	}
	s.Stores, s.Part, s.AuditHead = s.Stores[i:i+1], true, nil
	s.Plain = slices.DeleteFunc(s.Plain, func(text string) bool { return text != vault.Describe(id) && text != vault.Describe(vault.Records) })
	return nil
}

// holds reports whether a file belongs to what is staged, once it is narrowed.
func (s *Staged) holds(name string) bool {
	if !s.Part {
		return true
	}
	id := s.Stores[0].ID
	return ofStore(name, id)
}

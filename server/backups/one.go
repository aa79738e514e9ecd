package backups

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	lsmvfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/durable"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/shelf"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/server/vault"
)

// An Adoption asks for a data store of a backup in a data folder that has
// others.
type Adoption struct {
	// Dir is a folder in the data folder that One filled.
	Dir string `json:"dir"`
	// Source is the id of the data store in the backup, ID the one that it gets.
	Source string `json:"source"`
	ID     string `json:"id"`
	// Record is what the catalog kept of it.
	Record json.RawMessage `json:"record"`
	// Time, where not zero, is when to take it back to.
	Time time.Time `json:"time,omitzero"`
	// MasterKey is the file of the backed-up folder's master key; "" for that of
	// the folder that it comes to.
	MasterKey string `json:"masterKey,omitempty"`
}

// Holding is the newest backup that has a data store, whole.
func Holding(ctx context.Context, p *backup.Place, id string) (*backup.Manifest, error) {
	ids, err := p.IDs(ctx)
	if err != nil {
		return nil, err
	}
	for i := len(ids) - 1; i >= 0; i-- {
		m, err := p.Manifest(ctx, ids[i])
		if err != nil {
			return nil, err
		}
		if m.Store(id) != nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("%w with a data store %q", backup.ErrNone, id)
}

// One fetches a data store of a backup to a new folder in a data folder. The
// caller removes it with Unrestore.
func One(ctx context.Context, p *backup.Place, m *backup.Manifest, id, data string, progress func(backup.Progress)) (dir string, err error) {
	if m.Store(id) == nil {
		return "", fmt.Errorf("%w: backup %s has no data store %q", backup.ErrNone, m.ID, id)
	}
	dir = restorePrefix + rand.Text()
	err = p.Fetch(ctx, m, func(f backup.File) string {
		name := filepath.FromSlash(f.Name)
		if !ofStore(f.Name, id) || ofEvery(f.Name) && there(filepath.Join(data, name)) {
			return ""
		}
		return filepath.Join(data, dir, name)
	}, progress)
	if err != nil {
		return "", errors.Join(err, Unrestore(data, dir))
	}
	return dir, nil
}

// ofStore reports whether a file of a backup belongs to a data store.
func ofStore(name, id string) bool {
	return strings.HasPrefix(name, "stores/"+id+"/") || strings.HasPrefix(name, storeBooks+id+"/") || ofEvery(name) || ofAny(name, id)
}

// Where terminologies are: those for all data stores, and those for one.
const (
	books      = "terminology/"
	storeBooks = books + "stores/"
)

// ofEvery reports whether a file is a terminology for all data stores.
func ofEvery(name string) bool {
	rest, ok := strings.CutPrefix(name, books)
	return ok && !strings.Contains(rest, "/")
}

// there reports whether there is a file.
func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Unrestore removes what One made.
func Unrestore(data, dir string) error {
	if err := checkRestored(dir); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(data, dir))
}

func checkRestored(dir string) error {
	if !strings.HasPrefix(dir, restorePrefix) || filepath.Base(dir) != dir {
		return fhir.Errorf(fhir.KindInvalid, "%q is not what a data store was restored to", dir)
	}
	return nil
}

// Draft is the data store to be made of what One fetched, and what puts its
// storage, keys, guides and terminologies into their places. keys and guides are
// those of the data folder.
func (a *Adoption) Draft(ctx context.Context, data string, keys *vault.Vault, guides *shelf.Shelf) (d datastore.Draft, place func(context.Context) error, err error) {
	if err := checkRestored(a.Dir); err != nil {
		return d, nil, err
	}
	dir := filepath.Join(data, a.Dir)
	from, err := keys.Beside(ctx, dir, a.MasterKey)
	if err != nil {
		return d, nil, err
	}
	var r datastore.Record
	if err := json.Unmarshal(a.Record, &r); err != nil {
		return d, nil, fhir.Errorf(fhir.KindInvalid, "the backup's record of the data store cannot be read: %v", err)
	}
	d = datastore.Draft{ID: a.ID, Name: r.Name, Identity: r.Identity, Control: r.Control}
	if d.Control != nil {
		d.Control = d.Control.Clone()
		d.Control.ClientToken, d.Control.Request = "", ""
	}
	err = a.records(dir, from, func(db kv.DB) error {
		d.PageKey, err = datastore.PageKey(ctx, db, a.Source)
		return err
	})
	if err != nil {
		return d, nil, err
	}
	storage := filepath.Join(dir, "stores", a.Source)
	if !a.Time.IsZero() {
		disk, err := from.FS(ctx, a.Source, lsmvfs.Default)
		if err == nil {
			_, err = pebble.Rewind(storage, disk, throughout(a.Time))
		}
		if err != nil {
			return d, nil, err
		}
	}
	return d, func(ctx context.Context) error {
		if err := keys.Adopt(ctx, a.ID, from, a.Source); err != nil {
			return err
		}
		err := a.records(dir, from, func(db kv.DB) error {
			return guides.Copy(ctx, shelf.New(db, time.Now), a.Source, a.ID)
		})
		if err == nil {
			err = a.moveBooks(dir, data)
		}
		if err != nil {
			return err
		}
		to := filepath.Join(data, "stores")
		return errors.Join(os.Rename(storage, filepath.Join(to, a.ID)), durable.SyncFolder(to))
	}, nil
}

// records reads the restored records.
func (a *Adoption) records(dir string, keys *vault.Vault, read func(kv.DB) error) error {
	f, err := pebble.OpenFolder(dir, pebble.FolderOptions{Seal: keys.FS})
	if err != nil {
		return err
	}
	return errors.Join(read(f.Records()), f.Close())
}

// moveBooks gives the data store the terminologies that it had of its own, and
// those of all data stores that are not here.
func (a *Adoption) moveBooks(dir, data string) error {
	to := filepath.Join(data, filepath.FromSlash(storeBooks), a.ID)
	for _, from := range []string{storeBooks + a.Source, books} {
		found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(from), "*.book"))
		if err != nil || len(found) == 0 {
			continue // nothing was restored there
		}
		if err := os.MkdirAll(to, 0o750); err != nil {
			return err
		}
		for _, path := range found {
			if target := filepath.Join(to, filepath.Base(path)); !there(target) {
				if err := os.Rename(path, target); err != nil {
					return err
				}
			}
		}
	}
	if !there(to) {
		return nil
	}
	return durable.SyncFolder(to)
}

// throughout is the end of a time's millisecond, as meta.lastUpdated tells it.
func throughout(to time.Time) time.Time {
	return to.Truncate(time.Millisecond).Add(time.Millisecond - time.Microsecond)
}

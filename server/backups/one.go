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
	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
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
		if !strings.HasPrefix(f.Name, "stores/"+id+"/") && !ofAny(f.Name, id) {
			return ""
		}
		return filepath.Join(data, dir, filepath.FromSlash(f.Name))
	}, progress)
	if err != nil {
		return "", errors.Join(err, Unrestore(data, dir))
	}
	return dir, nil
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
// storage and keys into their places. keys are those of the data folder.
func (a *Adoption) Draft(ctx context.Context, data string, keys *vault.Vault) (d datastore.Draft, place func(context.Context) error, err error) {
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
	if d.PageKey, err = pageKey(ctx, dir, from, a.Source); err != nil {
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
		to := filepath.Join(data, "stores")
		return errors.Join(os.Rename(storage, filepath.Join(to, a.ID)), crypt.SyncFolder(to))
	}, nil
}

// pageKey reads the secret of a data store from restored records.
func pageKey(ctx context.Context, dir string, keys *vault.Vault, id string) ([]byte, error) {
	f, err := pebble.OpenFolder(dir, pebble.FolderOptions{Seal: keys.FS})
	if err != nil {
		return nil, err
	}
	key, err := datastore.PageKey(ctx, f.Records(), id)
	return key, errors.Join(err, f.Close())
}

// throughout is the end of a time's millisecond, as meta.lastUpdated tells it.
func throughout(to time.Time) time.Time {
	return to.Truncate(time.Millisecond).Add(time.Millisecond - time.Microsecond)
}

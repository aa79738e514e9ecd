package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/blob"
)

// A Manifest describes one backup.
type Manifest struct {
	// ID names the backup in its place.
	ID     string `json:"-"`
	Format int    `json:"format"`
	// Taken is when it was begun: it holds what was acknowledged before.
	Taken time.Time `json:"taken"`
	// Program is the version that made it.
	Program string `json:"program"`
	// Folder is the id of the data folder; "" where it has none.
	Folder string `json:"folder,omitempty"`
	// Part is set where it is not of a whole data folder.
	Part   bool    `json:"part,omitempty"`
	Stores []Store `json:"stores"`
	Files  []File  `json:"files"`
	// Without says, in words, what was left out on purpose.
	Without []string `json:"without,omitempty"`
}

// A Store is a data store in a backup.
type Store struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// T is the logical time that the backup has it at, At when its last version
	// was written.
	T  uint64    `json:"t"`
	At time.Time `json:"at,omitzero"`
	// Created tells data stores of one id apart.
	Created time.Time `json:"created"`
	// Encrypted is set where its files are sealed with keys of its own.
	Encrypted bool `json:"encrypted,omitempty"`
	// Record is what its catalog kept of it.
	Record json.RawMessage `json:"record,omitempty"`
	// Mark is whatever who made the backup wants to know of it later.
	Mark string `json:"mark,omitempty"`
	// Tail are files with the versions that were written after those in its
	// folder, in their order.
	Tail []string `json:"tail,omitempty"`
}

// A File is one file of a backup.
type File struct {
	// Name is its path in the data folder, with slashes.
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified,omitzero"`
	// Piece is the size of all pieces but the last, Pieces are their names.
	Piece  int64    `json:"piece"`
	Pieces []string `json:"pieces,omitempty"`
}

// size is that of a piece by its place.
func (f *File) size(i int) int64 { return min(f.Piece, f.Size-int64(i)*f.Piece) }

// Size is that of all files, in bytes.
func (m *Manifest) Size() (total int64) {
	for i := range m.Files {
		total += m.Files[i].Size
	}
	return total
}

// Store finds a data store; nil where there is none.
func (m *Manifest) Store(id string) *Store {
	for i := range m.Stores {
		if m.Stores[i].ID == id {
			return &m.Stores[i]
		}
	}
	return nil
}

// Reaches refuses a time that the backup was taken before.
func (m *Manifest) Reaches(to time.Time) error {
	if to.After(m.Taken) {
		return fmt.Errorf("backup %s was taken at %s, before %s; it does not hold what was written between", m.ID, m.Taken.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return nil
}

// check refuses what no backup of this program has: names that lead out of the
// folder above all.
func (m *Manifest) check() error {
	if m.Format > format {
		return fmt.Errorf("%w: backup %s has format %d, this program reads up to %d", ErrNewer, m.ID, m.Format, format)
	}
	for i := range m.Files {
		f := &m.Files[i]
		whole := f.Piece > 0 && f.Size >= 0 && int64(len(f.Pieces)) == (f.Size+f.Piece-1)/f.Piece
		if !whole || path.Clean("/"+f.Name) != "/"+f.Name || f.Name == "" || strings.Contains(f.Name, `\`) {
			return fmt.Errorf("%w: the manifest %s has a file %q that cannot be", ErrDamaged, m.ID, f.Name)
		}
		for _, name := range f.Pieces {
			if _, err := hex.DecodeString(name); err != nil || len(name) != 2*sha256.Size {
				return fmt.Errorf("%w: the manifest %s has a piece %q that cannot be", ErrDamaged, m.ID, name)
			}
		}
	}
	return nil
}

// IDs are the names of all backups of the place, oldest first.
func (p *Place) IDs(ctx context.Context) ([]string, error) {
	var ids []string
	for info, err := range p.bucket.List(ctx, p.prefix+backupPrefix, "") {
		if err != nil {
			return nil, err
		}
		if id, ok := strings.CutSuffix(path.Base(info.Key), ".json"); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// maxManifest bounds a manifest, in bytes.
const maxManifest = 1 << 30

// Manifest reads one backup's: ErrNone where there is none, ErrDamaged where it
// is not as it was written.
func (p *Place) Manifest(ctx context.Context, id string) (*Manifest, error) {
	text, err := blob.Read(ctx, p.bucket, p.prefix+backupPrefix+id+".json", maxManifest)
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrKey) {
		return nil, fmt.Errorf("%w: %s", ErrNone, id)
	}
	if err != nil {
		return nil, err
	}
	content, err := p.opened(text)
	m := &Manifest{}
	if err != nil || !strings.HasSuffix(id, "-"+short(content)) || json.Unmarshal(content, m) != nil {
		return nil, fmt.Errorf("%w: the manifest %s%s.json was altered", ErrDamaged, backupPrefix, id)
	}
	m.ID = id
	return m, m.check()
}

// Latest is the newest backup; ErrNone where there is none.
func (p *Place) Latest(ctx context.Context) (*Manifest, error) {
	ids, err := p.IDs(ctx)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: the place holds none", ErrNone)
	}
	return p.Manifest(ctx, ids[len(ids)-1])
}

// short is the part of a manifest's sum that is in its name.
func short(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// timeLayout is how names of backups begin, so that they sort by time.
const timeLayout = "20060102T150405.000Z"

// put writes a manifest, which makes it a backup, and names it.
func (p *Place) put(ctx context.Context, m *Manifest) error {
	slices.SortFunc(m.Files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	content, err := json.Marshal(m)
	if err != nil {
		return err
	}
	id := m.Taken.UTC().Format(timeLayout) + "-" + short(content)
	text, err := p.stored(content)
	if err != nil {
		return err
	}
	if err := blob.Write(ctx, p.bucket, p.prefix+backupPrefix+id+".json", text); err != nil {
		return err
	}
	m.ID = id
	return nil
}

package backup

import (
	"context"
	"slices"
	"time"
)

// Keep says which backups Prune keeps. The newest one always stays.
type Keep struct {
	// Last are kept, however old they are.
	Last int
	// Within are kept that are not older.
	Within time.Duration
	// Only, where not nil, says which of the others may go at all.
	Only func(*Manifest) bool
}

// A Pruning is what Prune did.
type Pruning struct {
	// Removed are backups, Kept those that are left.
	Removed []string `json:"removed"`
	Kept    int      `json:"kept"`
	// Pieces and Bytes are what no backup holds any more, and is gone.
	Pieces int   `json:"pieces"`
	Bytes  int64 `json:"bytes"`
}

// Prune removes backups, and what none of the others holds. With dry set it
// removes nothing. It fails with ErrBusy while a backup is being taken.
func (p *Place) Prune(ctx context.Context, keep Keep, dry bool) (Pruning, error) {
	release, err := p.lock(ctx, lockAlone)
	if err != nil {
		return Pruning{}, err
	}
	defer release()
	ids, err := p.IDs(ctx)
	if err != nil {
		return Pruning{}, err
	}
	result := Pruning{Removed: []string{}}
	uses := map[string]*use{}
	for i, id := range ids {
		m, err := p.Manifest(ctx, id)
		if err != nil {
			// What cannot be read may hold anything: it is for people to look at.
			return Pruning{}, err
		}
		if p.goes(m, len(ids)-1-i, &keep) {
			result.Removed = append(result.Removed, id)
			continue
		}
		result.Kept++
		m.addTo(uses, false)
	}
	if !dry {
		for _, id := range result.Removed {
			if err := p.bucket.Delete(ctx, p.prefix+backupPrefix+id+".json"); err != nil {
				return result, err
			}
		}
	}
	return result, p.sweep(ctx, uses, dry, &result)
}

// goes reports whether a backup is not to be kept, after which so many others
// were taken.
func (p *Place) goes(m *Manifest, after int, keep *Keep) bool {
	if after == 0 || after < keep.Last {
		return false
	}
	if keep.Within > 0 && p.now().Sub(m.Taken) <= keep.Within {
		return false
	}
	return keep.Only == nil || keep.Only(m)
}

// sweep removes the pieces that are not used.
func (p *Place) sweep(ctx context.Context, uses map[string]*use, dry bool, result *Pruning) error {
	have, err := p.pieces(ctx)
	if err != nil {
		return err
	}
	var gone []string
	for name, size := range have {
		if _, used := uses[name]; !used {
			gone = append(gone, name)
			result.Bytes += size
		}
	}
	slices.Sort(gone)
	result.Pieces = len(gone)
	for _, name := range gone {
		if dry {
			break
		}
		if err := p.bucket.Delete(ctx, p.prefix+pieceKey(name)); err != nil {
			return err
		}
	}
	return nil
}

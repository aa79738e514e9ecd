package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// A Flaw is a file of a backup that cannot be restored.
type Flaw struct {
	// Backup is its ID, File the name of the file in the data folder; "" for the
	// manifest itself.
	Backup string `json:"backup"`
	File   string `json:"file,omitempty"`
	Text   string `json:"text"`
}

// A Verification is what Verify found.
type Verification struct {
	Backups int `json:"backups"`
	// Pieces and Bytes were read.
	Pieces int   `json:"pieces"`
	Bytes  int64 `json:"bytes"`
	// Unused pieces are of no backup: of one that was cut off, or is being
	// taken.
	Unused int    `json:"unused"`
	Flaws  []Flaw `json:"flaws"`
}

// use is where a piece is used first in each backup.
type use struct {
	size int64
	at   []Flaw
}

// Verify reads backups whole, those of ids or all, and compares every piece with
// its sum.
func (p *Place) Verify(ctx context.Context, ids []string, progress func(Progress)) (Verification, error) {
	var v Verification
	all, err := p.IDs(ctx)
	if err != nil {
		return v, err
	}
	uses, err := p.uses(ctx, all, ids, &v)
	if err != nil {
		return v, err
	}
	have, err := p.pieces(ctx)
	if err != nil {
		return v, err
	}
	for name := range have {
		if _, used := uses[name]; !used {
			v.Unused++
		}
	}
	return v, p.readAll(ctx, uses, &v, progress)
}

// uses are the pieces of all backups; only those of ids, if not nil, have
// places.
func (p *Place) uses(ctx context.Context, all, ids []string, v *Verification) (map[string]*use, error) {
	for _, id := range ids {
		if !slices.Contains(all, id) {
			return nil, fmt.Errorf("%w: %s", ErrNone, id)
		}
	}
	uses := map[string]*use{}
	for _, id := range all {
		asked := ids == nil || slices.Contains(ids, id)
		m, err := p.Manifest(ctx, id)
		if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNewer) {
			if asked {
				v.Backups++
				v.Flaws = append(v.Flaws, Flaw{Backup: id, Text: err.Error()})
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if asked {
			v.Backups++
		}
		m.addTo(uses, asked)
	}
	return uses, nil
}

func (m *Manifest) addTo(uses map[string]*use, asked bool) {
	for i := range m.Files {
		f := &m.Files[i]
		for n, name := range f.Pieces {
			u := uses[name]
			if u == nil {
				u = &use{size: f.size(n)}
				uses[name] = u
			}
			if asked {
				u.at = append(u.at, Flaw{Backup: m.ID, File: f.Name})
			}
		}
	}
}

func (p *Place) readAll(ctx context.Context, uses map[string]*use, v *Verification, progress func(Progress)) error {
	var at Progress
	for _, u := range uses {
		if len(u.at) > 0 {
			at.Total += u.size
		}
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for name, u := range uses {
		if len(u.at) == 0 {
			continue
		}
		group.Go(func() error {
			_, err := p.read(ctx, name, u.size)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, ErrDamaged):
				for _, flaw := range u.at {
					flaw.Text = err.Error()
					v.Flaws = append(v.Flaws, flaw)
				}
			case err != nil:
				return err
			default:
				v.Pieces, v.Bytes = v.Pieces+1, v.Bytes+u.size
			}
			if at.Done += u.size; progress != nil {
				progress(at)
			}
			return nil
		})
	}
	err := group.Wait()
	slices.SortFunc(v.Flaws, func(a, b Flaw) int {
		return slices.Compare([]string{a.Backup, a.File, a.Text}, []string{b.Backup, b.File, b.Text})
	})
	v.Flaws = slices.Compact(v.Flaws)
	return err
}

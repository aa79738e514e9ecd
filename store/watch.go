package store

import "context"

// Watch is a store that tells of its writes: notice is called with each resource
// that is written or erased, after that is done, whatever came of it, and before
// it is answered.
func Watch(s Store, notice func(resourceType, id string)) Store { return watched{s, notice} }

type watched struct {
	Store
	notice func(resourceType, id string)
}

func (w watched) Commit(ctx context.Context, ops []Op) ([]Version, error) {
	defer w.noticeOps(ops)
	return w.Store.Commit(ctx, ops)
}

func (w watched) Load(ctx context.Context, ops []Op) ([]Version, error) {
	defer w.noticeOps(ops)
	return w.Store.Load(ctx, ops)
}

func (w watched) Erase(ctx context.Context, erasures []Erasure) (int, error) {
	defer func() {
		for _, e := range erasures {
			w.notice(e.Type, e.ID)
		}
	}()
	return w.Store.Erase(ctx, erasures)
}

func (w watched) noticeOps(ops []Op) {
	for i := range ops {
		w.notice(ops[i].Type, ops[i].ID)
	}
}

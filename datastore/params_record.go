package datastore

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A custom is what a data store knows of one SearchParameter resource that is
// active, or was, or of one of a guide. It is kept under "search-parameter/" store 0x00 ID.
type custom struct {
	ID string `json:"id"`
	// T is the version of the resource that the record follows; 0 where the
	// resource is erased.
	T store.T `json:"t"`
	// Ready is what searches use, Next what is being made ready; nil for none.
	Ready *meaning `json:"ready,omitempty"`
	Next  *meaning `json:"next,omitempty"`
	// Drop are the keys of parameters whose entries are to be removed.
	Drop []string `json:"drop,omitempty"`
	// From is the package that a guide's parameter is defined in.
	From string `json:"from,omitempty"`
	progress
	// broken is why the parameter cannot be in the registries; "" where it is.
	broken string
}

// A meaning is a parameter as one version of its resource defines it.
type meaning struct {
	// Generation is that version's T.
	Generation int                         `json:"generation"`
	Def        *definition.SearchParameter `json:"definition"`
	// Keys are the search.Param.Key of its parameters, one for each base.
	Keys []string `json:"keys"`
}

func (m *meaning) custom(building bool) search.Custom {
	return search.Custom{Def: m.Def, Generation: m.Generation, Building: building}
}

// defines reports whether the parameter has a code on a resource type.
func (m *meaning) defines(resourceType, code string) bool {
	return m != nil && m.Def.Code == code && slices.Contains(m.Def.Bases, resourceType)
}

// newest is what the resource says now; nil where it defines nothing.
func (c *custom) newest() *meaning {
	if c.Next != nil {
		return c.Next
	}
	return c.Ready
}

// A rebuild is a request to add the entries that are missing of one parameter
// of a resource type. It is kept under "reindex/" store 0x00 "Type.code".
type rebuild struct {
	Type     string `json:"type"`
	Code     string `json:"code"`
	Finished bool   `json:"finished"`
	progress
}

func (r *rebuild) key() string { return r.Type + "." + r.Code }

// progress is how far background work has come.
type progress struct {
	Looked  int       `json:"done"`
	Total   int       `json:"total"`
	Started time.Time `json:"started,omitzero"`
	// Error is why the last attempt failed, Attempts how many have.
	Error    string `json:"error,omitempty"`
	Attempts int    `json:"attempts,omitempty"`
	// due is when the next attempt may begin.
	due time.Time
}

// paramRecords are the records of one data store.
type paramRecords struct {
	db       kv.DB
	customs  kv.Table[custom]
	rebuilds kv.Table[rebuild]
}

func newParamRecords(db kv.DB, storeID string) *paramRecords {
	return &paramRecords{
		db:       db,
		customs:  kv.NewTable[custom]("search-parameter/" + storeID),
		rebuilds: kv.NewTable[rebuild]("reindex/" + storeID),
	}
}

func (r *paramRecords) all(ctx context.Context) (customs []*custom, rebuilds []*rebuild, err error) {
	err = r.db.View(ctx, func(tx kv.Tx) error {
		for k, err := range r.customs.All(tx) {
			if err != nil {
				return err
			}
			customs = append(customs, &k.Value)
		}
		for k, err := range r.rebuilds.All(tx) {
			if err != nil {
				return err
			}
			rebuilds = append(rebuilds, &k.Value)
		}
		return nil
	})
	return customs, rebuilds, err
}

// save writes some records; those that say nothing any more are removed.
func (r *paramRecords) save(ctx context.Context, customs []custom, rebuilds []rebuild) error {
	if len(customs)+len(rebuilds) == 0 {
		return nil
	}
	return r.db.Update(ctx, func(tx kv.Tx) error {
		var errs []error
		for _, c := range customs {
			if c.Ready == nil && c.Next == nil && len(c.Drop) == 0 && c.Error == "" {
				errs = append(errs, r.customs.Delete(tx, c.ID))
			} else {
				errs = append(errs, r.customs.Put(tx, c.ID, c, time.Time{}))
			}
		}
		for _, b := range rebuilds {
			errs = append(errs, r.rebuilds.Put(tx, b.key(), b, time.Time{}))
		}
		return errors.Join(errs...)
	})
}

// remove removes every record of the data store.
func (r *paramRecords) remove(ctx context.Context) error {
	return r.db.Update(ctx, func(tx kv.Tx) error {
		var errs []error
		for _, key := range keysOf(r.customs.All(tx), &errs) {
			errs = append(errs, r.customs.Delete(tx, key))
		}
		for _, key := range keysOf(r.rebuilds.All(tx), &errs) {
			errs = append(errs, r.rebuilds.Delete(tx, key))
		}
		return errors.Join(errs...)
	})
}

func keysOf[T any](records iter.Seq2[kv.Keyed[T], error], errs *[]error) (keys []string) {
	for k, err := range records {
		*errs = append(*errs, err)
		keys = append(keys, k.Key)
	}
	return keys
}

// inOrder yields the parameters in the order in which they were defined. The
// caller holds mu.
func (p *searchParams) inOrder() iter.Seq[*custom] {
	all := slices.SortedFunc(maps.Values(p.customs), func(a, b *custom) int {
		return cmp.Or(cmp.Compare(a.age(), b.age()), cmp.Compare(a.ID, b.ID))
	})
	return slices.Values(all)
}

// age is the generation of what searches use, or else of what is to come.
func (c *custom) age() int {
	switch {
	case c.Ready != nil:
		return c.Ready.Generation
	case c.Next != nil:
		return c.Next.Generation
	}
	return 0
}

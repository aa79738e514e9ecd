package bearer

import (
	"sync"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/token"
)

// A basis is what a decision is made on. A Verifier gives the same claims for a
// token as long as they say the same; where it does not, the decision is only
// made again. None of it holds the token.
type basis struct {
	claims   *token.Claims
	store    *datastore.Store
	policy   *authz.Policy
	registry *search.Registry
}

// decisions remembers up to 2·limit of them. What was not looked up for limit
// additions is forgotten.
type decisions struct {
	mu         sync.Mutex
	limit      int
	young, old map[basis]authz.Access
}

func (d *decisions) get(on basis) (authz.Access, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.young[on]; ok {
		return known, true
	}
	known, ok := d.old[on]
	if ok {
		d.add(on, known)
	}
	return known, ok
}

func (d *decisions) put(on basis, access authz.Access) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.add(on, access)
}

func (d *decisions) add(on basis, access authz.Access) {
	if d.young == nil || len(d.young) >= d.limit {
		d.old, d.young = d.young, map[basis]authz.Access{}
	}
	d.young[on] = access
}

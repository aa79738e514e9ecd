package subscription

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// StatusDefinition is the canonical URL of the operation that Status carries out.
const StatusDefinition = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-status"

// Status answers $status on the Subscription with an id or, where id is "", on
// those that the parameters id and status of the query name, all where it names
// none: a Bundle of what is said of each, as JSON. Those with criteria are among
// them, and name no topic.
// https://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition-backport-subscription-status.html
func (s *Service) Status(ctx context.Context, ds *datastore.Store, access authz.Access, id string, query []search.Pair) ([]byte, error) {
	view, err := ds.View(ctx, access, 0)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	var found []store.Version
	if id != "" {
		v, err := view.Read(ctx, resourceType, id)
		if err != nil {
			return nil, err
		}
		found = []store.Version{v}
	} else if found, err = asked(ctx, view, query); err != nil {
		return nil, err
	}
	b := bundle{ResourceType: "Bundle", Type: "searchset", Timestamp: instant(s.Now()), Total: new(int)}
	for _, v := range found {
		entry, err := s.statusOf(ctx, ds, v)
		if err != nil {
			return nil, err
		}
		b.Entry = append(b.Entry, entry)
	}
	*b.Total = len(b.Entry)
	return json.Marshal(b)
}

// asked are the Subscriptions that a query names.
func asked(ctx context.Context, view *datastore.View, query []search.Pair) (all []store.Version, err error) {
	var pairs []search.Pair
	for _, p := range query {
		switch p.Name {
		case "id":
			pairs = append(pairs, search.Pair{Name: "_id", Value: p.Value})
		case "status":
			pairs = append(pairs, p)
		case "_format", "_pretty":
		default:
			return nil, fhir.Errorf(fhir.KindInvalid, "$status has no parameter %q; it has id and status", p.Name).At("http." + p.Name)
		}
	}
	q, err := view.Query(ctx, []string{resourceType}, joined(pairs), search.Options{})
	if err != nil {
		return nil, err
	}
	r, err := view.Search(ctx, q, store.Page{Limit: search.MaxCount})
	if err != nil {
		return nil, err
	}
	for v, err := range r.Matches {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// joined are parameters of which the same ones are alternatives.
func joined(pairs []search.Pair) (all []search.Pair) {
	for _, p := range pairs {
		i := slices.IndexFunc(all, func(known search.Pair) bool { return known.Name == p.Name })
		if i < 0 {
			all = append(all, p)
			continue
		}
		all[i].Value += "," + p.Value
	}
	return all
}

// statusOf is what is said of one Subscription.
func (s *Service) statusOf(ctx context.Context, ds *datastore.Store, v store.Version) (bundleEntry, error) {
	tree, err := ds.Read(v)
	if err != nil {
		return bundleEntry{}, err
	}
	what := read(tree.Root())
	var st state
	err = s.parts.Records.View(ctx, func(tx kv.Tx) (err error) {
		st, err = states.Get(tx, key(ds.Record().ID, v.ID))
		return err
	})
	if err != nil && !missing(err) {
		return bundleEntry{}, err
	}
	now := status{base: ds.Base(), id: v.ID, topic: what.Criteria, status: what.Status, kind: typeQuery, since: st.Made}
	if !what.topical() {
		now.content = contentEmpty // which names no topic
	}
	entry := now.entry()
	entry.Request, entry.Response, entry.Search = nil, nil, &mode{"match"}
	return entry, nil
}

package subscription

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/patch"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/validate"
)

func versionID(n uint64) string { return strconv.FormatUint(n, 10) }

// refresh makes the lines those of the Subscriptions that there are now.
func (f *feed) refresh(ctx context.Context, ds *datastore.Store) error {
	wanted, err := f.wanted(ctx, ds)
	if err != nil {
		return err
	}
	for id := range f.lines {
		if !kept(wanted, id) {
			f.stop(id)
		}
	}
	if err := f.forgetGone(ctx, ds, wanted); err != nil {
		return err
	}
	for i := range wanted {
		if err := f.begin(ctx, ds, &wanted[i]); err != nil {
			return err
		}
	}
	f.noteTypes()
	return nil
}

// noteTypes notes which resource types some line looks at: with a topic, topics
// too.
func (f *feed) noteTypes() {
	types := map[string]bool{}
	for _, l := range f.lines {
		w := l.wants.Load()
		for _, t := range w.types() {
			types[t] = true
		}
		if w.topical {
			types[topicType] = true
		}
	}
	f.types.Store(&types)
}

func kept(wanted []store.Version, id string) bool {
	for i := range wanted {
		if wanted[i].ID == id {
			return true
		}
	}
	return false
}

// wanted are the Subscriptions that are requested or active.
func (f *feed) wanted(ctx context.Context, ds *datastore.Store) (all []store.Version, err error) {
	view, err := ds.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	q, err := view.Query(ctx, []string{resourceType}, runningQuery, search.Options{})
	if err != nil {
		return nil, err
	}
	page := store.Page{Limit: search.MaxCount}
	for {
		r, err := view.Search(ctx, q, page)
		if err != nil {
			return nil, err
		}
		for v, err := range r.Matches {
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
		if page.After = r.Next; page.After == nil {
			return all, nil
		}
	}
}

// begin makes the line of a Subscription, and activates one that is requested,
// which the line of one to a topic does by itself once the endpoint has answered.
func (f *feed) begin(ctx context.Context, ds *datastore.Store, v *store.Version) error {
	tree, err := ds.Read(*v)
	if err != nil {
		return err
	}
	what := read(tree.Root())
	if l := f.lines[v.ID]; l != nil {
		greeting := what.Status == statusRequested && l.fresh && l.number == v.Number
		if l.spec.same(&what) && (what.Status == statusActive || greeting) && !l.over() {
			l.end = what.End
			return nil
		}
		f.stop(v.ID)
	}
	l, err := f.newLine(ctx, ds, v, what)
	if err == nil {
		err = f.enrol(ctx, l, v)
	}
	if err == nil && what.Status == statusRequested && !l.fresh {
		err = f.setStatus(ctx, ds, v.ID, v.Number, statusActive, "")
	}
	var e *ending
	if errors.As(err, &e) {
		err = f.setStatus(ctx, ds, v.ID, v.Number, e.status, e.text)
		return unless(err, errWritten)
	}
	if err != nil {
		return unless(err, errWritten)
	}
	f.lines[v.ID] = l
	l.start(ctx)
	return nil
}

func (f *feed) newLine(ctx context.Context, ds *datastore.Store, v *store.Version, what spec) (*line, error) {
	a, err := f.authorOf(ctx, f.store, v.ID, v.Number, &what)
	if missing(err) {
		return nil, &ending{statusError, "this server does not know who asked for it, as after a restore into another data store; write it with status requested"}
	}
	if err != nil {
		return nil, err
	}
	l := &line{
		feed: f, id: v.ID, number: v.Number, fresh: what.topical() && what.Status == statusRequested, spec: what, author: *a, end: what.End, work: make(chan struct{}, 1),
	}
	if l.headers, err = f.headersOf(ctx, a); err != nil {
		return nil, err
	}
	// What the operator allows may have changed.
	if err := f.Endpoints.Check(what.Endpoint); err != nil {
		return nil, &ending{statusError, "the endpoint is not allowed any more: " + err.Error()}
	}
	access, err := f.parts.Access(ctx, ds, a.Grant)
	if err != nil {
		return nil, endingOf(err)
	}
	w, err := readWants(ctx, ds, access, &what)
	if err != nil {
		return nil, endingOf(err)
	}
	l.wants.Store(w)
	return l, nil
}

// enrol finds out how far a line has come. A new one is about what is written
// after it was requested.
func (f *feed) enrol(ctx context.Context, l *line, v *store.Version) error {
	return f.parts.Records.Update(ctx, func(tx kv.Tx) error {
		st, err := states.Get(tx, key(f.store, l.id))
		if missing(err) {
			st = state{At: v.T}
			err = states.Put(tx, key(f.store, l.id), st, time.Time{})
		}
		l.at = st.At
		return err
	})
}

// stop ends the line of a Subscription.
func (f *feed) stop(id string) {
	if l := f.lines[id]; l != nil {
		delete(f.lines, id)
		l.stop()
	}
}

func (f *feed) stopAll() {
	for id := range f.lines {
		f.stop(id)
	}
}

// forgetGone removes the records that nothing needs any more: all but the author
// of the version that there is, whose headers a later one may need, and how far
// those have come that are wanted.
func (f *feed) forgetGone(ctx context.Context, ds *datastore.Store, wanted []store.Version) error {
	view, err := ds.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return err
	}
	defer view.Close()
	known, err := f.known(ctx)
	if err != nil {
		return err
	}
	for _, id := range known {
		v, err := view.Read(ctx, resourceType, id)
		if err != nil && !unseen(err) {
			return err
		}
		if err := f.forgetOne(ctx, id, v.Number, kept(wanted, id)); err != nil {
			return err
		}
	}
	return nil
}

// orphaned is how old an author of a version that is not there has to be, so that
// the version is not about to be stored.
const orphaned = time.Hour

// forgetOne removes what is not needed of a Subscription whose newest version has
// a number, 0 where there is none.
func (f *feed) forgetOne(ctx context.Context, id string, number uint64, wanted bool) error {
	below := key(f.store, id) + "/"
	return f.parts.Records.Update(ctx, func(tx kv.Tx) error {
		var old []string
		for a, err := range authors.Below(tx, below) {
			if err != nil {
				return err
			}
			current := numbered(f.store, id, number)
			if a.Key < current || a.Key > current && f.Now().Sub(a.Value.Time) > orphaned {
				old = append(old, a.Key)
			}
		}
		for _, k := range old {
			if err := authors.Delete(tx, k); err != nil {
				return err
			}
		}
		if wanted {
			return nil
		}
		return errors.Join(forget(tx, events, below), states.Delete(tx, key(f.store, id)))
	})
}

// forgetAll removes all records of a data store.
func (f *feed) forgetAll(ctx context.Context) error {
	return f.parts.Records.Update(ctx, func(tx kv.Tx) error {
		below := f.store + "/"
		return errors.Join(forget(tx, authors, below), forget(tx, events, below), forget(tx, states, below))
	})
}

// known are the ids of the Subscriptions that there are records of.
func (f *feed) known(ctx context.Context) (ids []string, err error) {
	err = f.parts.Records.View(ctx, func(tx kv.Tx) error {
		ids = nil
		seen := map[string]bool{}
		add := func(key string) {
			id, _, _ := strings.Cut(strings.TrimPrefix(key, f.store+"/"), "/")
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
		for r, err := range authors.Below(tx, f.store+"/") {
			if err != nil {
				return err
			}
			add(r.Key)
		}
		for r, err := range states.Below(tx, f.store+"/") {
			if err != nil {
				return err
			}
			add(r.Key)
		}
		return nil
	})
	return ids, err
}

// errWritten says that a Subscription was written meanwhile: the feed looks at it
// again.
var errWritten = errors.New("subscription: written meanwhile")

// unless is an error that is not another.
func unless(err, other error) error {
	if errors.Is(err, other) {
		return nil
	}
	return err
}

// setStatus writes the status of a version of a Subscription, and why; of the one
// that is active, whichever it is, where number is 0. One that is something else
// by now is errWritten.
func (f *feed) setStatus(ctx context.Context, ds *datastore.Store, id string, number uint64, status, why string) error {
	view, err := ds.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return err
	}
	v, err := view.Read(ctx, resourceType, id)
	view.Close()
	if unseen(err) {
		return errWritten
	}
	if err != nil {
		return err
	}
	tree, err := ds.Read(v)
	if err != nil {
		return err
	}
	if number != 0 && number != v.Number || number == 0 && tree.Root().TextOf("status") != statusActive {
		return errWritten
	}
	text := "null"
	if why != "" {
		text = string(fhir.AppendString(nil, shorten(why)))
	}
	merged, err := patch.Merge(tree.Root().Raw(), []byte(`{"status":"`+status+`","error":`+text+`}`))
	if err != nil {
		return err
	}
	next, err := ds.Parse(merged)
	if err != nil {
		return err
	}
	_, err = ds.Commit(context.WithValue(ctx, ownKey{}, true), authz.Unrestricted(), []datastore.Op{{
		Interaction: authz.Update, Type: resourceType, ID: id, IfMatch: versionID(v.Number), Resource: next, Level: validate.Minimal,
	}}, nil)
	if err != nil && fhir.KindOf(err) == fhir.KindPrecondition {
		return errWritten
	}
	if err == nil {
		f.Logger.Info("a subscription has another status", "store", f.store, "subscription", id, "status", status)
	}
	return err
}

// endLine writes the status of the Subscription of a line that ends: of the version
// that is active or, before there is one, of that which the line was made for.
func (f *feed) endLine(ctx context.Context, ds *datastore.Store, l *line, why *ending) error {
	err := f.setStatus(ctx, ds, l.id, 0, why.status, why.text)
	if l.fresh && errors.Is(err, errWritten) {
		return f.setStatus(ctx, ds, l.id, l.number, why.status, why.text)
	}
	return err
}

// maxError bounds the text of Subscription.error.
const maxError = 1000

func shorten(text string) string {
	if len(text) <= maxError {
		return text
	}
	return strings.ToValidUTF8(text[:maxError], "") + "…"
}

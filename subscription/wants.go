package subscription

import (
	"context"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// wants is what a Subscription asks for, understood: some of its triggers.
type wants struct {
	triggers []trigger
	registry *search.Registry
	looked   bool
	// topical is set where a topic has to do with it, which may change.
	topical bool
}

// A trigger is one kind of change.
type trigger struct {
	topicTrigger
	// before and after are conditions on the versions before and after the
	// change; nil for none. filters are those of the Subscription.
	before, after *filter
	filters       []*filter
}

// holds reports whether it is what it would be if it was read now.
func (w *wants) holds(ds *datastore.Store) bool {
	return !w.looked && !w.topical && w.registry == ds.Registry()
}

// types are the resource types that it is about.
func (w *wants) types() (all []string) {
	for _, t := range w.triggers {
		all = append(all, t.resourceType)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A step of a resource's life: what made it, what it was and what it is; nil for
// nothing, or where that is not known.
type step struct {
	op            string
	before, after *search.Candidate
}

// match reports whether some trigger is about a step of a resource of a type.
func (w *wants) match(resourceType string, s step) bool {
	return slices.ContainsFunc(w.triggers, func(t trigger) bool { return t.resourceType == resourceType && t.match(s) })
}

// deletions reports whether deletions matter.
func (w *wants) deletions() bool {
	return slices.ContainsFunc(w.triggers, func(t trigger) bool { return slices.Contains(t.interactions, "delete") })
}

// past reports whether versions before matter.
func (w *wants) past() bool {
	return slices.ContainsFunc(w.triggers, func(t trigger) bool { return t.before != nil })
}

func (t *trigger) match(s step) bool {
	if !slices.Contains(t.interactions, s.op) {
		return false
	}
	about := s.after
	if about == nil {
		about = s.before
	}
	for _, f := range t.filters {
		if !f.match(about) {
			return false
		}
	}
	before, after := t.onCreate, t.onDelete
	if s.before != nil && t.before != nil {
		before = t.before.match(s.before)
	}
	if s.after != nil && t.after != nil {
		after = t.after.match(s.after)
	}
	switch {
	case t.before == nil && t.after == nil:
		return true
	case t.before == nil:
		return after
	case t.after == nil:
		return before
	case t.both:
		return before && after
	}
	return before || after
}

// readWants reads what a Subscription asks for, as somebody may ask for it. The
// errors of filters are at the element that is returned with them.
func readWants(ctx context.Context, ds *datastore.Store, access authz.Access, s *spec) (*wants, error) {
	w := &wants{registry: ds.Registry()}
	if !s.topical() {
		f, err := readCriteria(ctx, ds, access, s.Criteria)
		if err != nil {
			return nil, err
		}
		w.looked = f.looked
		w.triggers = []trigger{{topicTrigger: topicTrigger{resourceType: f.resourceType, interactions: []string{"create", "update"}}, after: f}}
		return w, nil
	}
	w.topical = true
	t, err := findTopic(ctx, ds, s.Criteria)
	if err != nil {
		return nil, err
	}
	for _, from := range t.triggers {
		made, err := readTopicTrigger(ctx, ds, access, from)
		if err != nil {
			return nil, err
		}
		w.triggers = append(w.triggers, made)
	}
	return w, w.narrow(ctx, ds, access, &t, s.Filters)
}

func readTopicTrigger(ctx context.Context, ds *datastore.Store, access authz.Access, from topicTrigger) (made trigger, err error) {
	made.topicTrigger = from
	read := func(query string) *filter {
		if query == "" || err != nil {
			return nil
		}
		if _, own, ok := strings.Cut(query, "?"); ok {
			query = own
		}
		var f *filter
		f, err = readCriteria(ctx, ds, access, from.resourceType+"?"+query)
		return f
	}
	made.before, made.after = read(from.previous), read(from.current)
	if made.before == nil && made.after == nil && err == nil {
		_, err = readCriteria(ctx, ds, access, from.resourceType)
	}
	return made, err
}

// narrow adds the filters of a Subscription to the triggers of their types.
func (w *wants) narrow(ctx context.Context, ds *datastore.Store, access authz.Access, t *topic, filters []string) error {
	for _, text := range filters {
		f, err := readCriteria(ctx, ds, access, text)
		if err != nil {
			return err
		}
		_, pairs, _ := cutCriteria(text)
		for _, p := range pairs {
			if !t.allows(f.resourceType, p.Name) {
				return fhir.Errorf(fhir.KindNotSupported, "the topic cannot be filtered by %s of %s; it can be by %s", p.Name, f.resourceType, strings.Join(t.filters, ", "))
			}
		}
		found := false
		for i := range w.triggers {
			if w.triggers[i].resourceType == f.resourceType {
				w.triggers[i].filters, found = append(w.triggers[i].filters, f), true
			}
		}
		if !found {
			return fhir.Errorf(fhir.KindInvalid, "the filter %q is about %s, which the topic is not about", text, f.resourceType)
		}
	}
	return nil
}

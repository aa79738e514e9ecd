package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/subscribing"
)

// A Subscription sends notifications of changes in a data store. It is a resource
// of that data store, known by its ID.
type Subscription struct {
	ID string `json:"id"`
	// Client is the registered client in whose name it is asked for; see
	// subscribing.Asked, as for what follows.
	Client   string `json:"client,omitempty"`
	Criteria string `json:"criteria"`
	Endpoint string `json:"endpoint"`
	Payload  string `json:"payload,omitempty"`
	Reason   string `json:"reason,omitempty"`
	End      string `json:"end,omitempty"`
	// Headers are those of the requests, by their names.
	Headers map[string]HeaderValue `json:"headers,omitempty"`

	// there is what the server says of it.
	there subscribing.Asked
}

// A HeaderValue says where the value of a header is found, which is a secret.
type HeaderValue struct {
	SecretValue
	// Prefix stands before what was found: "Bearer ".
	Prefix string `json:"prefix,omitempty"`
}

// kept is what a header is written with whose value is to stay; see package
// subscription.
const kept = "********"

// line is the value whole.
func (v HeaderValue) line() string {
	if v.Kept {
		return kept
	}
	return v.Prefix + v.value
}

// locate reads the values of headers.
func (s *Subscription) locate(dir string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		v := s.Headers[name]
		if err := v.read(dir); err != nil {
			errs = append(errs, fmt.Errorf("subscription %s, header %s: %w", s.ID, name, err))
		}
		s.Headers[name] = v
	}
	return errors.Join(errs...)
}

// headers are those of the requests, whole, by name.
func (s *Subscription) headers() (list []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		list = append(list, name+": "+s.Headers[name].line())
	}
	return list
}

func (d *DataStore) readSubscriptions(ctx context.Context, a *admin.Admin) error {
	list, err := a.Subscriptions(ctx, d.ID)
	if err != nil && fhir.KindOf(err) == fhir.KindUnavailable {
		return nil // its key is disabled, or it is being made: nobody can tell
	}
	for _, one := range list {
		s := Subscription{
			ID: one.ID, Client: one.Client, Criteria: one.Criteria, Endpoint: one.Endpoint, Payload: one.Payload, Reason: one.Reason, End: one.End,
			there: one,
		}
		for _, name := range one.Headers {
			if s.Headers == nil {
				s.Headers = map[string]HeaderValue{}
			}
			s.Headers[name] = HeaderValue{SecretValue: SecretValue{Kept: true}}
		}
		d.Subscriptions = append(d.Subscriptions, s)
	}
	return err
}

// planSubscriptions plans those of the data stores that the file speaks of.
func (p *planner) planSubscriptions(wanted, there []DataStore) {
	for _, w := range wanted {
		var now []Subscription
		if at := slices.IndexFunc(there, func(d DataStore) bool { return d.ID == w.ID }); at >= 0 {
			now = there[at].Subscriptions
		}
		key := func(s Subscription) string { return w.ID + "/" + s.ID }
		before := len(p.changes) + len(p.deletes)
		compare(p, "subscription", shown(w.Subscriptions), now, key, kind[Subscription]{
			create: func(s Subscription) step { return setSubscription(w.ID, find(w.Subscriptions, s.ID)) },
			remove: func(s Subscription) step { return removeSubscription(w.ID, s.ID) },
			update: func(_, to Subscription, fields []string) (step, error) {
				if slices.Contains(fields, "client") {
					return nil, nil // it belongs to who asked for it
				}
				return setSubscription(w.ID, find(w.Subscriptions, to.ID)), nil
			},
			ignore: []string{"headers"},
		})
		p.planHeaders(w, now, key)
		if len(p.changes)+len(p.deletes) > before && !p.remote {
			p.errs = append(p.errs, fmt.Errorf("the subscriptions of data store %s change while a server runs on the folder; start it first", w.ID))
		}
	}
}

// planHeaders plans those whose headers alone differ.
func (p *planner) planHeaders(w DataStore, now []Subscription, key func(Subscription) string) {
	for _, s := range w.Subscriptions {
		at := slices.IndexFunc(now, func(n Subscription) bool { return n.ID == s.ID })
		planned := slices.ContainsFunc(p.changes, func(c Change) bool { return c.Kind == "subscription" && c.Name == key(s) })
		if at < 0 || planned || now[at].sameHeaders(&s) {
			continue
		}
		p.changes = append(p.changes, Change{
			Action: Update, Kind: "subscription", Name: key(s), Differences: []string{"headers: other names or values"}, run: setSubscription(w.ID, s),
		})
	}
}

// sameHeaders reports whether another has the same headers, with their values
// where those are not kept.
func (s *Subscription) sameHeaders(wanted *Subscription) bool {
	names := slices.Sorted(maps.Keys(wanted.Headers))
	if !slices.Equal(slices.Sorted(maps.Keys(s.Headers)), names) {
		return false
	}
	for _, name := range names {
		if wanted.Headers[name].Kept {
			return s.there.Sum != nil // it is not known to be other ones
		}
	}
	return s.there.Same(wanted.headers())
}

// shown are Subscriptions as they are compared: the reason that is filled in is
// no difference.
func shown(list []Subscription) []Subscription {
	all := slices.Clone(list)
	for i := range all {
		if all[i].Reason == "" {
			all[i].Reason = subscribing.UsualReason
		}
	}
	return all
}

func find(list []Subscription, id string) Subscription {
	return list[slices.IndexFunc(list, func(s Subscription) bool { return s.ID == id })]
}

func setSubscription(store string, s Subscription) step {
	return silent(func(ctx context.Context, a *admin.Admin) error {
		return a.SetSubscription(ctx, store, subscribing.Asked{
			ID: s.ID, Client: s.Client, Criteria: s.Criteria, Endpoint: s.Endpoint, Payload: s.Payload, Reason: s.Reason, End: s.End, Headers: s.headers(),
		})
	})
}

func removeSubscription(store, id string) step {
	return silent(func(ctx context.Context, a *admin.Admin) error { return a.DeleteSubscription(ctx, store, id) })
}

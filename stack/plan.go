package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/roles"
)

// An Action is what a Change does.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	// Replace deletes and creates: what is to change cannot be changed. A new
	// secret is made.
	Replace Action = "replace"
	Delete  Action = "delete"
)

// A Change is one step of a Plan.
type Change struct {
	Action Action `json:"action"`
	// Kind is "role", "data store", "guide", "guide settings", "identity provider", "user", "client",
	// "subscription", "access key" or "API key".
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Differences say what an update changes: "roles: [\"a\"] → [\"b\"]".
	Differences []string `json:"differences,omitempty"`

	run func(context.Context, *admin.Admin) ([]Secret, error)
}

// A Secret was just made, and is shown once.
type Secret struct {
	// Of is what it belongs to: "client app".
	Of string `json:"of"`
	// Name is "temporary password", "secret", "access key id" or "API key".
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A Plan is what has to change, in order: what others refer to comes first, and
// goes last.
type Plan struct {
	Changes []Change `json:"changes"`
}

// Make compares a file with what there is. With prune, what is not in a section
// that the file has is deleted. The error says what cannot be made so.
func Make(ctx context.Context, a *admin.Admin, f *File, prune bool) (*Plan, error) {
	s, err := read(ctx, a)
	if err != nil {
		return nil, err
	}
	p := &planner{prune: prune, remote: a.Remote()}
	compare(p, "role", f.Roles, s.Roles, roleKey, kind[roles.Role]{create: setRole, update: updateRole, remove: removeRole})
	compare(p, "data store", f.DataStores, s.DataStores, DataStore.key, kind[DataStore]{
		create: createStore, update: updateStore, remove: removeStore, ignore: []string{"guides", "guideSettings", "subscriptions"},
	})
	p.planGuides(f.DataStores, s.DataStores)
	p.planProviders(f.IdentityProviders, s.IdentityProviders)
	compare(p, "user", f.Users, s.Users, User.key, kind[User]{create: createUser, update: updateUser, remove: removeUser, ignore: []string{"noPassword"}})
	compare(p, "client", f.Clients, s.Clients, Client.key, kind[Client]{create: createClient, update: updateClient, remove: removeClient})
	p.planSubscriptions(f.DataStores, s.DataStores)
	compare(p, "access key", f.AccessKeys, s.AccessKeys, AccessKey.key, s.accessKeyKind())
	compare(p, "API key", f.APIKeys, s.APIKeys, APIKey.key, s.apiKeyKind())
	slices.Reverse(p.deletes)
	return &Plan{append(p.changes, p.deletes...)}, p.failed()
}

// A step carries out a change.
type step = func(context.Context, *admin.Admin) ([]Secret, error)

// A kind is how things of one kind are changed. update returns nil where what
// differs cannot be changed; they are then replaced, or, where replacing would
// lose data, the plan fails.
type kind[T any] struct {
	create, remove func(T) step
	update         func(from, to T, fields []string) (step, error)
	// ignore are fields that are about creation only.
	ignore []string
}

type planner struct {
	prune bool
	// remote is set where a server runs.
	remote           bool
	changes, deletes []Change
	errs             []error
}

// compare plans the changes of one section.
func compare[T any](p *planner, name string, wanted, there []T, key func(T) string, k kind[T]) {
	if wanted == nil {
		return
	}
	for _, w := range wanted {
		at := slices.IndexFunc(there, func(t T) bool { return key(t) == key(w) })
		if at < 0 {
			p.changes = append(p.changes, Change{Action: Create, Kind: name, Name: key(w), run: k.create(w)})
			continue
		}
		p.change(name, key(w), differences(there[at], w, k.ignore), func(fields []string) (step, error) { return k.update(there[at], w, fields) },
			func() step { return both(k.remove(there[at]), k.create(w)) })
	}
	for _, t := range there {
		if p.prune && !slices.ContainsFunc(wanted, func(w T) bool { return key(w) == key(t) }) {
			p.deletes = append(p.deletes, Change{Action: Delete, Kind: name, Name: key(t), run: k.remove(t)})
		}
	}
}

// change plans what makes one thing another.
func (p *planner) change(kind, name string, differ map[string]string, update func([]string) (step, error), replace func() step) {
	if len(differ) == 0 {
		return
	}
	fields := slices.Sorted(maps.Keys(differ))
	c := Change{Action: Update, Kind: kind, Name: name}
	for _, f := range fields {
		c.Differences = append(c.Differences, f+": "+differ[f])
	}
	var err error
	if c.run, err = update(fields); err != nil {
		p.errs = append(p.errs, fmt.Errorf("%s %s: %w", kind, name, err))
		return
	}
	if c.run == nil {
		c.Action, c.run = Replace, replace()
	}
	p.changes = append(p.changes, c)
}

// both runs two steps.
func both(first, second step) step {
	return func(ctx context.Context, a *admin.Admin) ([]Secret, error) {
		if _, err := first(ctx, a); err != nil {
			return nil, err
		}
		return second(ctx, a)
	}
}

// differences are the members of two things' JSON that differ.
func differences(from, to any, ignore []string) map[string]string {
	old, recent := members(from), members(to)
	differ := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(union(old, recent))) {
		if string(old[name]) != string(recent[name]) && !slices.Contains(ignore, name) {
			differ[name] = short(old[name]) + " → " + short(recent[name])
		}
	}
	return differ
}

func union(a, b map[string]json.RawMessage) map[string]json.RawMessage {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// members is a thing's JSON, with members in order wherever they are nested, and
// without those that are empty.
func members(of any) map[string]json.RawMessage {
	text, err := json.Marshal(of)
	var values map[string]any
	if err == nil {
		err = json.Unmarshal(text, &values)
	}
	if err != nil {
		panic("stack: " + err.Error()) // these types have a JSON form
	}
	all := map[string]json.RawMessage{}
	for name, v := range values {
		if one, err := json.Marshal(v); err == nil && !slices.Contains([]string{`""`, `[]`, `{}`, `null`, `false`, `0`}, string(one)) {
			all[name] = one
		}
	}
	return all
}

// maxShown bounds what is shown of a value.
const maxShown = 60

func short(value json.RawMessage) string {
	switch text := []rune(string(value)); {
	case len(text) == 0:
		return "nothing"
	case len(text) > maxShown:
		return string(text[:maxShown]) + "…"
	default:
		return string(text)
	}
}

// Apply carries the plan out, one change after the other, and calls done after
// each. It stops at the first error; applied again, the file goes on from there.
func (p *Plan) Apply(ctx context.Context, a *admin.Admin, done func(Change, []Secret)) error {
	for _, c := range p.Changes {
		secrets, err := c.run(ctx, a)
		if err != nil {
			return fmt.Errorf("%s %s %s: %w", c.Action, c.Kind, c.Name, err)
		}
		for i := range secrets {
			secrets[i].Of = c.Kind + " " + c.Name
		}
		done(c, secrets)
	}
	return nil
}

func (d Duration) std() time.Duration { return time.Duration(d) }

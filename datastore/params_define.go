package datastore

import (
	"context"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// searchParameter is the type of the resources that define parameters.
const searchParameter = "SearchParameter"

// A change is what one write means for the search parameters.
type change struct {
	id string
	// def is what the resource defines; nil where it is not active, or gone.
	def *meaning
	// op is the place of the write in its commit.
	op int
}

// changes reads what the writes of an attempt define, and refuses what cannot
// be used. Only resources that are active count.
func (x *expansion) changes() ([]change, error) {
	var all []change
	for i := range x.steps {
		st := &x.steps[i]
		if st.op.Type != searchParameter || !st.write {
			continue
		}
		c := change{id: st.op.ID, op: i}
		if st.op.Kind != store.OpDelete && st.tree.Root().TextOf("status") == "active" {
			def, err := x.commit.store.params.read(st.tree, append(ids(all), c.id))
			if err != nil {
				return nil, x.commit.locate(i, err)
			}
			c.def = def
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, nil
	}
	if i, err := x.commit.store.params.admit(all); err != nil {
		return nil, x.commit.locate(i, err)
	}
	return all, nil
}

func ids(changes []change) []string {
	all := make([]string, len(changes))
	for i, c := range changes {
		all[i] = c.id
	}
	return all
}

// read reads an active SearchParameter. The resources with the ids given do
// not count: they are about to change.
func (p *searchParams) read(tree *fhir.Tree, except []string) (*meaning, error) {
	registry, err := p.base, error(nil)
	if tree.Root().Child("component").Exists() {
		if registry, err = p.others(tree.Root().TextOf("code"), except); err != nil {
			return nil, err
		}
	}
	def, err := registry.ReadDefinition(tree)
	if err != nil {
		return nil, err
	}
	return &meaning{Def: def, Generation: math.MaxInt}, nil
}

// others has the newest meanings of the resources that do not count as
// changing, for the components of a composite. Its own code is left out: admit
// tells whose that is.
func (p *searchParams) others(code string, except []string) (*search.Registry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var others []search.Custom
	for c := range p.inOrder() {
		if m := c.newest(); m != nil && m.Def.Code != code && !slices.Contains(except, c.ID) {
			others = append(others, m.custom(false))
		}
	}
	return p.base.With(others)
}

// admit refuses changes after which two resources would define the same
// parameter, or after which a composite would lack a component. i is the op
// that is to blame.
func (p *searchParams) admit(changes []change) (i int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	after := maps.Clone(p.customs)
	for _, c := range changes {
		next := custom{ID: c.id}
		if old := after[c.id]; old != nil {
			next = *old
		}
		next.become(c.def)
		for _, other := range after {
			if err := collision(&next, other); err != nil {
				return c.op, err
			}
		}
		after[c.id] = &next
	}
	trial := &searchParams{customs: after}
	if _, err := p.build(slices.Collect(trial.inOrder())); err != nil {
		return changes[0].op, needed(changes, err)
	}
	return 0, nil
}

// needed is the error of changes that other parameters do not bear.
func needed(changes []change, err error) error {
	if slices.ContainsFunc(changes, func(c change) bool { return c.def == nil }) {
		return fhir.Errorf(fhir.KindConflict, "an active search parameter needs this one; retire that first: %v", err)
	}
	return err
}

// collision is the error of two resources that define the same code on one
// resource type. What a resource defined before counts while it is in use.
func collision(c, other *custom) error {
	if c.ID == other.ID || c.newest() == nil {
		return nil
	}
	def := c.newest().Def
	for _, base := range def.Bases {
		if other.Ready.defines(base, def.Code) || other.Next.defines(base, def.Code) {
			return fhir.Errorf(fhir.KindConflict, "%s defines the search parameter %s of %s already; retire it first, or use another code", other.name(), def.Code, base).At("SearchParameter.code")
		}
	}
	return nil
}

// name is what to call a definition.
func (c *custom) name() string {
	if c.ofGuide() {
		return "a guide (" + c.From + ") has " + strings.TrimPrefix(c.ID, guidePrefix) + ", which"
	}
	return "SearchParameter/" + c.ID + ", which is active,"
}

// become makes a meaning the newest one, nil for none. What is in use stays so
// until the new one is ready.
func (c *custom) become(m *meaning) {
	switch {
	case m == nil:
		c.drop(c.Ready)
		c.drop(c.Next)
		c.Ready, c.Next, c.progress = nil, nil, progress{}
	case c.Next != nil && reflect.DeepEqual(c.Next.Def, m.Def):
	case c.Ready != nil && reflect.DeepEqual(c.Ready.Def, m.Def):
		c.drop(c.Next)
		c.Next, c.progress = nil, progress{}
	case len(m.Def.Bases) == 0: // the release's own parameters serve it
		c.drop(c.Ready)
		c.drop(c.Next)
		c.Ready, c.Next, c.progress = m, nil, progress{}
	default:
		c.drop(c.Next)
		c.Next, c.progress = m, progress{}
	}
}

func (c *custom) drop(m *meaning) {
	if m != nil {
		c.Drop = append(slices.Clip(c.Drop), m.Keys...)
	}
}

// apply makes changes that are committed take effect: in writes when it
// returns, in queries when their entries are complete, and at once where a
// parameter is gone. versions are the changes' versions; the zero version is
// that of an erased resource. The caller holds defining, and not epoch.
func (p *searchParams) apply(ctx context.Context, changes []change, versions []store.Version) {
	var records []custom
	p.update(func() {
		for i, c := range changes {
			if record := p.follow(c, versions[i].T); record != nil {
				records = append(records, *record)
			}
		}
		if p.pass != nil {
			p.pass.check(p)
		}
	})
	// The commit is done: what fails here is made good at the next start, when
	// the records are compared with the resources.
	if err := p.records.save(context.WithoutCancel(ctx), records, nil); err != nil {
		p.log.Error("the records of search parameters cannot be written", "error", err)
	}
	p.nudge()
}

// follow makes a change in the record of its resource; nil where there is
// nothing to record. The caller holds mu.
func (p *searchParams) follow(c change, t store.T) *custom {
	record := p.customs[c.id]
	if record == nil {
		if c.def == nil {
			return nil
		}
		record = &custom{ID: c.id}
		p.customs[c.id] = record
	}
	if c.def != nil {
		c.def.number(int(t))
	}
	record.T = t
	record.become(c.def)
	return record
}

// number gives a new meaning its generation and the keys of its parameters.
func (m *meaning) number(generation int) {
	m.Generation = generation
	m.Keys = m.custom(false).Keys()
}

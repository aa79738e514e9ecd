package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A scribe writes random resources and keeps the model of them.
type scribe struct {
	rand  *rand.Rand
	clock *clock
	store store.Store
	model model
	// change, where not nil, changes each op before it is written.
	change func(store.Op) store.Op
}

func newScribe(seed uint64, s store.Store, c *clock) *scribe {
	return &scribe{rand: rand.New(rand.NewPCG(seed, 1)), store: s, clock: c}
}

const (
	scribeIDs     = 40
	scribeNumbers = 25
)

var scribeWords = []string{"a", "ab", "abc", "b", "ba", "c", "cc", "d"}

func (s *scribe) id() string { return fmt.Sprintf("%02d", s.rand.IntN(scribeIDs)) }

// op is a random write; about a fifth are deletions.
func (s *scribe) op() store.Op {
	r := &resource{ResourceType: "Patient", ID: s.id()}
	if s.rand.IntN(3) > 0 {
		r.ResourceType = "Observation"
		for range s.rand.IntN(3) {
			r.Subject = append(r.Subject, s.id())
		}
	}
	if s.rand.IntN(5) == 0 {
		return remove(r.ResourceType, r.ID)
	}
	for range s.rand.IntN(4) {
		r.Words = append(r.Words, scribeWords[s.rand.IntN(len(scribeWords))])
	}
	for range s.rand.IntN(3) {
		r.Numbers = append(r.Numbers, uint64(s.rand.IntN(scribeNumbers)))
	}
	return update(r)
}

// write commits up to four ops on different resources, some times.
func (s *scribe) write(t *testing.T, times int) {
	t.Helper()
	for range times {
		var ops []store.Op
		for range 1 + s.rand.IntN(4) {
			o := s.op()
			if s.change != nil {
				o = s.change(o)
			}
			if !slices.ContainsFunc(ops, func(p store.Op) bool { return p.Type == o.Type && p.ID == o.ID }) {
				ops = append(ops, o)
			}
		}
		s.model.add(commit(t, s.store, ops...))
		s.clock.Pass(time.Duration(s.rand.IntN(3)) * time.Millisecond)
	}
}

// A planner makes random plans over the fabricated parameters.
type planner struct {
	rand *rand.Rand
	from time.Time
	// depth is how deep conditions nest.
	depth int
}

func (p *planner) words(resourceType string) search.Terms {
	n := search.Terms{Param: patientName}
	if resourceType == "Observation" {
		n.Param = observationCode
	}
	a, b := scribeWords[p.rand.IntN(len(scribeWords))], scribeWords[p.rand.IntN(len(scribeWords))]
	if a > b {
		a, b = b, a
	}
	switch p.rand.IntN(6) {
	case 0:
		n.Spans = []search.Span{{}}
	case 1:
		n.Spans = []search.Span{{From: []byte(a), To: []byte(b)}}
	case 2:
		n.Spans = []search.Span{search.Prefix([]byte(a))}
	case 3:
		if a != b {
			n.Spans = []search.Span{search.Exactly(word(a)), search.Exactly(word(b))}
			break
		}
		fallthrough
	default:
		n.Spans = []search.Span{search.Exactly(word(a))}
	}
	if p.rand.IntN(4) == 0 {
		n.Test = func(key []byte) bool { return len(key)%2 == 0 }
	}
	return n
}

func (p *planner) numbers(resourceType string) search.Terms {
	n := search.Terms{Param: patientNumber}
	if resourceType == "Observation" {
		n.Param = observationNumber
	}
	from := uint64(p.rand.IntN(scribeNumbers))
	n.Spans = []search.Span{{From: number(from), To: number(from + uint64(p.rand.IntN(8)))}}
	switch p.rand.IntN(4) {
	case 0:
		n.Spans[0].To = nil
	case 1:
		n.Spans = []search.Span{search.Exactly(number(from))}
	}
	return n
}

func (p *planner) updated() search.Updated {
	at := func() time.Time {
		if p.rand.IntN(3) == 0 {
			return time.Time{}
		}
		return p.from.Add(time.Duration(p.rand.IntN(200)) * time.Millisecond)
	}
	return search.Updated{From: at(), To: at()}
}

func (p *planner) ids() (n search.IDs) {
	for range p.rand.IntN(6) {
		n.IDs = append(n.IDs, fmt.Sprintf("%02d", p.rand.IntN(scribeIDs+2)))
	}
	slices.Sort(n.IDs)
	n.IDs = slices.Compact(n.IDs)
	return n
}

// subject refers to one patient.
func (p *planner) subject() search.Terms {
	key := search.ReferenceKey("Patient", fmt.Sprintf("%02d", p.rand.IntN(scribeIDs)))
	return search.Terms{Param: observationRefers, Spans: []search.Span{search.Exactly(key)}}
}

// node is a random condition on a type, of every kind.
func (p *planner) node(resourceType string, depth int) search.Node {
	kinds := 11
	if depth == 0 {
		kinds = 5
	}
	switch p.rand.IntN(kinds) {
	case 0, 1:
		return p.words(resourceType)
	case 2:
		return p.numbers(resourceType)
	case 3:
		return p.ids()
	case 4:
		if resourceType == "Observation" && p.rand.IntN(2) == 0 {
			return p.subject()
		}
		return p.updated()
	case 5, 6:
		return search.And(p.nodes(resourceType, depth-1))
	case 7:
		return search.Or(p.nodes(resourceType, depth-1))
	case 8:
		return search.Not{Node: p.node(resourceType, depth-1)}
	}
	if resourceType == "Observation" {
		return search.Chain{Param: observationRefers, Target: "Patient", Where: p.node("Patient", depth-1)}
	}
	return search.Has{Param: observationRefers, Where: p.node("Observation", depth-1)}
}

func (p *planner) nodes(resourceType string, depth int) (list []search.Node) {
	for range p.rand.IntN(4) {
		list = append(list, p.node(resourceType, depth))
	}
	return list
}

// plan is a random plan over one or both types, in a random order.
func (p *planner) plan() (plan search.Plan) {
	types := [][]string{{"Patient"}, {"Observation"}, {"Patient", "Observation"}}[p.rand.IntN(3)]
	for _, resourceType := range types {
		part := search.Part{Type: resourceType}
		if p.rand.IntN(5) > 0 {
			part.Where = p.node(resourceType, p.depth)
		}
		plan.Parts = append(plan.Parts, part)
	}
	for range p.rand.IntN(3) {
		plan.Sort = append(plan.Sort, p.sortKey(types))
	}
	return plan
}

func (p *planner) sortKey(types []string) search.SortKey {
	k := search.SortKey{Desc: p.rand.IntN(2) == 0}
	switch p.rand.IntN(5) {
	case 0:
		k.ID = true
	case 1: // _lastUpdated
	case 2:
		for _, resourceType := range types {
			k.Params = append(k.Params, paramOf(resourceType, "number"))
		}
	default:
		for _, resourceType := range types {
			if resourceType == "Patient" {
				k.Params = append(k.Params, patientName)
			} else {
				k.Params = append(k.Params, observationCode)
			}
		}
	}
	return k
}

// plans are n random plans, fewer in short tests.
func plans(seed int64, n int) []search.Plan { return plansOf(3, seed, n) }

func plansOf(depth int, seed int64, n int) (list []search.Plan) {
	if testing.Short() {
		n = (n + 4) / 5
	}
	p := &planner{rand: rand.New(rand.NewPCG(uint64(seed), 2)), from: newClock().Now(), depth: depth}
	for range n {
		list = append(list, p.plan())
	}
	return list
}

// checkPlan compares the pages, the total and the count of a plan.
func checkPlan(t *testing.T, m *model, v store.View, plan search.Plan, limit int) {
	t.Helper()
	want := m.search(t, plan, v.T())
	got, total := pages(t, v, plan, limit)
	if !slices.EqualFunc(want, got, sameVersion) {
		t.Fatalf("at %d, pages of %d of %s:\n got %v\nwant %v", v.T(), limit, describe(plan), names(got), names(want))
	}
	if total != len(want) {
		t.Fatalf("at %d, total of %s: %d, want %d", v.T(), describe(plan), total, len(want))
	}
	if n, err := v.Count(ctx, plan); err != nil || n != len(want) {
		t.Fatalf("at %d, count of %s: %d, %v, want %d", v.T(), describe(plan), n, err, len(want))
	}
}

func describe(plan search.Plan) (s string) {
	for _, part := range plan.Parts {
		s += part.Type + "?" + describeNode(part.Where) + " "
	}
	for _, k := range plan.Sort {
		switch {
		case k.ID:
			s += "by id"
		case k.Params == nil:
			s += "by T"
		default:
			s += "by " + k.Params[0].Code
		}
		s += fmt.Sprintf(" desc=%v ", k.Desc)
	}
	return s
}

func describeNode(n search.Node) string {
	list := func(name string, nodes []search.Node) string {
		s := name + "("
		for _, n := range nodes {
			s += describeNode(n) + " "
		}
		return s + ")"
	}
	switch n := n.(type) {
	case search.Terms:
		s := n.Param.Code
		for _, span := range n.Spans {
			s += fmt.Sprintf("[%q,%q)", span.From, span.To)
		}
		if n.Test != nil {
			s += "tested"
		}
		return s
	case search.And:
		return list("and", n)
	case search.Or:
		return list("or", n)
	case search.Not:
		return list("not", []search.Node{n.Node})
	case search.Chain:
		return list("chain "+n.Target, []search.Node{n.Where})
	case search.Has:
		return list("has "+n.Param.Type, []search.Node{n.Where})
	}
	return fmt.Sprintf("%+v", n)
}

// testNodes compares random searches with the model, at the current time and
// at earlier ones, before and after reopening.
func testNodes(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	w := newScribe(1, s, c)
	w.write(t, 60)
	middle := viewAt(t, s, 0).T()
	w.write(t, 40)
	for round := range 3 {
		v := viewAt(t, s, 0)
		for i, plan := range plans(int64(round), 150) {
			checkPlan(t, &w.model, v, plan, 1+i%9)
		}
		old := viewAt(t, s, middle)
		for _, plan := range plans(int64(round)+100, 60) {
			checkPlan(t, &w.model, old, plan, 5)
		}
		// Each round a part of the index is in files, and a part is not.
		closeStore(t, s)
		s = open(t, disk, c)
		w.store = s
		w.write(t, 10)
	}
	closeStore(t, s)
}

// testSort sorts more resources than a backend would sort by reading them.
func testSort(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	random := rand.New(rand.NewPCG(7, 7))
	var m model
	batches := 12
	if testing.Short() {
		batches = 3
	}
	for batch := range batches {
		var ops []store.Op
		for i := range 100 {
			r := &resource{ResourceType: "Patient", ID: fmt.Sprintf("%02d%02d", random.IntN(100), i)}
			for range random.IntN(3) {
				r.Words = append(r.Words, fmt.Sprintf("%c%d", 'a'+rune(random.IntN(4)), random.IntN(3)))
				r.Numbers = append(r.Numbers, random.Uint64()%500)
			}
			ops = append(ops, update(r))
		}
		m.add(commit(t, s, ops...))
		if batch == batches/2 {
			closeStore(t, s)
			s = open(t, disk, c)
		}
	}
	defer closeStore(t, s)
	v := viewAt(t, s, 0)
	name, num := []*search.Param{patientName}, []*search.Param{patientNumber}
	for _, desc := range []bool{false, true} {
		for _, keys := range [][]search.SortKey{
			{{Params: num, Desc: desc}},
			{{Params: name, Desc: desc}},
			{{Params: name, Desc: desc}, {Params: num, Desc: !desc}},
			{{Params: name, Desc: !desc}, {ID: true, Desc: desc}},
			{{Params: name, Desc: !desc}, {Desc: desc}},
			{{ID: true, Desc: desc}},
			{{Desc: desc}},
		} {
			checkPlan(t, &m, v, search.Plan{Parts: []search.Part{{Type: "Patient"}}, Sort: keys}, 400)
		}
	}
}

// testPaging reads pages slowly at one time while four goroutines write.
func testPaging(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	defer closeStore(t, s)
	w := newScribe(3, s, c)
	w.write(t, 100)
	at := viewAt(t, s, 0).T()
	scribes := [4]*scribe{}
	for i := range scribes {
		scribes[i] = newScribe(uint64(10+i), s, c)
	}
	writing := startWriters(t, s, func(writer, _ int) store.Op { return scribes[writer].op() })
	defer writing.stop()
	for i, plan := range plans(5, 60) {
		// Each page has a view of its own, as the pages of a client do.
		want := w.model.search(t, plan, at)
		var got []store.Version
		for page := (store.Page{Limit: 1 + i%6}); ; {
			writing.write(2)
			v := viewAt(t, s, at)
			r, err := v.Search(ctx, plan, page)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, collect(t, r.Matches)...)
			if page.After = r.Next; r.Next == nil {
				break
			}
		}
		wantVersions(t, describe(plan), want, got)
	}
}

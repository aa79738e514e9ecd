package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/search"
)

// A Step is one part of the work behind a Result. Steps stand in the order in
// which they began; those that a step is made of follow it, one Depth further
// in. What and How are English text for people, and hold no data of resources.
type Step struct {
	// Depth is 0 for the outermost steps.
	Depth int
	// What is the condition or the stage: "Patient.gender", "and", "sort".
	What string
	// How is the way that was taken: "1 span, exact".
	How string
	// Matches is the number of versions that the step left, or for the step
	// "sort" had to order. Before the step "visible", superseded versions and
	// deletions may be among them.
	Matches int
	// Keys is the number of index keys that were looked up or passed, Took
	// the time; both include the steps inside this one.
	Keys int
	Took time.Duration
}

// NotIndexed is the How of a parameter that no resource has a value for.
const NotIndexed = "nothing is indexed under it"

// A Trace collects the Steps of one search for a backend. A nil Trace collects
// nothing, at no cost. It is for one goroutine.
type Trace struct {
	steps []Step
	// open are the places of the steps that have not ended, outermost first.
	open []int
	keys *int
}

// NewTrace returns a Trace for a page, nil where it is not to be explained.
// The backend counts the keys that it reads in keys.
func NewTrace(page Page, keys *int) *Trace {
	if !page.Explain {
		return nil
	}
	return &Trace{keys: keys}
}

// Steps are the steps so far, nil of a nil Trace.
func (t *Trace) Steps() []Step {
	if t == nil {
		return nil
	}
	return t.steps
}

// A Stage is a step that has begun.
type Stage struct {
	trace *Trace
	start time.Time
	keys  int
}

// Begin opens a step inside those that are open.
func (t *Trace) Begin(what, how string) Stage {
	if t == nil {
		return Stage{}
	}
	t.steps = append(t.steps, Step{Depth: len(t.open), What: what, How: how})
	t.open = append(t.open, len(t.steps)-1)
	return Stage{trace: t, start: time.Now(), keys: *t.keys}
}

// BeginNode opens the step of a condition on resources of a type.
func (t *Trace) BeginNode(resourceType string, n search.Node) Stage {
	if t == nil {
		return Stage{}
	}
	return t.Begin(describe(resourceType, n))
}

// BeginSort opens the step that orders a set.
func (t *Trace) BeginSort(set Set) Stage {
	s := t.Begin("sort", "")
	if t != nil {
		t.last().Matches = int(set.GetCardinality())
	}
	return s
}

// A Set is a set of versions that can tell its size.
type Set interface{ GetCardinality() uint64 }

// End closes the innermost step, which left a set.
func (s Stage) End(set Set) {
	if s.trace != nil {
		s.trace.last().Matches = int(set.GetCardinality())
		s.close()
	}
}

// EndSort closes the step of BeginSort and adds the one of the page, which has
// n matches and goes on at next.
func (s Stage) EndSort(page Page, next []byte, n int) {
	if s.trace == nil {
		return
	}
	if s.trace.last().How == "" {
		s.trace.Note("nothing to sort")
	}
	s.close()
	last := s.trace.Begin("page", describePage(page, next))
	s.trace.last().Matches = n
	last.close()
}

func (s Stage) close() {
	t := s.trace
	step := t.last()
	step.Keys, step.Took = *t.keys-s.keys, time.Since(s.start)
	t.open = t.open[:len(t.open)-1]
}

// last is the innermost open step.
func (t *Trace) last() *Step { return &t.steps[t.open[len(t.open)-1]] }

// Note adds to the How of the innermost step, once.
func (t *Trace) Note(how string) {
	if t == nil {
		return
	}
	step := t.last()
	switch {
	case step.How == "":
		step.How = how
	case !strings.Contains(step.How, how):
		step.How += ", " + how
	}
}

func describePage(page Page, next []byte) string {
	how := fmt.Sprintf("first page of up to %d", page.Limit)
	switch {
	case page.Limit <= 0:
		return "the total alone"
	case page.After != nil:
		how = fmt.Sprintf("later page of up to %d", page.Limit)
	}
	if next == nil {
		return how + ", the last"
	}
	return how + ", more follow"
}

// describe names a node and the way in which it is found, as far as that does
// not depend on the data.
func describe(resourceType string, n search.Node) (what, how string) {
	switch n := n.(type) {
	case nil:
		return "all", "1 span, exact: every resource of the type"
	case search.Terms:
		return n.Param.Key(), describeTerms(n)
	case search.IDs:
		return resourceType + "._id", fmt.Sprintf("%d looked up by id", len(n.IDs))
	case search.Updated:
		return resourceType + "._lastUpdated", "range of versions"
	case search.And:
		return "and", fmt.Sprintf("%d conditions, the cheapest first", len(n))
	case search.Or:
		return "or", fmt.Sprintf("%d conditions", len(n))
	case search.Not:
		return "not", "all but"
	case search.Chain:
		return n.Param.Key() + " to " + n.Target, "exact, one key for each match of the inner search"
	case search.Has:
		return "_has " + n.Param.Key(), ""
	}
	return fmt.Sprintf("%T", n), ""
}

func describeTerms(n search.Terms) string {
	kind := "exact"
	for _, span := range n.Spans {
		if !span.Single() {
			kind = "range"
		}
	}
	how := fmt.Sprintf("%d spans, %s", len(n.Spans), kind)
	if len(n.Spans) == 1 {
		how = "1 span, " + kind
	}
	if n.Test != nil {
		how += ", keys tested"
	}
	if n.Recheck != nil {
		how += ", resources read"
	}
	return how
}

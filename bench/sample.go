package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// A sample is what the scenarios know of the data that was loaded: ids of
// every type, evenly chosen, and values of search parameters.
type sample struct {
	rng    *rand.Rand
	ids    map[string][]string // by type
	seen   map[string]int      // how many of the type there are
	values map[string][]string // by what they are: "family", "code.Observation" …
}

const (
	// sampledIDs is how many ids of a type are kept.
	sampledIDs = 20_000
	// sampledResources is how many resources of a type are read for values.
	sampledResources = 300
)

func newSample() *sample {
	return &sample{rng: rand.New(rand.NewPCG(1, 1)), ids: map[string][]string{}, seen: map[string]int{}, values: map[string][]string{}}
}

// made notes a created resource by the Location of its entry,
// "…/Patient/ID/_history/1".
func (s *sample) made(location string) {
	name, _, found := strings.Cut(location, "/_history/")
	if !found {
		return
	}
	parts := strings.Split(name, "/")
	if len(parts) < 2 {
		return
	}
	typ, id := parts[len(parts)-2], parts[len(parts)-1]
	s.seen[typ]++
	if list := s.ids[typ]; len(list) < sampledIDs {
		s.ids[typ] = append(list, id)
	} else if i := s.rng.IntN(s.seen[typ]); i < sampledIDs {
		list[i] = id // reservoir sampling: each of all has the same chance
	}
}

// types are those that there are, sorted.
func (s *sample) types() []string { return slices.Sorted(maps.Keys(s.ids)) }

// total is the number of resources that were made.
func (s *sample) total() int {
	n := 0
	for _, seen := range s.seen {
		n += seen
	}
	return n
}

// sampleOf samples a server that was filled by others. The order of ids is as
// good as any.
func sampleOf(addr string) (*sample, error) {
	s := newSample()
	c, err := dial(addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	for _, typ := range []string{"Patient", "Observation", "Encounter", "Condition", "Organization", "Practitioner", "MedicationRequest", "Procedure"} {
		status, body, err := c.do("GET", base+"/"+typ+"?_sort=_id&_count=1000&_elements=id&_total=none", nil)
		if err != nil {
			return nil, err
		}
		if status != 200 {
			return nil, fmt.Errorf("listing %s: status %d %.300s", typ, status, body)
		}
		var page struct {
			Entry []struct{ Resource struct{ ID string } }
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, err
		}
		for _, e := range page.Entry {
			s.ids[typ] = append(s.ids[typ], e.Resource.ID)
		}
		s.seen[typ] = len(page.Entry)
	}
	return s, s.take(addr)
}

// take reads some of the resources back and keeps their values.
func (s *sample) take(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.close()
	for _, typ := range []string{"Patient", "Observation", "Encounter", "Condition", "Organization", "Practitioner", "MedicationRequest", "Procedure"} {
		for range min(sampledResources, 2*len(s.ids[typ])) {
			status, body, err := c.do("GET", base+"/"+typ+"/"+s.id(s.rng, typ), nil)
			if err != nil {
				return err
			}
			if status != 200 {
				return fmt.Errorf("sampling a %s: status %d %.300s", typ, status, body)
			}
			if err := s.keep(body); err != nil {
				return err
			}
		}
	}
	return nil
}

// id is one of the ids of a type at random, "none" where there are none.
func (s *sample) id(rng *rand.Rand, typ string) string {
	if ids := s.ids[typ]; len(ids) > 0 {
		return ids[rng.IntN(len(ids))]
	}
	return "none"
}

// pick is one of the values of a name at random, "none" where there are none,
// for days one that may stand in a search.
func (s *sample) pick(rng *rand.Rand, name string) string {
	if typ, isID := strings.CutPrefix(name, "id."); isID {
		return s.id(rng, typ)
	}
	if v := s.values[name]; len(v) > 0 {
		return v[rng.IntN(len(v))]
	}
	if name == "day" || name == "authored" {
		return "2000-01-01"
	}
	return "none"
}

// commonest is the value of a name that was met most often.
func (s *sample) commonest(name string) string {
	counts := map[string]int{}
	for _, v := range s.values[name] {
		counts[v]++
	}
	best := "none"
	for _, v := range slices.Sorted(maps.Keys(counts)) {
		if counts[v] > counts[best] {
			best = v
		}
	}
	return best
}

// sampled is what sampling reads of a resource.
type sampled struct {
	ResourceType, ID, BirthDate, EffectiveDateTime, AuthoredOn, Status string

	Name                      json.RawMessage // a string or a list of HumanName
	Code                      concept
	MedicationCodeableConcept concept
	Type                      json.RawMessage
	Subject                   struct{ Reference string }
	ValueQuantity             struct {
		Value        json.Number
		System, Code string
	}
	Address    []struct{ City, State string }
	Identifier []struct{ System, Value string }
	Period     struct{ Start string }
	Class      struct{ Code string }
}

type concept struct {
	Coding []struct{ System, Code string }
}

func (c concept) token() string {
	if len(c.Coding) == 0 {
		return ""
	}
	return c.Coding[0].System + "|" + c.Coding[0].Code
}

func (s *sample) keep(body []byte) error {
	var r sampled
	if err := json.Unmarshal(body, &r); err != nil {
		return fmt.Errorf("sampling: %w", err)
	}
	add := func(name, value string) {
		if value != "" {
			s.values[name] = append(s.values[name], value)
		}
	}
	add("birthdate", r.BirthDate)
	add("date", r.EffectiveDateTime)
	add("day", day(r.EffectiveDateTime))
	add("authored", day(r.AuthoredOn))
	add("start", day(r.Period.Start))
	add("class", r.Class.Code)
	add("code."+r.ResourceType, r.Code.token())
	add("medication", r.MedicationCodeableConcept.token())
	add("subject."+r.ResourceType, strings.TrimPrefix(r.Subject.Reference, "Patient/"))
	for _, i := range r.Identifier {
		add("identifier."+r.ResourceType, i.System+"|"+i.Value)
	}
	for _, a := range r.Address {
		add("city."+r.ResourceType, a.City)
	}
	s.keepNames(r.ResourceType, r.Name, add)
	if v := r.ValueQuantity.Value.String(); v != "" {
		add("quantity", v+"|"+r.ValueQuantity.System+"|"+r.ValueQuantity.Code)
		add("code-value", r.Code.token()+"$"+v)
	}
	return nil
}

func (s *sample) keepNames(typ string, name json.RawMessage, add func(name, value string)) {
	var title string
	if json.Unmarshal(name, &title) == nil {
		add("name."+typ, title)
		return
	}
	var names []struct {
		Family string
		Given  []string
	}
	if json.Unmarshal(name, &names) != nil {
		return
	}
	for _, n := range names {
		add("family."+typ, n.Family)
		for _, g := range n.Given {
			add("given."+typ, g)
		}
	}
}

// day is the day of a dateTime.
func day(dateTime string) string { return dateTime[:min(10, len(dateTime))] }

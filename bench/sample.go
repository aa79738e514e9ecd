package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

// A sample is what the scenarios need to know of the data that was loaded.
type sample struct {
	bundles   [][]byte // transaction bundles, the first ones infrastructure
	bytes     int
	resources int
	ids       []string            // "Patient/1", of every type
	values    map[string][]string // by the name of what it is: "family", "code" …
	example   []byte              // one Observation, without id
}

// loaded is what sampling reads of a stored resource.
type loaded struct {
	ResourceType, ID  string
	BirthDate         string
	Name              json.RawMessage
	Code              coded
	EffectiveDateTime string
	Subject           struct{ Reference string }
	ValueQuantity     struct {
		Value json.Number
		Code  string
	}
	Address []struct{ City string }
}

type coded struct {
	Coding []struct{ System, Code string }
}

// take reads pages of the loaded data over the API and keeps values of it.
func (s *sample) take(c *client) error {
	s.values = map[string][]string{}
	for _, t := range []string{"Patient", "Observation", "Encounter", "Condition", "Organization", "MedicationRequest", "Claim", "Procedure"} {
		status, body, err := c.do("GET", base+"/"+t+"?_count=1000&_total=none", nil)
		if err != nil {
			return err
		}
		if status != 200 {
			return fmt.Errorf("GET %s: %d %.300s", t, status, body)
		}
		var bundle struct {
			Entry []struct{ Resource json.RawMessage }
		}
		if err := json.Unmarshal(body, &bundle); err != nil {
			return err
		}
		for _, e := range bundle.Entry {
			s.keep(e.Resource)
		}
	}
	return nil
}

func (s *sample) keep(raw json.RawMessage) {
	var r loaded
	if json.Unmarshal(raw, &r) != nil {
		return
	}
	s.ids = append(s.ids, r.ResourceType+"/"+r.ID)
	add := func(name, value string) {
		if value != "" {
			s.values[name] = append(s.values[name], value)
		}
	}
	add("id."+r.ResourceType, r.ID)
	add("birthdate", r.BirthDate)
	var names []struct{ Family string }
	if json.Unmarshal(r.Name, &names) == nil && len(names) > 0 {
		add("family", names[0].Family)
	}
	for _, a := range r.Address {
		add("city", a.City)
	}
	if len(r.Code.Coding) > 0 {
		add("code."+r.ResourceType, r.Code.Coding[0].System+"|"+r.Code.Coding[0].Code)
	}
	if r.ResourceType == "Observation" {
		add("date", r.EffectiveDateTime)
		add("subject", r.Subject.Reference)
		if v := r.ValueQuantity.Value.String(); v != "" {
			add("quantity", v)
			s.example = raw
		}
	}
}

// pick is one of the values of a name, at random.
func (s *sample) pick(r *rand.Rand, name string) string {
	if v := s.values[name]; len(v) > 0 {
		return v[r.IntN(len(v))]
	}
	return "none"
}

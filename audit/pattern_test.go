package audit

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// The rules of IHE's Basic Audit Log Patterns, by profile: the subtype, the
// action, and the roles of the client and the server.
// https://profiles.ihe.net/ITI/BALP/
var patternRules = map[string]struct {
	subtypes       []string
	action         string
	client, server string
}{
	"Create": {[]string{"create"}, "C", "110153", "110152"},
	"Read":   {[]string{"read", "vread"}, "R", "110152", "110153"},
	"Update": {[]string{"update", "patch"}, "U", "110153", "110152"},
	"Delete": {[]string{"delete"}, "D", "110150", "custodian"},
	"Query":  {[]string{"search-type", "search-system"}, "E", "110153", "110152"},
}

// A parsedEvent is what the rules are about.
type parsedEvent struct {
	Meta    struct{ Profile []string }
	Type    coding
	Subtype []coding
	Action  string
	Outcome string
	Agent   []struct {
		Type      struct{ Coding []coding }
		Who       *reference
		Requestor bool
		Network   *network
	}
	Source struct {
		Observer reference
		Type     []coding
	}
	Entity []struct {
		What  *reference
		Type  coding
		Role  coding
		Query []byte
	}
	Recorded string
}

// breaches are the rules that an event of a pattern breaks.
func breaches(e *parsedEvent, pattern string) (all []string) {
	want := func(ok bool, rule string) {
		if !ok {
			all = append(all, rule)
		}
	}
	name, isPatient := strings.CutPrefix(pattern, "Patient")
	rule, known := patternRules[name]
	want(known, "a pattern that IHE has")
	want(e.Type.System == systemType && e.Type.Code == "rest", "type is rest")
	want(len(e.Subtype) == 1 && e.Subtype[0].System == systemREST && slices.Contains(rule.subtypes, e.Subtype[0].Code), "subtype is the interaction")
	want(e.Action == rule.action, "action")
	_, err := time.Parse(time.RFC3339, e.Recorded)
	want(err == nil, "recorded is an instant")
	want(slices.Contains([]string{"0", "4", "8", "12"}, e.Outcome), "outcome")
	want(e.Source.Observer != reference{}, "source.observer")
	roles, requestors := map[string]int{}, 0
	for _, a := range e.Agent {
		for _, c := range a.Type.Coding {
			if c.System == systemDICOM || c.System == systemParticipant {
				roles[c.Code]++
				want(a.Who != nil, "an agent with a role has a who")
			}
		}
		if a.Requestor {
			requestors++
		}
	}
	want(roles[rule.client] > 0 && roles[rule.server] > 0, "agents are the client and the server, in their roles")
	want(requestors == 1, "one agent is the requestor")
	data, query, patients := 0, 0, 0
	for _, n := range e.Entity {
		switch n.Role.Code {
		case "4":
			data++
			want(n.Type.Code == "2" && n.What != nil && n.What.Reference != "", "what it was done to is a reference")
		case "24":
			query++
			want(n.Type.Code == "2" && len(n.Query) > 0, "a query entity has the query")
		case "1":
			patients++
			want(n.Type.Code == "1" && n.What != nil && strings.HasPrefix(n.What.Reference, "Patient/"), "the patient is a reference")
		}
	}
	want(name == "Query" && query == 1 || name != "Query" && data == 1, "an entity for the data, or the query")
	want(isPatient == (patients == 1), "an entity for the patient, in the patterns of patients alone")
	return all
}

func TestPatterns(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	byUser := Agent{User: "u", FHIRUser: "Practitioner/1", Client: "app", Address: "192.0.2.1", Purpose: "TREAT"}
	seen := map[string]int{}
	for action, known := range restActions {
		if known.pattern == "" {
			continue
		}
		for _, patients := range [][]string{nil, {"1"}, {"1", "2"}} {
			for _, by := range []Agent{byUser, {Client: "service"}, {Address: "192.0.2.1"}} {
				for _, status := range []int{200, 403, 503} {
					r := Record{Time: at, Action: action, Status: status, Agent: by, Patients: patients, Request: "r"}
					if r.Entities = []string{"Observation/o/_history/1"}; known.pattern == "Query" {
						r.Entities, r.Query = nil, "Observation?code=x"
					}
					checkPatterns(t, &r, seen)
				}
			}
		}
	}
	for name := range patternRules {
		if seen[name] == 0 || seen["Patient"+name] == 0 {
			t.Errorf("no event of %s", name)
		}
	}
}

func checkPatterns(t *testing.T, r *Record, seen map[string]int) {
	t.Helper()
	events, err := Events(&Stored{Number: 1, Record: *r})
	if err != nil || len(events) != max(1, len(r.Patients)) {
		t.Fatal(len(events), err)
	}
	for _, one := range events {
		var e parsedEvent
		if err := json.Unmarshal(one.JSON, &e); err != nil {
			t.Fatal(err)
		}
		if len(e.Meta.Profile) != 1 {
			t.Fatalf("%s follows no pattern", one.JSON)
		}
		_, pattern, _ := strings.Cut(e.Meta.Profile[0], "StructureDefinition/IHE.BasicAudit.")
		seen[pattern]++
		if broken := breaches(&e, pattern); len(broken) > 0 {
			t.Errorf("%s %d, %+v: %s breaks: %s", r.Action, r.Status, r.Agent, one.JSON, strings.Join(broken, "; "))
		}
	}
}

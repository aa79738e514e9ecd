package access

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// A tally counts cells, and what of them is allowed.
type tally struct{ cells, allowed int }

func (n *tally) cell(allowed bool) {
	n.cells++
	if allowed {
		n.allowed++
	}
}

func (n *tally) report(t *testing.T, least int) {
	t.Helper()
	t.Logf("%d cells, %d allowed", n.cells, n.allowed)
	if share := float64(n.allowed) / float64(n.cells); n.cells < least || share < 0.03 || share > 0.97 {
		t.Errorf("%d cells, of which %d are allowed, show too little", n.cells, n.allowed)
	}
}

// A reader asks for what one caller may reach.
type reader struct {
	*world
	*testing.T
	c *caller
	n *tally
}

// TestEveryWayToRead compares every way to a resource, for every caller, with
// the naive evaluator.
func TestEveryWayToRead(t *testing.T) {
	w := newWorld(t)
	n := &tally{}
	for _, c := range w.callers {
		r := &reader{w, t, c, n}
		r.reads()
		r.histories()
		r.searches()
		r.includes()
		r.chains()
		r.everything()
		r.graphql()
		r.batch()
		if t.Failed() {
			return
		}
	}
	n.report(t, 20_000)
}

func (r *reader) wrong(way string, got, want any) {
	r.Helper()
	r.Errorf("%q: %s:\n got %v\nwant %v", r.c.name, way, got, want)
}

// set compares the names that an answer has with those of which want holds. An
// answer that is refused as a whole must have nothing to show.
func (r *reader) set(way string, a answer, mode string, want func(name string) bool) {
	r.Helper()
	var names []string
	for _, name := range r.names {
		ok := r.current(name) != nil && want(name)
		if r.n.cell(ok); ok {
			names = append(names, name)
		}
	}
	r.same(way, a, mode, names)
}

func (r *reader) same(way string, a answer, mode string, want []string) {
	r.Helper()
	if a.status != http.StatusOK {
		if len(want) > 0 || a.status != http.StatusForbidden && a.status != http.StatusNotFound {
			r.wrong(way, fmt.Sprint(a.status, " ", diagnostics(a)), want)
		}
		return
	}
	slices.Sort(want)
	got, total := entries(r.T, a, mode)
	if !slices.Equal(got, want) {
		r.wrong(way, got, want)
	}
	if mode == "match" && total >= 0 && total != len(want) {
		r.wrong(way+" total", total, len(want))
	}
}

// one compares the answer for one resource: shown, or just like one that does
// not exist.
func (r *reader) one(way string, a answer, shown, deleted bool, name string) {
	r.Helper()
	r.n.cell(shown)
	switch {
	case shown && deleted && a.status == http.StatusGone, shown && !deleted && a.status == http.StatusOK:
	case !shown && a.status == http.StatusForbidden && strings.Contains(a.header.Get("WWW-Authenticate"), "insufficient_scope"):
	case !shown && a.status == http.StatusNotFound && diagnostics(a) == name+" does not exist":
	default:
		r.wrong(way+" "+name, fmt.Sprint(a.status, " ", string(a.body)), shown)
	}
}

func (r *reader) reads() {
	for _, name := range append(slices.Clone(r.names), "Patient/never", "Observation/never") {
		all := r.versions[name]
		shown := len(all) > 0 && r.may(r.c, "read", r.decided(name, len(all)))
		deleted := r.current(name) == nil
		r.one("read", r.ask(r.c, "GET", name, ""), shown, deleted, name)
		r.one("head", r.ask(r.c, "GET", name+"?_summary=true", ""), shown, deleted, name)
		r.one("$meta", r.ask(r.c, "GET", name+"/$meta", ""), shown, deleted, name)
		for _, v := range all {
			path := fmt.Sprintf("%s/_history/%d", name, v.number)
			ok := r.may(r.c, "vread", r.decided(name, v.number))
			r.one("vread", r.ask(r.c, "GET", path, ""), ok, v.content == nil, path)
			if v.number == 2 && v.content != nil {
				both := ok && r.may(r.c, "vread", r.decided(name, 1))
				a := r.ask(r.c, "GET", name+"/$diff?fromVersion=1&toVersion=2", "")
				if r.n.cell(both); both != (a.status == http.StatusOK) {
					r.wrong("$diff "+name, a.status, both)
				}
			}
		}
	}
}

func (r *reader) histories() {
	seen := func(interaction string, in func(name string) bool) (want []string) {
		for _, name := range r.names {
			for _, v := range r.versions[name] {
				ok := in(name) && r.may(r.c, interaction, r.decided(name, v.number))
				if r.n.cell(ok); ok {
					want = append(want, fmt.Sprintf("%s#%d", name, v.number))
				}
			}
		}
		return want
	}
	for _, name := range r.names {
		want := seen("history", func(other string) bool { return other == name })
		r.same("history of "+name, r.ask(r.c, "GET", name+"/_history?_count=100", ""), "history", want)
	}
	for _, resourceType := range []string{"Observation", "Patient", "Binary", "Group", "Practitioner"} {
		want := seen("histories", func(name string) bool { return strings.HasPrefix(name, resourceType+"/") })
		r.same("history of "+resourceType, r.ask(r.c, "GET", resourceType+"/_history?_count=1000", ""), "history", want)
	}
	want := seen("histories", func(string) bool { return true })
	r.same("history of all", r.ask(r.c, "GET", "_history?_count=1000", ""), "history", want)
}

// found reports whether a search finds a resource.
func (r *reader) found(name string) bool {
	return r.current(name) != nil && r.may(r.c, "search", r.current(name))
}

func typeOf(name string) string { t, _, _ := strings.Cut(name, "/"); return t }

func (r *reader) searches() {
	var types []string
	for _, name := range r.names {
		if t := typeOf(name); !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	for _, t := range types {
		of := func(name string) bool { return typeOf(name) == t && r.found(name) }
		r.set("search of "+t, r.ask(r.c, "GET", t+"?_count=100&_sort=-_id", ""), "match", of)
		r.set("count of "+t, r.ask(r.c, "GET", t+"?_lastUpdated=gt2000-01-01", ""), "match", of)
		r.count(t, of)
	}
	r.set("search of all", r.ask(r.c, "GET", "?_count=1000", ""), "match", r.found)
	r.set("search of some", r.ask(r.c, "GET", "?_type=Observation,Group,Patient&_count=1000&_sort=_lastUpdated", ""), "match", func(name string) bool {
		return slices.Contains([]string{"Observation", "Group", "Patient"}, typeOf(name)) && r.found(name)
	})
	for _, patient := range []string{"p1", "p2"} {
		in := func(name string) bool {
			return r.found(name) && inCompartment(r.current(name), patient)
		}
		r.set("compartment", r.ask(r.c, "GET", "Patient/"+patient+"/*?_count=100", ""), "match", in)
		r.set("compartment of Observation", r.ask(r.c, "GET", "Patient/"+patient+"/Observation?_count=100", ""), "match", func(name string) bool {
			return typeOf(name) == "Observation" && in(name)
		})
	}
}

// count compares the total alone, and the number of pages.
func (r *reader) count(resourceType string, of func(name string) bool) {
	want := 0
	for _, name := range r.names {
		if of(name) {
			want++
		}
	}
	a := r.ask(r.c, "GET", resourceType+"?_summary=count", "")
	if a.status != http.StatusOK {
		return
	}
	if _, total := entries(r.T, a, ""); total != want {
		r.wrong("_summary=count of "+resourceType, total, want)
	}
	pages, next := 0, resourceType+"?_count=1"
	for next != "" && pages < 50 {
		a := r.ask(r.c, "GET", next, "")
		names, _ := entries(r.T, a, "match")
		pages += len(names)
		next = link(r.T, a, "next")
	}
	if pages != want {
		r.wrong("pages of "+resourceType, pages, want)
	}
}

func link(t testing.TB, a answer, relation string) string {
	t.Helper()
	list, _ := decode(t, a.body)["link"].([]any)
	for _, l := range list {
		if l := l.(object); l["relation"] == relation {
			return text(l["url"])
		}
	}
	return ""
}

// refers lists what a resource refers to.
func refers(v any) (all []string) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			all = append(all, refers(one)...)
		}
	case object:
		for name, one := range v {
			if s, ok := one.(string); ok && name == "reference" {
				all = append(all, s)
			}
			all = append(all, refers(one)...)
		}
	}
	return all
}

func (r *reader) includes() {
	for _, query := range []string{"Observation?_include=*", "List?_include=*", "Composition?_include=Composition:entry&_include=Composition:subject&_include=Composition:author"} {
		t, _, _ := strings.Cut(query, "?")
		from := func(name string) bool { return typeOf(name) == t && r.found(name) }
		r.set(query, r.ask(r.c, "GET", query+"&_count=100", ""), "include", func(target string) bool {
			return r.may(r.c, "read", r.current(target)) && !from(target) && slices.ContainsFunc(r.names, func(name string) bool {
				return from(name) && slices.Contains(refers(r.current(name)), target)
			})
		})
	}
	r.set("_revinclude", r.ask(r.c, "GET", "Patient?_revinclude=*&_count=100", ""), "include", func(source string) bool {
		return typeOf(source) != "Binary" && r.found(source) && slices.ContainsFunc(refers(r.current(source)), func(target string) bool {
			return typeOf(target) == "Patient" && r.found(target)
		}) && !(typeOf(source) == "Patient" && r.found(source))
	})
	r.set("_include:iterate", r.ask(r.c, "GET", "Composition?_include=Composition:entry&_include:iterate=Observation:encounter&_count=100", ""), "include", func(target string) bool {
		return r.reached(target)
	})
}

// reached reports whether an iterating include leads to a resource.
func (r *reader) reached(target string) bool {
	may := func(name string) bool { return r.current(name) != nil && r.may(r.c, "read", r.current(name)) }
	for _, name := range r.names {
		if typeOf(name) != "Composition" || !r.found(name) {
			continue
		}
		for _, entry := range at(r.current(name)["section"], "entry", "reference") {
			if may(entry) && (entry == target || may(target) && slices.Contains(at(r.current(entry)["encounter"], "reference"), target)) {
				return true
			}
		}
	}
	return false
}

func (r *reader) chains() {
	for _, patient := range []string{"p1", "p2"} {
		visible := r.found("Patient/" + patient)
		of := func(t string) func(string) bool {
			return func(name string) bool {
				return typeOf(name) == t && r.found(name) && visible && slices.Contains(patientsOf(r.current(name)), patient)
			}
		}
		r.set("chain", r.ask(r.c, "GET", "Observation?subject:Patient.given=Name"+patient, ""), "match", of("Observation"))
		r.set("chain of any type", r.ask(r.c, "GET", "Observation?subject.name=Name"+patient, ""), "match", of("Observation"))
		r.set("_filter", r.ask(r.c, "GET", "Observation?_filter=subject:Patient.given%20eq%20%22Name"+patient+"%22", ""), "match", of("Observation"))
		encounter := "Encounter/e-" + patient
		r.set("chain of two", r.ask(r.c, "GET", "Observation?encounter.patient.given=Name"+patient, ""), "match", func(name string) bool {
			return typeOf(name) == "Observation" && r.found(name) && visible && r.found(encounter) && slices.Contains(refers(r.current(name)), encounter)
		})
		self := func(name string) bool { return name == "Patient/"+patient && r.found(name) }
		r.set("_has", r.ask(r.c, "GET", "Patient?_has:Observation:patient:identifier="+patient+"-lab", ""), "match", func(name string) bool {
			return self(name) && r.found("Observation/lab-"+patient)
		})
		r.set("_has of _has", r.ask(r.c, "GET", "Patient?_has:Encounter:patient:_has:Condition:encounter:identifier="+patient+"-c", ""), "match", func(name string) bool {
			return self(name) && r.found(encounter) && r.found("Condition/c-"+patient)
		})
		r.set("_has of what moved", r.ask(r.c, "GET", "Patient?_has:Observation:patient:_id=to-"+patient, ""), "match", func(name string) bool {
			return self(name) && r.found("Observation/to-"+patient)
		})
		r.set("_list", r.ask(r.c, "GET", "Observation?_list=l-"+patient, ""), "match", func(name string) bool {
			return typeOf(name) == "Observation" && r.found(name) && r.found("List/l-"+patient) && slices.Contains(refers(r.current("List/l-"+patient)), name)
		})
		r.negated(patient)
	}
}

// negated is a search for what has no such reference: what the caller may not
// see is not there.
func (r *reader) negated(patient string) {
	a := r.ask(r.c, "GET", "Observation?_filter=not%20(subject:Patient.given%20eq%20%22Name"+patient+"%22)&_count=100", "")
	if a.status == http.StatusForbidden && !r.found("Patient/p1") && !r.found("Patient/p2") {
		return
	}
	r.set("negated chain", a, "match", func(name string) bool {
		about := slices.Contains(patientsOf(r.current(name)), patient)
		return typeOf(name) == "Observation" && r.found(name) && !(about && r.found("Patient/"+patient))
	})
}

func (r *reader) everything() {
	for _, patient := range []string{"p1", "p2"} {
		gate := r.may(r.c, "read", r.current("Patient/"+patient))
		a := r.ask(r.c, "GET", "Patient/"+patient+"/$everything?_count=100", "")
		r.set("$everything", a, "match", func(name string) bool {
			return gate && r.found(name) && inCompartment(r.current(name), patient)
		})
		document := "Composition/doc-" + patient
		gate = r.may(r.c, "read", r.current(document))
		a = r.ask(r.c, "GET", document+"/$document", "")
		r.set("$document", a, "", func(name string) bool {
			direct := name == document || slices.Contains(refers(r.current(document)), name)
			return gate && direct && r.may(r.c, "read", r.current(name)) || gate && r.supports(document, name)
		})
	}
	a := r.ask(r.c, "GET", "Observation/$lastn?patient=Patient/p2&category=laboratory&max=100", "")
	r.set("$lastn", a, "match", func(name string) bool {
		return typeOf(name) == "Observation" && r.found(name) && slices.Contains(patientsOf(r.current(name)), "p2") && slices.Contains(at(r.current(name)["category"], "coding", "code"), "laboratory")
	})
	a = r.ask(r.c, "POST", "Patient/$match", `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Patient","identifier":[{"system":"http://e.org/id","value":"i-p2"}]}}]}`)
	r.set("$match", a, "match", func(name string) bool { return name == "Patient/p2" && r.found(name) })
}

// supports reports whether a document holds a person, place or the like that
// its resources refer to.
func (r *reader) supports(document, name string) bool {
	if !slices.Contains(sharedTypes, typeOf(name)) || !r.may(r.c, "read", r.current(name)) {
		return false
	}
	for _, direct := range append(refers(r.current(document)), document) {
		if r.current(direct) != nil && r.may(r.c, "read", r.current(direct)) && slices.Contains(refers(r.current(direct)), name) {
			return true
		}
	}
	return false
}

func (r *reader) graphql() {
	ask := func(query string) (o struct {
		Data map[string]json.RawMessage
	}) {
		a := r.ask(r.c, "POST", "$graphql", query, "Content-Type", "application/graphql")
		_ = json.Unmarshal(a.body, &o)
		return o
	}
	for _, name := range r.names {
		t, id, _ := strings.Cut(name, "/")
		answer := ask(fmt.Sprintf(`{a: %s(id: %q) {id}}`, t, id))
		shown := r.current(name) != nil && r.may(r.c, "read", r.current(name))
		if r.n.cell(shown); shown != strings.Contains(string(answer.Data["a"]), `"`+id+`"`) {
			r.wrong("graphql "+name, string(answer.Data["a"]), shown)
		}
	}
	answer := ask(`{a: ObservationList(_count: 100) {id subject {resource {... on Patient {id}}}} b: PatientConnection {count edges {resource {id ObservationList(_reference: patient) {id}}}}}`)
	for _, name := range r.names {
		if typeOf(name) != "Observation" {
			continue
		}
		shown, id := r.found(name), `"id":"`+strings.TrimPrefix(name, "Observation/")+`"`
		if r.n.cell(shown); shown != strings.Contains(string(answer.Data["a"]), id) {
			// One error makes a list null: where a reference leads to somebody hidden.
			if string(answer.Data["a"]) != "null" && len(answer.Data["a"]) > 0 {
				r.wrong("graphql list "+name, string(answer.Data["a"]), shown)
			}
		}
		if !shown && strings.Contains(string(answer.Data["b"]), id) {
			r.wrong("graphql reverse "+name, string(answer.Data["b"]), shown)
		}
	}
}

// batch reads all resources in one Bundle, and in a transaction.
func (r *reader) batch() {
	var list []any
	for _, name := range r.names {
		list = append(list, object{"request": object{"method": "GET", "url": name}})
	}
	for _, kind := range []string{"batch", "transaction"} {
		a := r.ask(r.c, "POST", "", encode(object{"resourceType": "Bundle", "type": kind, "entry": list}))
		if a.status != http.StatusOK {
			r.wrong(kind, fmt.Sprint(a.status, string(a.body)), http.StatusOK)
			continue
		}
		answers, _ := decode(r.T, a.body)["entry"].([]any)
		for n, name := range r.names {
			e := answers[n].(object)
			shown := r.current(name) != nil && r.may(r.c, "read", r.current(name))
			if r.n.cell(shown); shown != (e["resource"] != nil) {
				r.wrong(kind+" "+name, e, shown)
			}
		}
	}
}

package access

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
)

// A writer tries to write what one caller may reach. What succeeds is undone.
type writer struct {
	*world
	*testing.T
	c *caller
	n *tally
}

// TestEveryWayToWrite compares every way to change a resource, for every
// caller, with the naive evaluator.
func TestEveryWayToWrite(t *testing.T) {
	w := newWorld(t)
	n := &tally{}
	for _, c := range w.callers {
		r := &writer{w, t, c, n}
		if r.all(); t.Failed() {
			return
		}
	}
	n.report(t, 10_000)
}

// all tries every way on every resource.
func (r *writer) all() {
	for _, name := range r.names {
		if r.current(name) == nil {
			r.again(name)
			continue
		}
		r.update(name)
		r.move(name)
		r.patch(name)
		r.delete(name)
		r.create(name)
		r.conditional(name)
	}
}

// stored is the number and content of a resource as it is now, for somebody who
// may see everything.
func (r *writer) stored(name string) (status int, etag string) {
	a := r.ask(r.callers[0], "GET", name, "")
	return a.status, a.header.Get("ETag")
}

// check compares what came of a write of a resource with what should, and undoes it.
func (r *writer) check(way, name string, a answer, before string, allowed bool) {
	r.Helper()
	r.n.cell(allowed)
	_, after := r.stored(name)
	changed := after != before
	if changed != allowed || allowed != (a.status < 300) {
		r.Errorf("%q: %s of %s: %d %s; changed: %v, want %v", r.c.name, way, name, a.status, a.body, changed, allowed)
	}
	if !allowed {
		r.refused(way, name, a)
	}
	if changed {
		r.tell(encode(r.current(name)))
	}
}

// refused checks that a refusal tells nothing of what the caller may not see.
func (r *writer) refused(way, name string, a answer) {
	r.Helper()
	if a.status != http.StatusForbidden && a.status != http.StatusNotFound {
		r.Errorf("%q: %s of %s: %d %s", r.c.name, way, name, a.status, a.body)
	}
	if r.may(r.c, "read", r.current(name)) || r.may(r.c, "search", r.current(name)) {
		return
	}
	for _, patient := range patientsOf(r.current(name)) {
		if strings.Contains(string(a.body), secret(patient)) {
			r.Errorf("%q: %s of %s tells %s", r.c.name, way, name, a.body)
		}
	}
}

func (r *writer) update(name string) {
	_, before := r.stored(name)
	o := with(r.current(name), "implicitRules", "http://e.org/r")
	allowed := r.may(r.c, "update", r.current(name)) && r.may(r.c, "update", o)
	a := r.ask(r.c, "PUT", name, encode(o))
	r.check("update", name, a, before, allowed)
	if allowed || r.may(r.c, "read", r.current(name)) || r.c.access.ChoosesIDs(typeOf(name)) {
		return // it knows of it, or chooses ids
	}
	never := typeOf(name) + "/never"
	b := r.ask(r.c, "PUT", never, encode(with(o, "id", "never")))
	if b.status != a.status || strings.ReplaceAll(string(b.body), never, name) != string(a.body) {
		r.Errorf("%q: an update of %s is answered %s, of what does not exist %s", r.c.name, name, a.body, b.body)
	}
}

// again updates what is deleted.
func (r *writer) again(name string) {
	all := r.versions[name]
	content := r.decided(name, len(all))
	_, before := r.stored(name)
	allowed := r.may(r.c, "update", content)
	a := r.ask(r.c, "PUT", name, encode(content))
	r.n.cell(allowed)
	status, after := r.stored(name)
	if allowed != (status == http.StatusOK) || allowed != (after != before) || allowed != (a.status < 300) {
		r.Errorf("%q: an update of the deleted %s: %d %s", r.c.name, name, a.status, a.body)
	}
	if status == http.StatusOK {
		r.versions[name] = append(all, version{len(all) + 1, content})
		r.tell("-" + name)
	}
}

// with is a copy of a resource with one member in place.
func with(o object, name string, value any) object {
	o = maps.Clone(o)
	if o[name] = value; value == nil {
		delete(o, name)
	}
	return o
}

// move gives a resource to another patient, to whom it must not have come.
func (r *writer) move(name string) {
	subject, ok := r.current(name)["subject"]
	if !ok {
		return
	}
	to := map[string]string{"Patient/p1": "Patient/p2", "Patient/p2": "Patient/p1"}[at(subject, "reference")[0]]
	moved := with(r.current(name), "subject", object{"reference": to})
	_, before := r.stored(name)
	allowed := r.may(r.c, "update", r.current(name)) && r.may(r.c, "update", moved)
	r.check("move", name, r.ask(r.c, "PUT", name, encode(moved)), before, allowed)
	patched := allowed && r.may(r.c, "read", r.current(name))
	_, before = r.stored(name)
	a := r.ask(r.c, "PATCH", name, `{"subject":{"reference":"`+to+`","display":null}}`, "Content-Type", "application/merge-patch+json")
	r.check("move by patch", name, a, before, patched)
}

func (r *writer) patch(name string) {
	_, before := r.stored(name)
	allowed := r.may(r.c, "read", r.current(name)) && r.may(r.c, "patch", r.current(name))
	for _, format := range []struct{ mime, body string }{
		{"application/merge-patch+json", `{"implicitRules":"http://e.org/p"}`},
		{"application/json-patch+json", `[{"op":"add","path":"/implicitRules","value":"http://e.org/p"}]`},
	} {
		a := r.ask(r.c, "PATCH", name, format.body, "Content-Type", format.mime)
		r.check("patch", name, a, before, allowed)
		_, before = r.stored(name)
	}
	if allowed {
		return
	}
	right := r.ask(r.c, "PATCH", name, `[{"op":"test","path":"/id","value":"`+strings.TrimPrefix(name, typeOf(name)+"/")+`"},{"op":"test","path":"/id","value":"!"}]`, "Content-Type", "application/json-patch+json")
	wrong := r.ask(r.c, "PATCH", name, `[{"op":"test","path":"/id","value":"!"}]`, "Content-Type", "application/json-patch+json")
	if right.status != wrong.status || string(right.body) != string(wrong.body) {
		r.Errorf("%q: a test in a patch of %s tells %s and %s", r.c.name, name, right.body, wrong.body)
	}
}

func (r *writer) delete(name string) {
	_, before := r.stored(name)
	allowed := r.may(r.c, "delete", r.current(name))
	a := r.ask(r.c, "DELETE", name, "")
	r.n.cell(allowed)
	status, after := r.stored(name)
	if gone := status == http.StatusGone; gone != allowed || gone != (after != before) {
		r.Errorf("%q: delete of %s: %d %s; gone: %v, want %v", r.c.name, name, a.status, a.body, gone, allowed)
	}
	if status == http.StatusGone {
		r.tell(encode(r.current(name)))
		return
	}
	if b := r.ask(r.c, "DELETE", typeOf(name)+"/never", ""); a.status < 300 && (b.status != a.status || len(a.header["Etag"]) > 0) {
		r.Errorf("%q: delete of %s: %d %v, of what does not exist %d", r.c.name, name, a.status, a.header, b.status)
	}
}

func (r *writer) create(name string) {
	o := with(r.current(name), "id", nil)
	// A created Patient has an id of its own.
	allowed := r.may(r.c, "create", with(o, "id", "new"))
	r.created("create", name, r.ask(r.c, "POST", typeOf(name), encode(o)), allowed)
}

// created checks a create, and undoes it.
func (r *writer) created(way, name string, a answer, allowed bool) {
	r.Helper()
	r.n.cell(allowed)
	if allowed != (a.status == http.StatusCreated) || !allowed && a.status != http.StatusForbidden {
		r.Errorf("%q: %s like %s: %d %s, want %v", r.c.name, way, name, a.status, a.body, allowed)
	}
	if location := a.header.Get("Location"); location != "" {
		path, _, _ := strings.Cut(location, "/_history")
		if b := r.ask(r.callers[0], "DELETE", path, ""); b.status >= 300 {
			r.Errorf("undoing a create: %d %s", b.status, b.body)
		}
	}
}

// conditional writes by an identifier.
func (r *writer) conditional(name string) {
	identifiers := at(r.current(name)["identifier"], "value")
	if len(identifiers) == 0 {
		return
	}
	t, criteria := typeOf(name), "identifier="+identifiers[0]
	o := with(r.current(name), "id", nil)
	scoped := func(i authz.Interaction) bool { return r.c.access.Check(i, t) == nil }
	searches, found := scoped(authz.SearchType), r.may(r.c, "search", r.current(name))

	a := r.ask(r.c, "POST", t, encode(o), "If-None-Exist", criteria)
	if searches && found && scoped(authz.Create) {
		if r.n.cell(true); a.status != http.StatusOK {
			r.Errorf("%q: a conditional create that finds %s: %d %s", r.c.name, name, a.status, a.body)
		}
	} else {
		r.created("conditional create", name, a, searches && r.may(r.c, "create", with(o, "id", "new")))
	}

	updated := with(r.current(name), "implicitRules", "http://e.org/c")
	_, before := r.stored(name)
	allowed := found && r.may(r.c, "update", r.current(name))
	a = r.ask(r.c, "PUT", t+"?"+criteria, encode(updated))
	r.check("conditional update", name, a, before, allowed)

	_, before = r.stored(name)
	allowed = found && r.may(r.c, "patch", r.current(name)) && r.may(r.c, "read", r.current(name))
	a = r.ask(r.c, "PATCH", t+"?"+criteria, `{"implicitRules":"http://e.org/c"}`, "Content-Type", "application/merge-patch+json")
	r.check("conditional patch", name, a, before, allowed)

	for _, query := range []string{criteria, criteria + "&_count=5"} {
		allowed = found && r.may(r.c, "delete", r.current(name))
		a = r.ask(r.c, "DELETE", t+"?"+query, "")
		status, _ := r.stored(name)
		if r.n.cell(allowed); allowed != (status == http.StatusGone) {
			r.Errorf("%q: conditional delete of %s: %d %s", r.c.name, name, a.status, a.body)
		}
		if status == http.StatusGone {
			r.tell(encode(r.current(name)))
		}
	}
	if t == "Patient" {
		r.refer(name, criteria)
	}
}

// refer makes something that refers to a patient by an identifier.
func (r *writer) refer(name, criteria string) {
	patient := strings.TrimPrefix(name, "Patient/")
	o := with(r.current("Condition/c-"+patient), "id", nil)
	allowed := r.may(r.c, "search", r.current(name)) && r.may(r.c, "create", o)
	o["subject"] = object{"reference": "Patient?" + criteria}
	a := r.ask(r.c, "POST", "", encode(object{"resourceType": "Bundle", "type": "transaction", "entry": []any{
		object{"resource": o, "request": object{"method": "POST", "url": "Condition"}},
	}}))
	r.n.cell(allowed)
	if allowed != (a.status == http.StatusOK) || !allowed && !slices.Contains([]int{http.StatusForbidden, http.StatusPreconditionFailed}, a.status) {
		r.Errorf("%q: a conditional reference to %s: %d %s", r.c.name, name, a.status, a.body)
	}
	if a.status != http.StatusOK {
		return
	}
	for _, location := range at(decode(r.T, a.body)["entry"], "response", "location") {
		path, _, _ := strings.Cut(location, "/_history")
		if b := r.ask(r.callers[0], "DELETE", path, ""); b.status >= 300 {
			r.Error(fmt.Sprint("undoing a create: ", b.status))
		}
	}
}

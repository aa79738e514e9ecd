package datastore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/validate"
)

var ctx = context.Background()

func openCatalog(t *testing.T, fs vfs.FS) *datastore.Catalog {
	t.Helper()
	c, err := datastore.Open(ctx, datastore.Options{Backend: openFolder(t, fs), BaseURL: "http://example.org"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openFolder(t testing.TB, fs vfs.FS) *pebble.Folder {
	t.Helper()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func newStore(t *testing.T) *datastore.Store {
	t.Helper()
	return newStoreWith(t, datastore.Options{Backend: openFolder(t, vfs.NewMem())})
}

// newStoreWith is the data store of a catalog that ends with the test.
func newStoreWith(t testing.TB, opt datastore.Options) *datastore.Store {
	t.Helper()
	opt.BaseURL = "http://example.org"
	c, err := datastore.Open(ctx, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := c.Create(ctx, "default", "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parse(t *testing.T, s *datastore.Store, text string) *fhir.Tree {
	t.Helper()
	tree, err := s.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func commit(s *datastore.Store, ops ...datastore.Op) ([]datastore.Outcome, error) {
	return s.Commit(ctx, authz.Unrestricted(), ops, nil)
}

// transact commits ops as a transaction.
func transact(s *datastore.Store, ops ...datastore.Op) ([]datastore.Outcome, error) {
	entries := make([]int, len(ops))
	for i := range entries {
		entries[i] = i
	}
	return s.Commit(ctx, authz.Unrestricted(), ops, entries)
}

func put(t *testing.T, s *datastore.Store, text string) datastore.Op {
	tree := parse(t, s, text)
	return datastore.Op{Interaction: authz.Update, Type: tree.Root().Type().Name, ID: tree.Root().TextOf("id"), Resource: tree}
}

func post(t *testing.T, s *datastore.Store, text string) datastore.Op {
	tree := parse(t, s, text)
	return datastore.Op{Interaction: authz.Create, Type: tree.Root().Type().Name, Resource: tree}
}

// find runs a search and returns the ids of its first page.
func find(t *testing.T, s *datastore.Store, resourceType, query string) []string {
	t.Helper()
	pairs, err := search.Pairs(query)
	if err != nil {
		t.Fatal(err)
	}
	q, err := s.Registry().Parse([]string{resourceType}, pairs, search.Options{Base: s.Base()})
	if err != nil {
		t.Fatal(err)
	}
	return found(t, s, q)
}

// found are the ids of a query's first page.
func found(t *testing.T, s *datastore.Store, q *search.Query) []string {
	t.Helper()
	view, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	r, err := view.Search(ctx, q, store.Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for v, err := range r.Matches {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, v.ID)
	}
	return ids
}

func wantKind(t *testing.T, err error, kind fhir.Kind, part string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one that says %q", part)
	}
	if fhir.KindOf(err) != kind || !strings.Contains(err.Error(), part) {
		t.Fatalf("error %v of kind %d (%d); want %d with %q", err, fhir.KindOf(err), fhir.KindOf(err).Status(), kind.Status(), part)
	}
}

const patient = `{"resourceType":"Patient","id":"p","identifier":[{"system":"s","value":"1"}],"name":[{"family":"Muster"}]}`

func TestUpdateIsReadAndFound(t *testing.T) {
	s := newStore(t)
	out, err := commit(s, put(t, s, patient))
	if err != nil || out[0].Status != 201 {
		t.Fatalf("%+v, %v; want status 201", out, err)
	}
	out, err = commit(s, put(t, s, patient))
	if err != nil || out[0].Status != 200 || out[0].Version.Number != 2 {
		t.Fatalf("%+v, %v; want status 200 and version 2", out, err)
	}
	if ids := find(t, s, "Patient", "family=muster"); len(ids) != 1 || ids[0] != "p" {
		t.Errorf("found %v", ids)
	}
}

func TestDeniedByDefault(t *testing.T) {
	s := newStore(t)
	if _, err := s.Commit(ctx, authz.Access{}, []datastore.Op{put(t, s, patient)}, nil); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("a commit without rights: %v", err)
	}
	if _, err := commit(s, put(t, s, patient)); err != nil {
		t.Fatal(err)
	}
	view, err := s.View(ctx, authz.Access{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if _, err := view.Read(ctx, "Patient", "p"); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("a read without rights: %v", err)
	}
	if _, err := view.VRead(ctx, "Patient", "p", "1"); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("a vread without rights: %v", err)
	}
	if _, err := view.History(ctx, store.History{}); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("a history without rights: %v", err)
	}
	q, err := s.Registry().Parse([]string{"Patient"}, nil, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := view.Search(ctx, q, store.Page{Limit: 1}); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("a search without rights: %v", err)
	}
}

func TestPreconditions(t *testing.T) {
	s := newStore(t)
	if _, err := commit(s, put(t, s, patient)); err != nil {
		t.Fatal(err)
	}
	stale := put(t, s, patient)
	stale.IfMatch = "7"
	_, err := commit(s, stale)
	wantKind(t, err, fhir.KindPrecondition, "If-Match")

	absent := put(t, s, patient)
	absent.IfNoneMatch = true
	_, err = commit(s, absent)
	wantKind(t, err, fhir.KindPrecondition, "If-None-Match")

	other := put(t, s, patient)
	other.ID = "q"
	_, err = commit(s, other)
	wantKind(t, err, fhir.KindInvalid, `is not the URL's "q"`)

	bare := datastore.Op{Interaction: authz.Delete, Type: "Patient", Criteria: []search.Pair{}}
	_, err = commit(s, bare)
	wantKind(t, err, fhir.KindPrecondition, "needs search criteria")
}

func TestInvalidResourceIsRefused(t *testing.T) {
	s := newStore(t)
	_, err := commit(s, post(t, s, `{"resourceType":"Patient","gender":"m"}`))
	wantKind(t, err, fhir.KindUnprocessable, "gender")
	_, err = transact(s, post(t, s, patient), post(t, s, `{"resourceType":"Observation","code":{"text":"x"}}`))
	wantKind(t, err, fhir.KindUnprocessable, "Bundle.entry[1].resource.status")
	if ids := find(t, s, "Patient", ""); len(ids) != 0 {
		t.Errorf("a refused transaction left %v", ids)
	}
}

// TestMinimalLevelKeepsWhatBreaksRules: findings are reported, not enforced.
func TestMinimalLevelKeepsWhatBreaksRules(t *testing.T) {
	s := newStore(t)
	op := post(t, s, `{"resourceType":"Observation","code":{"text":"x"}}`)
	op.Level = validate.Minimal
	out, err := commit(s, op)
	if err != nil || len(out[0].Issues) != 1 || out[0].Issues[0].Severity != fhir.SeverityWarning {
		t.Errorf("%+v, %v; want one warning", out, err)
	}
}

// TestParallelConditionalCreates: N identical conditional creates make one
// resource.
func TestParallelConditionalCreates(t *testing.T) {
	s := newStore(t)
	var group sync.WaitGroup
	created := make([]int, 32)
	for i := range created {
		op := post(t, s, patient)
		op.Criteria = []search.Pair{{Name: "identifier", Value: "s|1"}}
		group.Go(func() {
			out, err := commit(s, op)
			if err != nil {
				t.Error(err)
				return
			}
			created[i] = out[0].Status
		})
	}
	group.Wait()
	n := 0
	for _, status := range created {
		if status == 201 {
			n++
		}
	}
	if ids := find(t, s, "Patient", "identifier=s|1"); n != 1 || len(ids) != 1 {
		t.Errorf("%d creates made %d resources: %v", n, len(ids), ids)
	}
}

func TestConditionalTable(t *testing.T) {
	s := newStore(t)
	criteria := []search.Pair{{Name: "identifier", Value: "s|1"}}
	conditional := func(text string, i authz.Interaction) datastore.Op {
		return datastore.Op{Interaction: i, Type: "Patient", Resource: parse(t, s, text), Criteria: criteria}
	}
	without := strings.Replace(patient, `"id":"p",`, "", 1)

	out, err := commit(s, conditional(patient, authz.Update))
	if err != nil || out[0].Status != 201 || out[0].Version.ID != "p" {
		t.Fatalf("no match, id in the body: %+v, %v", out, err)
	}
	out, err = commit(s, conditional(without, authz.Update))
	if err != nil || out[0].Status != 200 || out[0].Version.ID != "p" || out[0].Version.Number != 2 {
		t.Fatalf("one match, no id: %+v, %v", out, err)
	}
	_, err = commit(s, conditional(strings.Replace(patient, `"p"`, `"other"`, 1), authz.Update))
	wantKind(t, err, fhir.KindInvalid, "match Patient/p")
	out, err = commit(s, conditional(without, authz.Create))
	if err != nil || out[0].Status != 200 || out[0].Version.ID != "p" {
		t.Fatalf("conditional create with a match: %+v, %v", out, err)
	}
	if _, err := commit(s, post(t, s, without)); err != nil {
		t.Fatal(err)
	}
	for _, i := range []authz.Interaction{authz.Create, authz.Update} {
		_, err = commit(s, conditional(without, i))
		wantKind(t, err, fhir.KindPrecondition, "match several")
	}
	_, err = commit(s, datastore.Op{Interaction: authz.Delete, Type: "Patient", Criteria: criteria})
	wantKind(t, err, fhir.KindPrecondition, "match several")
	if _, err := commit(s, datastore.Op{Interaction: authz.Delete, Type: "Patient", ID: "p"}); err != nil {
		t.Fatal(err)
	}
	out, err = commit(s, datastore.Op{Interaction: authz.Delete, Type: "Patient", Criteria: criteria})
	if err != nil || out[0].Status != 204 || out[0].Version.ID == "" {
		t.Fatalf("conditional delete with one match: %+v, %v", out, err)
	}
	if ids := find(t, s, "Patient", ""); len(ids) != 0 {
		t.Errorf("%v are left", ids)
	}
}

func TestTransactionResolvesReferences(t *testing.T) {
	s := newStore(t)
	if _, err := commit(s, put(t, s, `{"resourceType":"Practitioner","id":"dr","identifier":[{"system":"npi","value":"7"}]}`)); err != nil {
		t.Fatal(err)
	}
	p := post(t, s, strings.Replace(patient, `"id":"p",`, `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"urn:uuid:2\">o</a></div>"},`, 1))
	p.FullURL = "urn:uuid:1"
	o := post(t, s, `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:1"},"performer":[{"reference":"Practitioner?identifier=npi|7"}]}`)
	o.FullURL = "urn:uuid:2"
	out, err := transact(s, p, o)
	if err != nil {
		t.Fatal(err)
	}
	pid, oid := out[0].Version.ID, out[1].Version.ID
	if ids := find(t, s, "Observation", "subject=Patient/"+pid+"&performer=Practitioner/dr"); len(ids) != 1 || ids[0] != oid {
		t.Errorf("found %v, want %s", ids, oid)
	}
	if got := string(out[0].Version.Body.JSON); !strings.Contains(got, "Observation/"+oid) {
		t.Errorf("the narrative's link was not rewritten: %s", got)
	}

	o = post(t, s, `{"resourceType":"Observation","status":"final","code":{"text":"x"},"performer":[{"reference":"Practitioner?identifier=npi|8"}]}`)
	_, err = transact(s, o)
	wantKind(t, err, fhir.KindPrecondition, "matches no resource")
	o = post(t, s, `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:none"}}`)
	_, err = transact(s, o)
	wantKind(t, err, fhir.KindInvalid, "urn:uuid:none")
}

func TestTransactionWritesAResourceOnce(t *testing.T) {
	s := newStore(t)
	_, err := transact(s, put(t, s, patient), put(t, s, patient))
	wantKind(t, err, fhir.KindInvalid, "only once")
}

func TestTwinsInOneTransaction(t *testing.T) {
	s := newStore(t)
	var ops []datastore.Op
	for i := range 2 {
		op := post(t, s, patient)
		op.FullURL = fmt.Sprintf("urn:uuid:%d", i)
		op.Criteria = []search.Pair{{Name: "identifier", Value: "s|1"}}
		ops = append(ops, op)
	}
	o := post(t, s, `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:1"}}`)
	out, err := transact(s, append(ops, o)...)
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Version.ID != out[1].Version.ID || out[0].Status != 201 || out[1].Status != 200 {
		t.Errorf("outcomes %+v", out[:2])
	}
	if ids := find(t, s, "Observation", "subject=Patient/"+out[0].Version.ID); len(ids) != 1 {
		t.Errorf("found %v", ids)
	}
}

func TestIncludes(t *testing.T) {
	s := newStore(t)
	for _, text := range []string{
		`{"resourceType":"Organization","id":"org","name":"o"}`,
		`{"resourceType":"Patient","id":"p","managingOrganization":{"reference":"Organization/org"}}`,
		`{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`,
	} {
		if _, err := commit(s, put(t, s, text)); err != nil {
			t.Fatal(err)
		}
	}
	pairs, _ := search.Pairs("_include=Patient:organization&_revinclude=Observation:subject")
	q, err := s.Registry().Parse([]string{"Patient"}, pairs, search.Options{Base: s.Base()})
	if err != nil {
		t.Fatal(err)
	}
	view, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	p, err := view.Read(ctx, "Patient", "p")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for v, err := range view.Include(ctx, q, []store.Version{p}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v.Type+"/"+v.ID)
	}
	if fmt.Sprint(got) != "[Organization/org Observation/o]" {
		t.Errorf("included %v", got)
	}
}

func TestCatalog(t *testing.T) {
	fs := vfs.NewMem()
	c := openCatalog(t, fs)
	a, err := c.Create(ctx, "", "first")
	if err != nil {
		t.Fatal(err)
	}
	id := a.Record().ID
	if len(id) != 32 || a.Base() != "http://example.org/datastore/"+id+"/r4" {
		t.Errorf("id %q, base %q", id, a.Base())
	}
	if _, err := c.Create(ctx, id, "again"); fhir.KindOf(err) != fhir.KindConflict {
		t.Errorf("a taken id: %v", err)
	}
	if _, err := c.Create(ctx, "../x", ""); fhir.KindOf(err) != fhir.KindInvalid {
		t.Errorf("a bad id: %v", err)
	}
	b, err := c.Create(ctx, "second", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := commit(a, put(t, a, patient)); err != nil {
		t.Fatal(err)
	}
	if ids := find(t, b, "Patient", ""); len(ids) != 0 {
		t.Errorf("the second data store sees %v of the first", ids)
	}
	if r, err := c.Delete(ctx, "second"); err != nil || r.Status != datastore.StatusDeleted {
		t.Errorf("delete: %+v, %v", r, err)
	}
	if _, err := c.Store("second"); fhir.KindOf(err) != fhir.KindNotFound {
		t.Errorf("a deleted data store: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	c = openCatalog(t, fs)
	defer c.Close()
	records, err := c.List(ctx)
	if err != nil || len(records) != 2 {
		t.Fatalf("%+v, %v; want an active and a deleted one", records, err)
	}
	again, err := c.Store(id)
	if err != nil {
		t.Fatal(err)
	}
	if ids := find(t, again, "Patient", "family=muster"); len(ids) != 1 {
		t.Errorf("after reopening found %v", ids)
	}
	if again.Cursors(authz.Unrestricted()) != a.Cursors(authz.Unrestricted()) {
		t.Error("the page key changed")
	}
	if _, err := json.Marshal(records); err != nil {
		t.Error(err)
	}
}

// A resource whose meta had nothing but what belongs to the version is read
// back like any other: for sorting, for rechecking, and when the index is made
// anew.
func TestMetaOfTheVersionAlone(t *testing.T) {
	fs := crashing.New()
	c := openCatalog(t, fs)
	s, err := c.Create(ctx, "default", "")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("long name ", 20)
	text := `{"resourceType":"Patient","id":"p", "meta": {"lastUpdated":"2020-01-01T00:00:00Z"},"name":[{"family":"` + long + `"}]}`
	if _, err := commit(s, put(t, s, text)); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"_sort=birthdate", "family=" + strings.ReplaceAll(long, " ", "+")} {
		if ids := find(t, s, "Patient", query); len(ids) != 1 {
			t.Errorf("%.40s finds %v", query, ids)
		}
	}
	c = openCatalog(t, fs.CrashClone(vfs.CrashCloneCfg{}))
	defer c.Close()
	if s, err = c.Store("default"); err != nil {
		t.Fatal(err)
	}
	if ids := find(t, s, "Patient", "family=long"); len(ids) != 1 {
		t.Errorf("after reopening found %v", ids)
	}
}

// TestLostCatalogIsRefused: storage without a record is not written over.
func TestLostCatalogIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	c := openCatalog(t, fs)
	if _, err := c.Create(ctx, "kept", ""); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := fs.RemoveAll("data/system"); err != nil {
		t.Fatal(err)
	}
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	_, err = datastore.Open(ctx, datastore.Options{Backend: folder, BaseURL: "http://example.org"})
	if !errors.Is(err, datastore.ErrIncomplete) || !strings.Contains(err.Error(), `"kept"`) {
		t.Errorf("opened, or %v; want %v", err, datastore.ErrIncomplete)
	}
}

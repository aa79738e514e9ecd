package datastore_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// eye is a SearchParameter over an extension.
func eye(id, code, status string, bases ...string) string {
	quoted := make([]string, len(bases))
	parts := make([]string, len(bases))
	for i, b := range bases {
		quoted[i] = `"` + b + `"`
		parts[i] = b + ".extension('http://example.org/eye').value"
	}
	return fmt.Sprintf(`{"resourceType":"SearchParameter","id":%q,"url":"http://example.org/SearchParameter/%[1]s","name":"eye","status":%q,"description":"Eye colour","code":%q,"base":[%s],"type":"token","expression":"%s"}`,
		id, status, code, strings.Join(quoted, ","), strings.Join(parts, " | "))
}

func patientWithEye(id, colour string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"extension":[{"url":"http://example.org/eye","valueCode":%q}]}`, id, colour)
}

func mustPut(t *testing.T, s *datastore.Store, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := commit(s, put(t, s, text)); err != nil {
			t.Fatal(err)
		}
	}
}

func waitIndexed(t *testing.T, s *datastore.Store) {
	t.Helper()
	if err := s.WaitIndexed(ctx); err != nil {
		t.Fatal(err)
	}
}

// ask runs a query through Store.Query; its error is the parser's.
func ask(t *testing.T, s *datastore.Store, resourceType, query string) ([]string, error) {
	t.Helper()
	pairs, err := search.Pairs(query)
	if err != nil {
		t.Fatal(err)
	}
	q, err := s.Query(ctx, authz.Unrestricted(), []string{resourceType}, pairs, search.Options{})
	if err != nil {
		return nil, err
	}
	return found(t, s, q), nil
}

func wantFound(t *testing.T, s *datastore.Store, resourceType, query string, want ...string) {
	t.Helper()
	ids, err := ask(t, s, resourceType, query)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	if !slices.Equal(ids, want) {
		t.Errorf("%s?%s finds %v, want %v", resourceType, query, ids, want)
	}
}

func TestDefinedParameter(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, patientWithEye("a", "blue"), patientWithEye("b", "green"), eye("eye", "eye", "active", "Patient"))
	waitIndexed(t, s)
	wantFound(t, s, "Patient", "eye=blue", "a")
	mustPut(t, s, patientWithEye("c", "blue"), `{"resourceType":"Patient","id":"d"}`)
	wantFound(t, s, "Patient", "eye=blue", "a", "c")
	wantFound(t, s, "Patient", "eye:missing=true", "d")
	wantFound(t, s, "Patient", "eye:not=blue", "b", "d")
	mustPut(t, s, `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"}}`)
	wantFound(t, s, "Observation", "subject:Patient.eye=blue", "o")
	if ids := find(t, s, "Patient", "_sort=-eye"); !slices.Equal(ids, []string{"b", "a", "c", "d"}) {
		t.Errorf("sorted: %v", ids)
	}

	// In a condition of a write.
	op := post(t, s, strings.Replace(patientWithEye("x", "green"), `"id":"x",`, "", 1))
	op.Criteria = []search.Pair{{Name: "eye", Value: "green"}}
	if out, err := commit(s, op); err != nil || out[0].Version.ID != "b" {
		t.Errorf("conditional create: %+v, %v; want Patient/b", out, err)
	}
}

func TestDefinitionIsRefused(t *testing.T) {
	s := newStore(t)
	wrong := strings.Replace(eye("eye", "eye", "active", "Patient"), `"expression":"`, `"expression":"Patient.nothing | `, 1)
	_, err := commit(s, put(t, s, wrong))
	wantKind(t, err, fhir.KindUnprocessable, "SearchParameter.expression")
	if _, err := commit(s, put(t, s, strings.Replace(wrong, `"active"`, `"draft"`, 1))); err != nil {
		t.Errorf("a draft: %v", err)
	}
	_, err = commit(s, put(t, s, eye("g", "gender", "active", "Patient")))
	wantKind(t, err, fhir.KindUnprocessable, "gender")

	mustPut(t, s, eye("first", "eye", "active", "Patient", "Person"))
	_, err = commit(s, put(t, s, eye("second", "eye", "active", "Person")))
	wantKind(t, err, fhir.KindConflict, "SearchParameter/first")
	_, err = transact(s, put(t, s, eye("third", "hair", "active", "Person")), put(t, s, eye("fourth", "hair", "active", "Person")))
	wantKind(t, err, fhir.KindConflict, "Bundle.entry[1].resource.code")
	// In one transaction the place may be taken over.
	if _, err := transact(s, put(t, s, eye("first", "eye", "retired", "Patient", "Person")), put(t, s, eye("second", "eye", "active", "Person"))); err != nil {
		t.Error(err)
	}
	waitIndexed(t, s)
	mustPut(t, s, strings.Replace(patientWithEye("p", "blue"), "Patient", "Person", 1))
	wantFound(t, s, "Person", "eye=blue", "p")
}

func TestRetiredAndDeletedParameters(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, patientWithEye("a", "blue"), eye("eye", "eye", "active", "Patient"), eye("iris", "iris", "active", "Patient"))
	waitIndexed(t, s)
	wantFound(t, s, "Patient", "eye=blue", "a")
	wantFound(t, s, "Patient", "iris=blue", "a")
	mustPut(t, s, eye("eye", "eye", "retired", "Patient"))
	if _, err := commit(s, datastore.Op{Interaction: authz.Delete, Type: "SearchParameter", ID: "iris"}); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"eye", "iris"} {
		_, err := ask(t, s, "Patient", code+"=blue")
		wantKind(t, err, fhir.KindInvalid, code)
	}
	waitIndexed(t, s)
	mustPut(t, s, patientWithEye("b", "blue"), eye("eye", "eye", "active", "Patient"))
	waitIndexed(t, s)
	wantFound(t, s, "Patient", "eye=blue", "a", "b")
}

func TestRedefinedParameter(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, patientWithEye("a", "blue"), eye("eye", "eye", "active", "Patient"))
	waitIndexed(t, s)
	mustPut(t, s, strings.Replace(eye("eye", "eye", "active", "Patient"), ".value", ".value | Patient.gender", 1))
	mustPut(t, s, `{"resourceType":"Patient","id":"b","gender":"male"}`, patientWithEye("c", "blue"))
	waitIndexed(t, s)
	wantFound(t, s, "Patient", "eye=male", "b")
	wantFound(t, s, "Patient", "eye=blue", "a", "c")
	wantFound(t, s, "Patient", "eye:missing=false", "a", "b", "c")
}

// TestParametersSurviveReopening: what was ready is, and what was not is made
// ready then.
func TestParametersSurviveReopening(t *testing.T) {
	fs := crashing.New()
	c := openCatalog(t, fs)
	s, err := c.Create(ctx, "default", "")
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, patientWithEye("a", "blue"), eye("eye", "eye", "active", "Patient"))
	waitIndexed(t, s)
	mustPut(t, s, patientWithEye("b", "blue"), eye("iris", "iris", "active", "Patient"))
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openCatalog(t, crashed)
	defer c.Close()
	if s, err = c.Store("default"); err != nil {
		t.Fatal(err)
	}
	wantFound(t, s, "Patient", "eye=blue", "a", "b")
	waitIndexed(t, s)
	wantFound(t, s, "Patient", "iris=blue", "a", "b")
}

// TestWritesDuringIndexing: whatever is written while a parameter is indexed
// is found by it, and only that.
func TestWritesDuringIndexing(t *testing.T) {
	s := newStore(t)
	colours := []string{"blue", "green", "brown"}
	want := make([]map[string]string, 4)
	var writers sync.WaitGroup
	defined := make(chan struct{})
	for w := range want {
		want[w] = map[string]string{}
		writers.Go(func() {
			for i := range 400 {
				id := fmt.Sprintf("w%d-%d", w, i%150)
				if i == 200 {
					<-defined
				}
				if i%7 == 6 {
					delete(want[w], id)
					if _, err := commit(s, datastore.Op{Interaction: authz.Delete, Type: "Patient", ID: id}); err != nil {
						t.Error(err)
						return
					}
					continue
				}
				want[w][id] = colours[(i+w)%3]
				if _, err := commit(s, put(t, s, patientWithEye(id, want[w][id]))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	mustPut(t, s, eye("eye", "eye", "active", "Patient"))
	close(defined)
	mustPut(t, s, strings.Replace(eye("eye", "eye", "active", "Patient"), ".value", ".value | Patient.gender", 1))
	writers.Wait()
	waitIndexed(t, s)
	for _, colour := range colours {
		var ids []string
		for _, of := range want {
			for id, has := range of {
				if has == colour {
					ids = append(ids, id)
				}
			}
		}
		slices.Sort(ids)
		wantFound(t, s, "Patient", "eye="+colour, ids...)
	}
}

func TestReindex(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, patientWithEye("a", "blue"), eye("eye", "eye", "active", "Patient"))
	waitIndexed(t, s)
	for _, what := range []datastore.Reindexing{{}, {ID: "eye"}, {Types: []string{"Patient"}}, {Codes: []string{"gender", "eye"}}} {
		n, err := s.Reindex(ctx, authz.Unrestricted(), what)
		if err != nil || n == 0 {
			t.Fatalf("%+v: %d, %v", what, n, err)
		}
		waitIndexed(t, s)
		wantFound(t, s, "Patient", "eye=blue", "a")
	}
	states, err := s.ParamStates(authz.Unrestricted())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, st := range states {
		got = append(got, fmt.Sprint(st.ID, " ", st.Types, ".", st.Code, " ", st.State))
	}
	for _, want := range []string{"eye [Patient].eye ready", " [Patient].* ready", " [Person].gender ready"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not among %q", want, got)
		}
	}
	_, err = s.Reindex(ctx, authz.Unrestricted(), datastore.Reindexing{ID: "none"})
	wantKind(t, err, fhir.KindNotFound, "none")
	_, err = s.Reindex(ctx, authz.Unrestricted(), datastore.Reindexing{Codes: []string{"none"}})
	wantKind(t, err, fhir.KindInvalid, "none")
	if _, err := s.Reindex(ctx, authz.Access{}, datastore.Reindexing{}); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("without rights: %v", err)
	}
}

func TestStoredValueSets(t *testing.T) {
	s := newStore(t)
	mustPut(t, s,
		`{"resourceType":"CodeSystem","id":"cs","url":"http://example.org/cs","status":"active","content":"complete","caseSensitive":true,"concept":[{"code":"a","concept":[{"code":"a1"},{"code":"a2"}]},{"code":"b"}]}`,
		`{"resourceType":"ValueSet","id":"vs","url":"http://example.org/vs","version":"2","status":"active","compose":{"include":[{"system":"http://example.org/cs","filter":[{"property":"concept","op":"is-a","value":"a"}]}],"exclude":[{"system":"http://example.org/cs","concept":[{"code":"a2"}]}]}}`,
	)
	for _, code := range []string{"a", "a1", "a2", "b"} {
		mustPut(t, s, fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"coding":[{"system":"http://example.org/cs","code":%[1]q}]}}`, code))
	}
	for _, name := range []string{"http://example.org/vs", "http://example.org/vs%7C2", "ValueSet/vs"} {
		wantFound(t, s, "Observation", "code:in="+name, "a", "a1")
	}
	wantFound(t, s, "Observation", "code:below=http://example.org/cs%7Ca", "a", "a1", "a2")
	_, err := ask(t, s, "Observation", "code:in=http://example.org/vs%7C3")
	wantKind(t, err, fhir.KindInvalid, "vs|3")
	pairs := []search.Pair{{Name: "code:in", Value: "http://example.org/vs"}}
	if _, err := s.Query(ctx, authz.Access{}, []string{"Observation"}, pairs, search.Options{}); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("without rights: %v", err)
	}
}

func TestHierarchyOfReferences(t *testing.T) {
	s := newStore(t)
	mustPut(t, s,
		`{"resourceType":"Location","id":"house"}`,
		`{"resourceType":"Location","id":"floor","partOf":{"reference":"Location/house"}}`,
		`{"resourceType":"Location","id":"room","partOf":{"reference":"Location/floor"}}`,
		`{"resourceType":"Encounter","id":"e","status":"planned","class":{"code":"AMB"},"location":[{"location":{"reference":"Location/room"}}]}`,
	)
	wantFound(t, s, "Encounter", "location:below=Location/house", "e")
	wantFound(t, s, "Encounter", "location:above=Location/house")
}

// TestParameterOfAllTypes: base Resource stands for every type, and a composite
// may be made of other parameters of the data store.
func TestParameterOfAllTypes(t *testing.T) {
	s := newStore(t)
	mustPut(t, s,
		`{"resourceType":"SearchParameter","id":"lang","url":"http://example.org/lang","name":"lang","status":"active","description":"Language","code":"lang","base":["Resource"],"type":"token","expression":"Resource.language"}`,
		eye("eye", "eye", "active", "Patient"),
		`{"resourceType":"SearchParameter","id":"both","url":"http://example.org/both","name":"both","status":"active","description":"Both","code":"both","base":["Patient"],"type":"composite","expression":"Patient","component":[{"definition":"http://example.org/SearchParameter/eye","expression":"extension('http://example.org/eye').value"},{"definition":"http://hl7.org/fhir/SearchParameter/individual-gender","expression":"gender"}]}`,
		strings.Replace(patientWithEye("a", "blue"), `"id"`, `"gender":"male","language":"de","id"`, 1),
		`{"resourceType":"Organization","id":"o","language":"de","name":"o"}`)
	waitIndexed(t, s)
	wantFound(t, s, "Patient", "lang=de", "a")
	wantFound(t, s, "Organization", "lang=de", "o")
	wantFound(t, s, "Patient", "both=blue$male", "a")
	wantFound(t, s, "Patient", "both=blue$female")
	_, err := commit(s, datastore.Op{Interaction: authz.Delete, Type: "SearchParameter", ID: "eye"})
	wantKind(t, err, fhir.KindConflict, "component")
	_, err = erase(s, store.Erasure{Type: "SearchParameter", ID: "eye"})
	wantKind(t, err, fhir.KindConflict, "component")
	wantFound(t, s, "Patient", "both=blue$male", "a")
}

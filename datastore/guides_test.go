package datastore_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/guide/shelf"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/validate"
)

func readGuides(t *testing.T, packages ...[]byte) *conformance.Guides {
	t.Helper()
	var read []*guide.Package
	for _, data := range packages {
		p, err := guide.Read(bytes.NewReader(data), guide.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		p.Digest = fmt.Sprint(len(read))
		read = append(read, p)
	}
	set, err := guide.NewSetOf(read, func(*guide.Package) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	g, err := conformance.New(set, conformance.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func setGuides(t *testing.T, s *datastore.Store, packages ...guidetest.Package) {
	t.Helper()
	var archives [][]byte
	for _, p := range packages {
		archives = append(archives, p.Archive(t))
	}
	if err := s.SetGuides(ctx, readGuides(t, archives...)); err != nil {
		t.Fatal(err)
	}
	waitIndexed(t, s)
}

// eyeGuide is a guide with the search parameter eye of Patient.
func eyeGuide(version, code string) guidetest.Package {
	return guidetest.Package{Name: "eyes", Version: version, Resources: []string{eye("eye", code, "draft", "Patient")}}
}

// TestGuideParams: search parameters of guides come, change and go with them.
func TestGuideParams(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, patientWithEye("a", "blue"))
	setGuides(t, s, eyeGuide("1.0.0", "eye"))
	wantFound(t, s, "Patient", "eye=blue", "a")
	mustPut(t, s, patientWithEye("b", "blue"))
	wantFound(t, s, "Patient", "eye=blue", "a", "b")

	_, err := commit(s, put(t, s, eye("own", "eye", "active", "Patient")))
	wantKind(t, err, fhir.KindConflict, "a guide (eyes#1.0.0 0) has http://example.org/SearchParameter/eye, which defines the search parameter eye of Patient already")

	setGuides(t, s, eyeGuide("2.0.0", "oculus"))
	wantFound(t, s, "Patient", "oculus=blue", "a", "b")
	_, err = ask(t, s, "Patient", "eye=blue")
	wantKind(t, err, fhir.KindInvalid, "eye")

	setGuides(t, s)
	_, err = ask(t, s, "Patient", "oculus=blue")
	wantKind(t, err, fhir.KindInvalid, "oculus")
	setGuides(t, s, eyeGuide("1.0.0", "eye"))
	wantFound(t, s, "Patient", "eye=blue", "a", "b")
}

// TestGuideParamsBesideOthers: what cannot be used beside what there is is left
// out with the reason, and the rest is used.
func TestGuideParamsBesideOthers(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, eye("own", "eye", "active", "Patient"), patientWithEye("a", "blue"))
	bad := strings.Replace(eye("bad", "bad", "active", "Patient"), `"expression":"`, `"expression":"!`, 1)
	setGuides(t, s,
		eyeGuide("1.0.0", "eye"),
		guidetest.Package{Name: "more", Version: "1.0.0", Resources: []string{bad, eye("fine", "fine", "active", "Patient"), eye("old", "old", "retired", "Patient")}},
		guidetest.Package{Name: "twice", Version: "1.0.0", Resources: []string{eye("other", "fine", "active", "Patient")}},
	)
	wantFound(t, s, "Patient", "eye=blue", "a")
	wantFound(t, s, "Patient", "fine=blue", "a")
	_, err := ask(t, s, "Patient", "old=blue")
	wantKind(t, err, fhir.KindInvalid, "old")
	unused := s.UnusedGuideParams()
	for from, want := range map[string]string{"eyes#1.0.0 0": "SearchParameter/own, which is active", "more#1.0.0 1": "SearchParameter/bad", "twice#1.0.0 2": "a guide (more#1.0.0 1)"} {
		if len(unused[from]) != 1 || !strings.Contains(unused[from][0], want) {
			t.Errorf("%s: %q, want %q", from, unused[from], want)
		}
	}
	states, err := s.ParamStates(authz.Unrestricted())
	if err != nil || len(states) != 2 {
		t.Errorf("states %+v, %v", states, err)
	}
}

// TestGuidesAfterRestart: guides of a shelf are those of the data store when it
// is opened again, and nothing is indexed anew.
func TestGuidesAfterRestart(t *testing.T) {
	fs := vfs.NewMem()
	open := func() (*datastore.Catalog, *shelf.Shelf) {
		folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		books := shelf.New(folder.Records(), time.Now)
		c, err := datastore.Open(ctx, datastore.Options{Backend: folder, BaseURL: "http://example.org", Guides: books})
		if err != nil {
			t.Fatal(err)
		}
		return c, books
	}
	c, books := open()
	s, err := c.Create(ctx, "default", "")
	if err != nil {
		t.Fatal(err)
	}
	g, err := books.Add(ctx, "default", shelf.Addition{Packages: [][]byte{eyeGuide("1.0.0", "eye").Archive(t)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetGuides(ctx, g); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, patientWithEye("a", "blue"))
	waitIndexed(t, s)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c, _ = open()
	if s, err = c.Store("default"); err != nil {
		t.Fatal(err)
	}
	wantFound(t, s, "Patient", "eye=blue", "a") // without waiting
	if _, err := c.Delete(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestGuideTerminology: value sets and code systems of guides are known, those of
// resources come before them.
func TestGuideTerminology(t *testing.T) {
	s := newStore(t)
	setGuides(t, s, guidetest.Package{Name: "codes", Version: "1.0.0", Resources: []string{
		`{"resourceType":"CodeSystem","url":"http://example.org/cs","status":"active","content":"complete","concept":[{"code":"a"},{"code":"b"}]}`,
		`{"resourceType":"ValueSet","url":"http://example.org/vs","status":"active","compose":{"include":[{"system":"http://example.org/cs","concept":[{"code":"a"}]}]}}`,
	}})
	for _, code := range []string{"a", "b"} {
		mustPut(t, s, fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"coding":[{"system":"http://example.org/cs","code":%[1]q}]}}`, code))
	}
	wantFound(t, s, "Observation", "code:in=http://example.org/vs", "a")
	view, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	set, err := view.Terminology(ctx).ValueSet("http://example.org/vs")
	if err != nil {
		t.Fatal(err)
	}
	if in, err := set.Has(terminology.Coding{System: "http://example.org/cs", Code: "a"}); err != nil || !in {
		t.Errorf("a is in the value set: %v, %v", in, err)
	}
	mustPut(t, s, `{"resourceType":"ValueSet","id":"vs","url":"http://example.org/vs","status":"active","compose":{"include":[{"system":"http://example.org/cs","concept":[{"code":"b"}]}]}}`)
	wantFound(t, s, "Observation", "code:in=http://example.org/vs", "b")
}

// TestGuideProfiles: profiles count at the level strict, also in bulk.
func TestGuideProfiles(t *testing.T) {
	const url = "http://example.org/p"
	s := newStore(t)
	setGuides(t, s, guidetest.Package{Name: "p", Version: "1.0.0", Resources: []string{guidetest.Profile(url, "1.0.0", "name")}})
	src := `{"resourceType":"Patient","id":"a","meta":{"profile":["` + url + `"]}}`
	for level, refused := range map[validate.Level]bool{validate.Strict: true, validate.StructureOnly: false, validate.Minimal: false} {
		out, err := s.BulkWriter(authz.Unrestricted(), datastore.BulkOptions{Level: level}).Write(ctx, [][]byte{[]byte(src)})
		if err != nil || (out[0].Result == datastore.BulkRefused) != refused {
			t.Errorf("level %v in bulk: %+v, %v", level, out, err)
		}
	}
	tree, err := s.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Commit(ctx, authz.Unrestricted(), []datastore.Op{{Interaction: authz.Update, Type: "Patient", ID: "a", Resource: tree}}, nil)
	wantKind(t, err, fhir.KindUnprocessable, "name must be there")
	if issues, err := s.ValidateAgainst(ctx, authz.Unrestricted(), tree, url+"|1.0.0"); err != nil || len(issues) != 1 || issues[0].Expression != "Patient.name" {
		t.Errorf("ValidateAgainst: %+v, %v", issues, err)
	}
	_, err = s.ValidateAgainst(ctx, authz.Unrestricted(), tree, url+"|2.0.0")
	wantKind(t, err, fhir.KindNotSupported, "none of its guides has it")
}

// TestUSCoreParams: the search parameters of US Core can be used.
func TestUSCoreParams(t *testing.T) {
	var packages [][]byte
	for _, version := range []string{"3.1.1", "6.1.0", "8.0.0"} {
		data, err := os.ReadFile("../../shared/data/definitions/us-core/hl7.fhir.us.core-" + version + ".tgz")
		if err != nil {
			t.Skip("../shared/data is absent")
		}
		packages = append(packages, data)
	}
	s := newStore(t)
	mustPut(t, s,
		`{"resourceType":"Patient","id":"p","extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[{"url":"ombCategory","valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238","code":"2106-3"}},{"url":"text","valueString":"White"}]}]}`,
		`{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/condition-assertedDate","valueDateTime":"2020-02-03"}]}`,
		`{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"hospitalization":{"dischargeDisposition":{"coding":[{"code":"home"}]}}}`,
	)
	if err := s.SetGuides(ctx, readGuides(t, packages...)); err != nil {
		t.Fatal(err)
	}
	waitIndexed(t, s)
	wantFound(t, s, "Patient", "race=2106-3", "p")
	wantFound(t, s, "Patient", "race=2106-4")
	wantFound(t, s, "Condition", "asserted-date=2020-02-03", "c")
	wantFound(t, s, "Encounter", "discharge-disposition=home", "e")
	for from, list := range s.UnusedGuideParams() {
		t.Errorf("%s: %q", from, list)
	}
	if _, err := s.Query(ctx, authz.Unrestricted(), []string{"Patient"}, []search.Pair{{Name: "ethnicity", Value: "x"}}, search.Options{}); err != nil {
		t.Error(err)
	}
}

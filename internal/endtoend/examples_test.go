package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/validate"
)

// brokenExamples are the official examples that break base R4, with a part of
// what the refusal says: four refer to types that the element does not allow,
// one lacks an element that must be there, four have a narrative without text,
// and three name other ids in their fullUrls than their resources have.
var brokenExamples = map[string]string{
	"DeviceMetric-example":        `DeviceMetric.parent.reference: "DeviceDefinition/dc102"`,
	"DeviceUseStatement-example":  `DeviceUseStatement.reasonReference[0].reference: "Procedure/example"`,
	"MedicationRequest-medrx0301": `MedicationRequest.dispenseRequest.performer.reference: "Practitioner/f001"`,
	"Observation-clinical-gender": `Observation.performer[0].reference: "Encounter/example"`,
	"Questionnaire-qs1":           `Questionnaire.item must have "linkId"`,

	"Bundle-10bb101f-a121-4264-a920-67be9cb82c74": `ends with the id pat12`,
	"Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe": `ends with the id pat12`,
	"Bundle-lri-example":                          `ends with the id lri-gramstain1`,

	"ActivityDefinition-blood-tubes-supply":        `(txt-2)`,
	"ActivityDefinition-heart-valve-replacement":   `(txt-2)`,
	"EventDefinition-example":                      `(txt-2)`,
	"Questionnaire-zika-virus-exposure-assessment": `(txt-2)`,
}

// TestOfficialExamples stores every official example, reads it back byte for
// byte and finds it by each of its own values.
func TestOfficialExamples(t *testing.T) {
	s := openStore(t, time.Now)
	w := newWriter(rand.New(rand.NewPCG(1, 1)), s.Registry(), s.Base())
	var byIDOnly []string
	stored := 0
	for _, e := range examples(t) {
		tree, err := s.Parse(e.src)
		if err != nil {
			t.Errorf("%s: %v", e.name, err)
			continue
		}
		v := storeExample(t, s, e, tree)
		if v.Type == "" {
			continue
		}
		stored++
		checkReadBack(t, s, e, v)
		if searches := checkFound(t, s, w, e, tree, v); searches == 0 {
			byIDOnly = append(byIDOnly, e.name)
			checkFinds(t, s, e, v, pair("_id", v.ID))
		}
	}
	t.Logf("%d examples stored; without a value but their id: %q", stored, byIDOnly)
	if want := 754; stored != want {
		t.Errorf("%d examples were stored, want %d", stored, want)
	}
}

// checkFound searches for an example by a value of each search parameter that
// it has one of. It returns the number of searches.
func checkFound(t *testing.T, s *datastore.Store, w *writer, e example, tree *fhir.Tree, v store.Version) int {
	t.Helper()
	searches := 0
	for _, p := range s.Registry().Params {
		if p.Type != v.Type || p.Def == nil || p.Code == "_id" || p.Code == "_lastUpdated" {
			continue
		}
		if text := w.hit(p, tree.Root()); text != "" {
			searches++
			checkFinds(t, s, e, v, pair(p.Code, text))
		}
	}
	return searches
}

func checkFinds(t *testing.T, s *datastore.Store, e example, v store.Version, condition string) {
	t.Helper()
	q, err := plan(s, v.Type+"?_count=1000&"+condition)
	if err != nil {
		t.Errorf("%s: %s: %v", e.name, condition, err)
		return
	}
	found, err := readPage(s, q, 0, nil)
	if err != nil {
		t.Errorf("%s: %s: %v", e.name, condition, err)
		return
	}
	if !slices.ContainsFunc(found.matches, func(m store.Version) bool { return m.ID == v.ID }) {
		t.Errorf("%s: not found by %s", e.name, condition)
	}
}

// storeExample stores an example. A broken one must be refused, and kept with
// a warning at the minimal level of validation.
func storeExample(t *testing.T, s *datastore.Store, e example, tree *fhir.Tree) store.Version {
	t.Helper()
	op := writeOf(tree)
	out, err := s.Commit(context.Background(), authz.Unrestricted(), []datastore.Op{op}, nil)
	rule := brokenExamples[e.name]
	if rule != "" {
		if err == nil || fhir.KindOf(err).Status() != 422 || !strings.Contains(err.Error(), rule) {
			t.Errorf("%s: %v; want a refusal with 422 that says %q", e.name, err, rule)
		}
		op.Level = validate.Minimal
		out, err = s.Commit(context.Background(), authz.Unrestricted(), []datastore.Op{op}, nil)
	}
	if err != nil {
		t.Errorf("%s: %v", e.name, err)
		return store.Version{}
	}
	if out[0].Status != 201 || rule != "" && len(out[0].Issues) == 0 {
		t.Errorf("%s: status %d with the issues %v", e.name, out[0].Status, out[0].Issues)
	}
	return out[0].Version
}

// checkReadBack reads an example and compares it with what was sent, byte for
// byte apart from id and meta.
func checkReadBack(t *testing.T, s *datastore.Store, e example, v store.Version) {
	t.Helper()
	view, err := s.View(context.Background(), authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	got, err := view.Read(context.Background(), v.Type, v.ID)
	if err != nil {
		t.Errorf("%s: %v", e.name, err)
		return
	}
	answer := got.Body.Append(nil, strconv.FormatUint(got.Number, 10), got.LastUpdated)
	was, is := takeApart(t, e.src), takeApart(t, answer)
	if is.id != v.ID || was.id != "" && was.id != v.ID {
		t.Errorf("%s: id %q was stored as %q and is read as %q", e.name, was.id, v.ID, is.id)
	}
	if is.rest != was.rest {
		t.Errorf("%s: read back as\n%s", e.name, answer)
	}
	if is.meta["versionId"] != "1" || is.meta["lastUpdated"] != got.LastUpdated.Format(fhir.TimeLayout) {
		t.Errorf("%s: meta is %v", e.name, is.meta)
	}
	for _, m := range []map[string]any{was.meta, is.meta} {
		delete(m, "versionId")
		delete(m, "lastUpdated")
	}
	if !reflect.DeepEqual(is.meta, was.meta) && len(is.meta)+len(was.meta) > 0 {
		t.Errorf("%s: meta was %v and is %v", e.name, was.meta, is.meta)
	}
}

// parts are a resource's id and meta, and all its other bytes.
type parts struct {
	id   string
	meta map[string]any
	rest string
}

// takeApart cuts the members id and meta out of a resource, with the comma
// before them, or the one after them where they come first. It knows of JSON
// only what encoding/json tells: where each token ends.
func takeApart(t *testing.T, src []byte) (p parts) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(src))
	next := func() json.Token {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	next() // {
	var rest bytes.Buffer
	for d.More() {
		start := d.InputOffset()
		key := next().(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		switch key {
		case "id":
			p.id = string(value[1 : len(value)-1])
		case "meta":
			if err := json.Unmarshal(value, &p.meta); err != nil {
				t.Fatal(err)
			}
		default:
			member := src[start:d.InputOffset()]
			if rest.Len() == 0 {
				member = bytes.TrimLeft(member, ", \t\r\n")
			}
			rest.Write(member)
		}
	}
	end := d.InputOffset()
	next() // }
	rest.Write(bytes.TrimSpace(src[end:]))
	p.rest = rest.String()
	return p
}

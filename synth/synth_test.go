package synth_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/synth"
	"github.com/tarnhealth/tarn/validate"
)

func TestPopulationIsValid(t *testing.T) {
	set := definition.R4()
	validator := validate.New(set)
	each(t, synth.New(synth.Options{Patients: 50, Seed: 7}), func(r synth.Resource) {
		tree, err := fhir.Parse(set.Schema, r.JSON, fhir.DefaultLimits)
		if err != nil {
			t.Fatalf("%s/%s: %v\n%s", r.Type, r.ID, err, r.JSON)
		}
		for _, issue := range validator.Validate(tree) {
			t.Errorf("%s/%s: %s: %s: %s", r.Type, r.ID, issue.Severity, issue.Expression, issue.Diagnostics)
		}
	})
}

func TestTransactionsAreValid(t *testing.T) {
	set := definition.R4()
	validator := validate.New(set)
	for b := range synth.New(synth.Options{Patients: 5, Seed: 8}).Bundles(t.Context()) {
		tree, err := fhir.Parse(set.Schema, b, fhir.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		for _, issue := range validator.Validate(tree) {
			t.Errorf("%s: %s: %s", issue.Severity, issue.Expression, issue.Diagnostics)
		}
	}
}

// golden is the hash of a population of twenty patients: it changes only with
// the generator.
const golden = "00c0211f4223fc46e086062f97206a82951fba4b616839148cb64228704abe96"

func TestSameSeedSameBytes(t *testing.T) {
	hash := func(opts synth.Options) string {
		h := sha256.New()
		each(t, synth.New(opts), func(r synth.Resource) { h.Write(r.JSON) })
		return hex.EncodeToString(h.Sum(nil))
	}
	got := hash(synth.Options{Patients: 20, Seed: 1})
	if got != golden {
		t.Errorf("hash of the population is %s, want %s", got, golden)
	}
	if hash(synth.Options{Patients: 20, Seed: 2}) == got {
		t.Error("another seed gives the same population")
	}
}

func TestPatientDoesNotDependOnPopulation(t *testing.T) {
	patient := func(population int) []string {
		var got []string
		err := synth.New(synth.Options{Patients: population, Seed: 3}).Each(func(b synth.Bundle) error {
			if b.Patient == 4 {
				for _, r := range b.Resources {
					got = append(got, string(r.JSON))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	few, many := patient(5), patient(12)
	if len(few) == 0 || !slices.Equal(few, many) {
		t.Error("patient 4 differs between a population of 5 and one of 12")
	}
}

var relative = regexp.MustCompile(`"reference":"([^"]+)"`)

func TestReferencesResolve(t *testing.T) {
	known := map[string]bool{}
	err := synth.New(synth.Options{Patients: 40, Seed: 4}).Each(func(b synth.Bundle) error {
		own := map[string]bool{}
		for _, r := range b.Resources {
			name := r.Type + "/" + r.ID
			if known[name] || own[name] {
				t.Errorf("%s occurs twice", name)
			}
			own[name] = true
		}
		for _, r := range b.Resources {
			for _, m := range relative.FindAllSubmatch(r.JSON, -1) {
				if target := string(m[1]); !own[target] && !known[target] {
					t.Errorf("%s/%s refers to %s, which is not there", r.Type, r.ID, target)
				}
			}
		}
		if b.Patient < 0 {
			known = own
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// entry is what a transaction's entry needs.
type entry struct {
	FullURL  string `json:"fullUrl"`
	Resource struct {
		ResourceType string
		ID           string
	}
	Request struct{ Method, URL string }
}

func TestTransactionsAreSelfContained(t *testing.T) {
	shared := map[string]bool{}
	first := true
	for b := range synth.New(synth.Options{Patients: 10, Seed: 5}).Bundles(t.Context()) {
		var bundle struct {
			Type  string
			Entry []entry
		}
		if err := json.Unmarshal(b, &bundle); err != nil {
			t.Fatal(err)
		}
		own := map[string]bool{}
		for _, e := range bundle.Entry {
			own[e.FullURL] = true
			checkEntry(t, e, first)
			if first {
				shared[e.Request.URL] = true
			}
		}
		for _, m := range relative.FindAllSubmatch(b, -1) {
			if target := string(m[1]); !own[target] && !shared[target] {
				t.Errorf("reference %s does not resolve", target)
			}
		}
		first = false
	}
	if first {
		t.Error("no bundle")
	}
}

func checkEntry(t *testing.T, e entry, shared bool) {
	t.Helper()
	if shared {
		if e.Request.Method != "PUT" || e.Request.URL != e.Resource.ResourceType+"/"+e.Resource.ID {
			t.Errorf("infrastructure: request is %s %s", e.Request.Method, e.Request.URL)
		}
		return
	}
	if e.Request.Method != "POST" || e.Request.URL != e.Resource.ResourceType || e.Resource.ID != "" ||
		!strings.HasPrefix(e.FullURL, "urn:uuid:") {
		t.Errorf("patient: request is %s %s, fullUrl %s, id %q", e.Request.Method, e.Request.URL, e.FullURL, e.Resource.ID)
	}
}

func TestBothFormsSayTheSame(t *testing.T) {
	var counts []int
	each2 := synth.New(synth.Options{Patients: 6, Seed: 6})
	err := each2.Each(func(b synth.Bundle) error {
		counts = append(counts, len(b.Resources))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	k := 0
	for b := range each2.Bundles(t.Context()) {
		if n := bytes.Count(b, []byte(`"resourceType"`)) - 1; n != counts[k] {
			t.Errorf("bundle %d has %d resources, Each gave %d", k, n, counts[k])
		}
		k++
	}
}

func each(t *testing.T, p *synth.Population, f func(synth.Resource)) {
	t.Helper()
	err := p.Each(func(b synth.Bundle) error {
		for _, r := range b.Resources {
			f(r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

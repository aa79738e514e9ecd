package capabilities_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/capabilities"
	"github.com/tarnhealth/tarn/terminology/codebook"
	"github.com/tarnhealth/tarn/terminology/concept"
	"github.com/tarnhealth/tarn/validate"
	"github.com/tarnhealth/tarn/validate/invariant"
)

// TestStatement: the statement is a valid resource, and true: each code system
// that it lists is known in each version that it lists.
func TestStatement(t *testing.T) {
	b := codebook.NewBuilder(codebook.Meta{URL: "http://x.org/codes", Version: "7"})
	b.Add(concept.Concept{Code: "a", Properties: []concept.Property{{Code: "rank", Kind: "string", Text: "1"}}})
	path := filepath.Join(t.TempDir(), "x")
	if _, err := b.Write(path); err != nil {
		t.Fatal(err)
	}
	book, err := codebook.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	body, err := capabilities.Statement(capabilities.Facts{Base: "http://x.org/r4", Version: "1", Date: time.Now(), Books: []*codebook.Book{book}, External: []string{"http://x.org/elsewhere"}})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := fhir.Parse(definition.R4().Schema, body, fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	for _, issue := range validate.New(definition.R4(), invariant.New(definition.R4())).Validate(tree) {
		if issue.Severity == fhir.SeverityError {
			t.Errorf("the statement is not valid: %+v", issue)
		}
	}
	service := terminology.With(terminology.Options{Books: func(canonical string) *codebook.Book {
		if canonical == "http://x.org/codes|7" {
			return book
		}
		return nil
	}})
	systems, loaded := 0, 0
	for s := range tree.Root().Each("codeSystem") {
		systems++
		for v := range s.Each("version") {
			known, err := service.System(terminology.Canonical(s.TextOf("uri"), v.TextOf("code")))
			if err != nil || !known.Complete() {
				t.Errorf("%s|%s is listed and not known: %v", s.TextOf("uri"), v.TextOf("code"), err)
			}
		}
		if s.TextOf("uri") == "http://x.org/codes" {
			loaded++
		}
	}
	if systems < 1000 || loaded != 1 {
		t.Errorf("%d code systems are listed, %d of them loaded", systems, loaded)
	}
}

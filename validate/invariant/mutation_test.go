package invariant_test

import (
	"slices"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/published"
	"github.com/tarnhealth/tarn/validate"
	"github.com/tarnhealth/tarn/validate/invariant"
	"github.com/tarnhealth/tarn/validate/mutation"
)

// share is which part of the mutations an ordinary run tries: all of them where
// TARN_BREAK is "all".
const share = 16

// found are the issues of a resource, those of reading it or of validating it.
func found(v *validate.Validator, resource []byte) []fhir.Issue {
	_, issues := mutation.Issues(definition.R4().Schema, resource, v.Validate)
	return issues
}

// codes are how issues say what a mutation broke.
var codes = map[string][]string{
	"required": {"required"}, "max": {"structure"}, "type": {"structure"}, "format": {"value", "code-invalid"},
	"code": {"code-invalid"}, "target": {"value"},
}

// examples are the published examples that break no rule, the smallest first.
func examples(t testing.TB) []*mutation.Doc {
	all := published.Lines(t, "examples/r4-official/all-examples.ndjson.gz")
	slices.SortStableFunc(all, func(a, b []byte) int { return len(a) - len(b) })
	var docs []*mutation.Doc
	for _, line := range all {
		doc, err := mutation.New(definition.R4().Schema, line)
		if err != nil {
			t.Fatal(err)
		}
		root := doc.Tree.Root()
		if faulty[root.Type().Name+"/"+root.TextOf("id")] == "" {
			docs = append(docs, doc)
		}
	}
	return docs
}

// TestMutations breaks each element that the published examples have, where it
// occurs first: what is required is removed, what occurs once repeated, types,
// formats, codes and what is referred to are wrong. Each is found where it is.
func TestMutations(t *testing.T) {
	v := validate.New(definition.R4(), invariant.New(definition.R4()))
	reached, broken := map[*fhir.Property]bool{}, map[string]int{}
	for _, doc := range examples(t) {
		mutation.Each(doc.Tree.Root(), func(n fhir.Node) {
			p := n.Property()
			if reached[p] || n.IsPrimitive() && !n.HasValue() {
				return
			}
			reached[p] = true
			name := p.Owner.Name + "." + p.JSON
			if !mutation.Tried(name, share) {
				return
			}
			for _, m := range doc.Of(definition.R4(), n) {
				broken[m.Kind]++
				issues := found(v, m.JSON)
				if !slices.ContainsFunc(issues, func(i fhir.Issue) bool {
					return i.Severity != fhir.SeverityWarning && i.Expression == m.Path && slices.Contains(codes[m.Kind], i.Code)
				}) {
					t.Errorf("%s: %s at %s is not found: %v\n%.600s", name, m.Kind, m.Path, issues, m.JSON)
				}
			}
		})
	}
	t.Logf("%d elements reached, broken: %v", len(reached), broken)
}

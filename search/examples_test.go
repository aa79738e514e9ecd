package search_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/fulltext"
)

const examplesDir = "../../shared/data/examples/r4-official"

// examples are the official R4 examples as candidates.
func examples(t *testing.T) []*search.Candidate {
	t.Helper()
	r := r4(t)
	files, _ := filepath.Glob(filepath.Join(examplesDir, "*.json"))
	if len(files) == 0 {
		t.Skip("../../shared/data is absent")
	}
	var all []*search.Candidate
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := fhir.Parse(r.Definitions.Schema, src, fhir.DefaultLimits)
		if err != nil {
			t.Logf("%s is not read: %v", file, err)
			continue
		}
		c := &search.Candidate{Type: tree.Root().Type().Name, ID: tree.Root().TextOf("id"), Tree: tree}
		if c.Entries, err = r.Extract(tree, c.ID, base); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		all = append(all, c)
	}
	return all
}

const base = "http://tarn.test/r4"

// Entries must come in order, without duplicates, and no key of a parameter
// may begin another one.
func TestExamplesEntries(t *testing.T) {
	keys := map[*search.Param][][]byte{}
	for _, c := range examples(t) {
		if !slices.IsSortedFunc(c.Entries, compareEntries) {
			t.Errorf("the entries of %s/%s are not in order", c.Type, c.ID)
		}
		for i, e := range c.Entries {
			if i > 0 && compareEntries(c.Entries[i-1], e) == 0 {
				t.Errorf("%s/%s has the key %q of %s twice", c.Type, c.ID, e.Key, e.Param.Key())
			}
			keys[e.Param] = append(keys[e.Param], e.Key)
		}
	}
	for p, ks := range keys {
		slices.SortFunc(ks, bytes.Compare)
		for i := 1; i < len(ks); i++ {
			if !bytes.Equal(ks[i-1], ks[i]) && bytes.HasPrefix(ks[i], ks[i-1]) {
				t.Errorf("%s: the key %q begins %q", p.Key(), ks[i-1], ks[i])
			}
		}
	}
}

func compareEntries(a, b search.Entry) int {
	return cmp.Or(cmp.Compare(a.Param.Ordinal, b.Param.Ordinal), bytes.Compare(a.Key, b.Key))
}

// A query made from a value that a resource has must find the resource.
func TestExamplesFindTheirOwnValues(t *testing.T) {
	r := r4(t)
	used := map[string]bool{}
	queries := 0
	expressions := map[string]*fhirpath.Expr{}
	compile := func(source string) *fhirpath.Expr {
		e := expressions[source]
		if e == nil {
			var err error
			if e, err = fhirpath.Compile(r.Definitions.Schema, source); err != nil {
				t.Fatal(err)
			}
			expressions[source] = e
		}
		return e
	}
	for _, c := range examples(t) {
		for code, def := range r.Definitions.SearchParameters(c.Type) {
			p := r.Param(c.Type, code)
			if p == nil || code == "_id" || code == "_lastUpdated" {
				continue
			}
			values := ownWords(c.Tree.Root())
			if code != "_text" && code != "_content" {
				values = ownValues(compile, def, c.Tree.Root(), def.Expression)
			}
			for _, value := range values {
				used[p.Key()] = true
				queries++
				if err := findsIt(r, c, code, value); err != nil {
					t.Errorf("%s/%s: %v", c.Type, c.ID, err)
				}
			}
		}
	}
	offered := 0
	var unused []string
	for _, p := range r.Params {
		if p.Def == nil {
			continue
		}
		if offered++; !used[p.Key()] {
			unused = append(unused, p.Key())
		}
	}
	t.Logf("%d queries on %d of %d parameters; these %d have no value in any example: %s", queries, len(used), offered, len(unused), strings.Join(unused, " "))
	if queries < 1000 {
		t.Errorf("only %d queries were made", queries)
	}
}

func findsIt(r *search.Registry, c *search.Candidate, code, value string) error {
	q, err := r.Parse([]string{c.Type}, []search.Pair{{Name: code, Value: value}}, search.Options{Base: base, Now: time.Now})
	if err != nil {
		return fmt.Errorf("%s=%s: %w", code, value, err)
	}
	if !search.Match(q.Plan.Parts[0].Where, c, nil) {
		return fmt.Errorf("is not found by %s=%s", code, value)
	}
	return nil
}

// ownValues writes the values that a parameter has in a resource as query
// values, in each way that they can be looked for.
func ownValues(compile func(string) *fhirpath.Expr, def *definition.SearchParameter, focus fhir.Node, expression string) []string {
	nodes, err := compile(expression).Nodes(focus)
	if err != nil {
		return nil
	}
	var values []string
	for _, n := range nodes {
		if n.Type().Name == "Extension" {
			n = n.Child("value")
		}
		if def.Type != definition.ParamComposite {
			values = append(values, valueQueries(def, n)...)
			continue
		}
		combined := ownValues(compile, def.Component[0].Param, n, def.Component[0].Expression)
		for _, part := range def.Component[1:] {
			var longer []string
			for _, v := range ownValues(compile, part.Param, n, part.Expression) {
				for _, head := range combined {
					longer = append(longer, head+"$"+v)
				}
			}
			combined = longer
		}
		values = append(values, combined...)
	}
	return values
}

var escaper = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`)

func valueQueries(def *definition.SearchParameter, n fhir.Node) []string {
	if !n.Exists() {
		return nil
	}
	text := func(n fhir.Node) string { return escaper.Replace(n.Text()) }
	switch def.Type {
	case definition.ParamString:
		return stringQueries(n, text)
	case definition.ParamToken:
		return tokenQueries(n, text)
	case definition.ParamReference:
		return referenceQueries(def, n)
	case definition.ParamDate:
		return dateQueries(n)
	case definition.ParamNumber:
		if n.HasValue() {
			return []string{n.Text(), "ge" + n.Text(), "le" + n.Text(), "ap" + n.Text()}
		}
	case definition.ParamQuantity:
		return quantityQueries(n, text)
	case definition.ParamURI:
		if n.HasValue() {
			return []string{text(n)}
		}
	}
	return nil
}

func stringQueries(n fhir.Node, text func(fhir.Node) string) (values []string) {
	switch n.Type().Name {
	case "HumanName", "Address":
		for c := range n.Children() {
			switch c.Name() {
			case "use", "type", "period", "id", "extension":
			default:
				values = append(values, stringQueries(c, text)...)
			}
		}
	default:
		if strings.TrimSpace(n.Text()) != "" {
			values = append(values, text(n), strings.ToUpper(text(n)))
		}
	}
	return values
}

func tokenQueries(n fhir.Node, text func(fhir.Node) string) (values []string) {
	system, code := n.Child("system"), n.Child("code")
	switch n.Type().Name {
	case "CodeableConcept":
		for c := range n.Each("coding") {
			values = append(values, tokenQueries(c, text)...)
		}
		return values
	case "Identifier":
		code = n.Child("value")
	case "ContactPoint":
		system, code = fhir.Node{}, n.Child("value")
	case "Coding":
	default:
		if n.IsPrimitive() {
			system, code = fhir.Node{}, n
		}
	}
	if code.HasValue() {
		values = append(values, text(code), text(system)+"|"+text(code))
	}
	if system.HasValue() {
		values = append(values, text(system)+"|")
	}
	return values
}

func referenceQueries(def *definition.SearchParameter, n fhir.Node) []string {
	if t := n.Type(); t.Kind == fhir.KindResource {
		if n.TextOf("id") == "" || !slices.Contains(def.Target, t.Name) {
			return nil
		}
		return []string{n.Type().Name + "/" + n.TextOf("id"), n.TextOf("id")}
	}
	ref := n.Text()
	if n.Type().Name == "Reference" {
		ref = n.TextOf("reference")
	}
	if !strings.ContainsAny(ref, "/:") || ref[0] == '#' {
		return nil // one example has a canonical that cannot be told from an id
	}
	ref, _, _ = strings.Cut(ref, "#")
	values := []string{ref}
	if url, _, ok := strings.Cut(ref, "|"); ok {
		values = append(values, url)
	}
	if !strings.Contains(ref, ":") {
		values = append(values, base+"/"+ref)
	}
	return values
}

func dateQueries(n fhir.Node) (values []string) {
	switch n.Type().Name {
	case "date", "dateTime", "instant":
		if n.HasValue() {
			values = append(values, n.Text(), "ge"+n.Text(), "le"+n.Text(), "ap"+n.Text(), n.Text()[:4])
		}
	case "Period":
		if start := n.TextOf("start"); start != "" {
			values = append(values, "ge"+start, "sa1000", "gt"+start[:4]+"-01-01T00:00")
		}
		if end := n.TextOf("end"); end != "" {
			values = append(values, "le"+end, "eb9000")
		}
	}
	return values
}

func quantityQueries(n fhir.Node, text func(fhir.Node) string) (values []string) {
	if !n.Exists() {
		return nil
	}
	number := n.TextOf("value")
	switch {
	case n.Type().Name == "Range":
		return append(quantityQueries(n.Child("low"), text), quantityQueries(n.Child("high"), text)...)
	case n.Type().Name == "SampledData" || number == "":
		return nil
	}
	values = append(values, number, "ge"+number, "le"+number)
	if n.Type().Name == "Money" {
		return append(values, number+"|urn:iso:std:iso:4217|"+text(n.Child("currency")))
	}
	system, code, unit := text(n.Child("system")), text(n.Child("code")), text(n.Child("unit"))
	if code != "" {
		values = append(values, number+"|"+system+"|"+code, "ap"+number+"||"+code)
	}
	if unit != "" {
		values = append(values, number+"||"+unit)
	}
	return values
}

// ownWords is the first word of a resource's narrative.
func ownWords(root fhir.Node) (words []string) {
	fulltext.Words(fulltext.Narrative([]byte(root.Child("text").TextOf("div"))), func(w []byte) {
		if words == nil {
			words = []string{`"` + string(w) + `"`} // no word of the syntax
		}
	})
	return words
}

package invariant_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/validate"
	"github.com/tarnhealth/tarn/validate/invariant"
	"github.com/tarnhealth/tarn/validate/mutation"
)

// unbreakable are the invariants of R4 that hold whatever a value is. cid-0 is
// about an element that does not exist; eld-11 asks whether select() has a
// result, which it has for every type, right or wrong.
var unbreakable = []string{"cid-0", "eld-11"}

// errorKeys are the invariants of the release that make a resource unacceptable.
func errorKeys() map[string]bool {
	keys := map[string]bool{}
	add := func(list []fhir.Constraint) {
		for _, k := range list {
			if k.Error && !slices.Contains(unbreakable, k.Key) {
				keys[k.Key] = true
			}
		}
	}
	for _, t := range definition.R4().Schema.Types {
		add(t.Constraints)
		for _, e := range t.Elements {
			add(e.Constraints)
		}
	}
	return keys
}

// TestEachInvariant breaks every invariant of R4 that is an error, as
// testdata/invariants.txt says.
func TestEachInvariant(t *testing.T) {
	script, err := os.ReadFile("testdata/invariants.txt")
	if err != nil {
		t.Fatal(err)
	}
	b := newBreaker(t)
	left := errorKeys()
	for _, line := range strings.Split(string(script), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.SplitN(line, " | ", 4)
		key := fields[0]
		if !left[key] {
			t.Errorf("%s is no invariant that is an error, or is here twice", key)
		}
		delete(left, key)
		if i := strings.Index(line, " | {\"resourceType\""); i > 0 {
			path, resource := fields[1], line[i+3:]
			if issues := found(b.v, []byte(resource)); !breaks(issues, key, path) {
				t.Errorf("%s at %s is not found: %v\n%s", key, path, issues, resource)
			}
			continue
		}
		doc := b.byName[fields[1]]
		if doc == nil {
			t.Fatalf("there is no example %s", fields[1])
		}
		if !b.replay(doc, key, fields[2], fields[3]) {
			t.Errorf("%s is not found: %s %s of %s", key, fields[2], fields[3], fields[1])
		}
	}
	for key := range left {
		if os.Getenv("TARN_BREAK") == "search" {
			t.Log(b.search(key))
		}
		t.Errorf("%s is not broken", key)
	}
}

// breaks reports whether an invariant is among issues at a path.
func breaks(issues []fhir.Issue, key, path string) bool {
	return slices.ContainsFunc(issues, func(i fhir.Issue) bool {
		return i.Severity == fhir.SeverityError && i.Expression == path && strings.Contains(i.Diagnostics, "("+key+")")
	})
}

// breaker changes the published examples.
type breaker struct {
	v      *validate.Validator
	docs   []*mutation.Doc
	byName map[string]*mutation.Doc
	pool   mutation.Pool
}

func newBreaker(t *testing.T) *breaker {
	b := &breaker{
		v: validate.New(definition.R4(), invariant.New(definition.R4())), docs: examples(t),
		byName: map[string]*mutation.Doc{}, pool: mutation.Pool{},
	}
	for _, doc := range b.docs {
		b.pool.Add(doc)
		b.byName[nameOf(doc)] = doc
	}
	return b
}

func nameOf(doc *mutation.Doc) string {
	root := doc.Tree.Root()
	return root.Type().Name + "/" + root.TextOf("id")
}

// having are the values of a document that have an invariant.
func having(doc *mutation.Doc, key string) []fhir.Node {
	var all []fhir.Node
	visit := func(n fhir.Node) {
		list := n.Type().Constraints
		if e := n.Element(); e != nil {
			list = slices.Concat(list, e.Constraints)
		}
		if slices.ContainsFunc(list, func(k fhir.Constraint) bool { return k.Key == key }) {
			all = append(all, n)
		}
	}
	visit(doc.Tree.Root())
	mutation.Each(doc.Tree.Root(), visit)
	return all
}

// replay makes a change and reports whether it breaks the invariant.
func (b *breaker) replay(doc *mutation.Doc, key, path, what string) bool {
	for _, n := range having(doc, key) {
		if !strings.HasPrefix(path, n.Path()) {
			continue
		}
		for _, c := range doc.Changes(definition.R4(), n, b.pool) {
			if c.Path == path && c.What == what && breaks(found(b.v, c.Apply()), key, n.Path()) {
				return true
			}
		}
	}
	return false
}

// search finds a change that breaks an invariant, as a line of the script.
func (b *breaker) search(key string) string {
	for _, doc := range b.docs {
		for _, n := range having(doc, key) {
			for _, c := range doc.Changes(definition.R4(), n, b.pool) {
				if text := c.Apply(); text != nil && breaks(found(b.v, text), key, n.Path()) {
					return fmt.Sprintf("%s | %s | %s | %s", key, nameOf(doc), c.Path, c.What)
				}
			}
		}
	}
	return key + " is not broken by any change of an example"
}

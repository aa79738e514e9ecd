package fhir

import (
	"slices"
	"testing"
	"unsafe"
)

func TestAbsentNode(t *testing.T) {
	var n Node
	if n.Exists() || n.Type() != nil || n.Property() != nil || n.Element() != nil || n.Name() != "" ||
		n.Parent().Exists() || n.IsPrimitive() || n.HasValue() || n.Text() != "" || n.TextOf("x") != "" ||
		n.Raw() != nil || n.Path() != "" || n.Child("x").Exists() || n.Tree() != nil || n.Detach() != nil ||
		n.Detach().Root().Exists() {
		t.Error("an absent node has something")
	}
	for range n.Children() {
		t.Error("an absent node has a child")
	}
	if s, e := n.Span(); s != 0 || e != 0 {
		t.Error("an absent node has a span")
	}
	if l, c := n.Position(); l != 0 || c != 0 {
		t.Error("an absent node has a position")
	}
}

func TestAccessors(t *testing.T) {
	tree := mustParse(t, `{"resourceType":"Patient","_birthDate":{"id":"d"},"birthDate":"2000","name":[{"family":"é\u0041"},{"given":["a","b"]}],
 "active":true,"extension":[{"url":"u","valueDecimal":1.50}]}`)
	root := tree.Root()
	if root.Type().Name != "Patient" || root.Property() != nil || root.Parent().Exists() || root.Name() != "" {
		t.Error("the root is wrong")
	}
	birth := root.Child("birthDate")
	if birth.Text() != "2000" || string(birth.Raw()) != "2000" || birth.TextOf("id") != "d" || !birth.IsPrimitive() {
		t.Error("birthDate is wrong")
	}
	if id := birth.Child("id"); id.Parent() != birth || id.Path() != "Patient.birthDate.id" || id.IsPrimitive() != true {
		t.Errorf("birthDate.id is wrong: %s below %s", id.Path(), id.Parent().Path())
	}
	family := root.Child("name").Child("family")
	if family.Text() != "éA" || string(family.Raw()) != `é\u0041` {
		t.Errorf("family is %q, %q", family.Text(), family.Raw())
	}
	var names []string
	for n := range root.Each("name") {
		for g := range n.Each("given") {
			names = append(names, g.Path()+"="+g.Text())
		}
	}
	if len(names) != 2 || names[1] != "Patient.name[1].given[1]=b" {
		t.Errorf("names are %q", names)
	}
	value := root.Child("extension").Child("value")
	if value.Text() != "1.50" || value.Property().JSON != "valueDecimal" || value.Name() != "value" || value.Type().Name != "decimal" {
		t.Error("value is wrong")
	}
	if l, c := value.Position(); l != 2 || c != 55 {
		t.Errorf("value is at %d:%d", l, c)
	}
	if l, c := birth.Position(); l != 1 || c != 63 {
		t.Errorf("birthDate is at %d:%d", l, c)
	}
	if from, to := value.Span(); string(tree.Source[from:to]) != "1.50" {
		t.Error("the span of value is wrong")
	}
}

func TestDetach(t *testing.T) {
	tree := mustParse(t, `{"resourceType":"Bundle","entry":[
{"resource":{"resourceType":"Patient","active":true,"contained":[{"resourceType":"Observation","id":"o"}]}},
{"resource":{"resourceType":"Patient","name":[{"family":"B"}]}}]}`)
	var roots []Node
	for e := range tree.Root().Each("entry") {
		roots = append(roots, e.Child("resource").Detach().Root())
	}
	if len(roots) != 2 {
		t.Fatalf("%d entries", len(roots))
	}
	want := "Patient Patient\nPatient.name[0] HumanName\nPatient.name[0].family string \"B\"\n"
	if got := dump(roots[1]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if roots[1].Parent().Exists() || roots[1].Property() != nil || roots[1].Element() != nil {
		t.Error("a detached root hangs on to its bundle")
	}
	if l, _ := roots[1].Position(); l != 3 {
		t.Errorf("a detached root is on line %d of the bundle", l)
	}
	inner := roots[0].Child("contained").Detach().Root()
	if got := inner.Child("id").Path(); got != "Observation.id" {
		t.Errorf("path %s", got)
	}
}

func TestNodeIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(node{}); size != 28 {
		t.Errorf("a node has %d bytes", size)
	}
}

// TestWalks compares the ways to the children of a node.
func TestWalks(t *testing.T) {
	tree := mustParse(t, `{"resourceType":"Patient","_birthDate":{"id":"d"},"name":[{"_given":[{"id":"0"},null],"given":[null,"b"]},{"family":"c"}],
"birthDate":"2000","_active":{"id":"e"},"contained":[{"resourceType":"Patient","active":true}]}`)
	var check func(Node)
	check = func(n Node) {
		next := n.First()
		for c := range n.Children() {
			if next != c {
				t.Errorf("below %s: %s in place of %s", n.Path(), next.Path(), c.Path())
			}
			if c.PropertyIndex() != c.Property().Index || c.TypeIndex() != c.Type().Index {
				t.Errorf("the indexes of %s are wrong", c.Path())
			}
			got := n.AppendChildren(nil, uint32(c.PropertyIndex()), 1, true)
			if want := slices.Collect(n.Each(c.Name())); !slices.Equal(got, want) {
				t.Errorf("%s: %d children by property, %d by name", c.Path(), len(got), len(want))
			}
			check(c)
			next = next.Next()
		}
		if next.Exists() {
			t.Errorf("%s follows the last child of %s", next.Path(), n.Path())
		}
	}
	check(tree.Root())
	if (Node{}).First().Exists() || (Node{}).Next().Exists() || (Node{}).PropertyIndex() != 0 || tree.Root().Next().Exists() {
		t.Error("an absent node or a root has neighbours")
	}
}

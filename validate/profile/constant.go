package profile

import (
	"fmt"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A constant is a fixed value or a pattern, apart from the definition that has
// it, of which nothing is kept.
type constant struct {
	name, text string
	hasText    bool
	// typeName is the type of the value, raw its JSON.
	typeName, raw string
	children      []constant
	// size is how many values it is made of.
	size int
}

// constantOf copies a value; nil where there is none.
func constantOf(n fhir.Node) *constant {
	if !n.Exists() {
		return nil
	}
	k := copied(n)
	k.raw = strings.Join(strings.Fields(string(n.Raw())), " ")
	return &k
}

func copied(n fhir.Node) constant {
	k := constant{name: n.Name(), text: n.Text(), hasText: n.HasValue(), typeName: n.Type().Name, size: 1}
	for c := n.First(); c.Exists(); c = c.Next() {
		child := copied(c)
		k.children = append(k.children, child)
		k.size += child.size
	}
	return k
}

// shown is the constant as messages have it.
func (k *constant) shown() string {
	if k.hasText {
		return fmt.Sprintf("%q", k.text)
	}
	return k.raw
}

// equal reports whether a value is exactly the fixed one.
// http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_
func (k *constant) equal(n fhir.Node) bool { return k.matches(n) && k.size == count(n) }

func count(n fhir.Node) int {
	all := 1
	for c := n.First(); c.Exists(); c = c.Next() {
		all += count(c)
	}
	return all
}

// matches reports whether a value has all that a pattern has: of lists, each
// member of the pattern's.
// http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_
func (k *constant) matches(n fhir.Node) bool {
	if k.hasText && (!n.HasValue() || k.text != n.View()) {
		return false
	}
	for i := range k.children {
		p := &k.children[i]
		found := false
		for c := n.First(); c.Exists() && !found; c = c.Next() {
			found = c.Name() == p.name && p.matches(c)
		}
		if !found {
			return false
		}
	}
	return true
}

// follow goes along a discriminator's path from a constant.
func (k *constant) follow(path []string) []*constant {
	all := []*constant{k}
	for _, part := range path {
		var next []*constant
		for _, k := range all {
			next = k.step(next, part)
		}
		all = next
	}
	return all
}

func (k *constant) step(to []*constant, part string) []*constant {
	if of, ok := argument(part, "ofType"); ok {
		if k.typeName == of {
			to = append(to, k)
		}
		return to
	}
	url, isExtension := argument(part, "extension")
	for i := range k.children {
		c := &k.children[i]
		if c.name == part || isExtension && c.name == "extension" && c.textOf("url") == url {
			to = append(to, c)
		}
	}
	return to
}

func (k *constant) textOf(name string) string {
	for i := range k.children {
		if k.children[i].name == name {
			return k.children[i].text
		}
	}
	return ""
}

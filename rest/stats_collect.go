package rest

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A statsGroup is the measurements of one code.
type statsGroup struct {
	sample
	code      fhir.Node
	statsUnit // of the first value: others are converted to it
}

// collecting gathers measurements by code.
type collecting struct {
	stats  *statsQuery
	groups map[string]*statsGroup
	order  []*statsGroup
	shown  []store.Version
}

// add takes the values of an observation that matched: its own, those of its
// components, and those of its members.
func (c *collecting) add(o fhir.Node, members []*fhir.Tree) error {
	when := effectiveTime(o)
	asked := c.asked(o.Child("code"))
	if asked && (o.Child("value").Exists() || !o.Child("component").Exists() && !o.Child("hasMember").Exists()) {
		if err := c.take(o, when); err != nil {
			return err
		}
	}
	for part := range o.Each("component") {
		if asked || c.asked(part.Child("code")) {
			if err := c.take(part, when); err != nil {
				return err
			}
		}
	}
	if !asked {
		return nil
	}
	for _, tree := range members {
		if tree.Root().TextOf("status") == "entered-in-error" || c.asked(tree.Root().Child("code")) {
			continue // what was asked for by itself is a match by itself
		}
		if err := c.take(tree.Root(), effectiveTime(tree.Root())); err != nil {
			return err
		}
	}
	return nil
}

// asked reports whether a code is one that the call names.
func (c *collecting) asked(code fhir.Node) bool {
	for coding := range code.Each("coding") {
		plain := search.EscapeValue(coding.TextOf("code"))
		if slices.Contains(c.stats.codings, plain) || slices.Contains(c.stats.codings, search.EscapeValue(coding.TextOf("system"))+"|"+plain) {
			return true
		}
	}
	return false
}

// take adds the value of an observation or component to its code's group.
func (c *collecting) take(n fhir.Node, when time.Time) error {
	g := c.group(n.Child("code"))
	g.seen++
	value := n.Child("value")
	if value.Type() == nil || value.Type().Name != "Quantity" || value.TextOf("comparator") != "" || n.Child("modifierExtension").Exists() {
		return nil
	}
	d, err := fhir.ParseDecimal(value.TextOf("value"))
	if err != nil || math.Abs(asFloat(d)) > 1e60 {
		return nil
	}
	u := unitOf(value)
	if len(g.values) == 0 {
		g.statsUnit = u
	}
	d, ok := u.convert(d, g.statsUnit)
	if !ok {
		return fhir.Errorf(fhir.KindUnprocessable, "the values of %s are in %q and %q, which cannot be converted into one another, so that they have no common statistics; narrow the request by period", codeText(g.code), cmp.Or(g.unitCode, g.unit), cmp.Or(u.unitCode, u.unit))
	}
	g.add(d, when)
	return nil
}

// group is the group of a code, by its first coding or its text.
func (c *collecting) group(code fhir.Node) *statsGroup {
	key := "text " + code.TextOf("text")
	for coding := range code.Each("coding") {
		key = coding.TextOf("system") + "|" + coding.TextOf("code")
		break
	}
	g := c.groups[key]
	if g == nil {
		g = &statsGroup{code: code}
		c.groups[key] = g
		c.order = append(c.order, g)
	}
	return g
}

// codeText names a code in a message.
func codeText(code fhir.Node) string {
	for coding := range code.Each("coding") {
		return coding.TextOf("system") + "|" + coding.TextOf("code")
	}
	return strconv.Quote(code.TextOf("text"))
}

// effectiveTime is when an observation was made, zero where it does not say.
func effectiveTime(o fhir.Node) time.Time {
	n := o.Child("effective")
	text := n.Text()
	if n.Type() != nil && n.Type().Name == "Period" {
		text = n.TextOf("start")
	}
	when, err := parsePeriod(search.Pair{Value: text})
	if err != nil {
		return time.Time{}
	}
	return when.from
}

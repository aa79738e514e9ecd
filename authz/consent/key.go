package consent

import (
	"fmt"
	"strings"
)

// write adds what makes a rule what it is, so that two rules with the same text
// are the same.
func (p *provision) write(b *strings.Builder) {
	fmt.Fprintf(b, "(%s %d %d %t %q %q", p.decision, p.start.UnixNano(), p.end.UnixNano(), p.unknown, p.from, p.to)
	for _, a := range p.actors {
		fmt.Fprintf(b, " a%q,%q,%t,%t", a.ref, a.identifier, a.author, a.unknown)
	}
	for tag, list := range [...][]string{p.actions, p.labels, p.purposes, p.classes, p.codes} {
		for _, s := range list {
			fmt.Fprintf(b, " %d%q", tag, s)
		}
	}
	for _, d := range p.data {
		fmt.Fprintf(b, " d%q", []string{d.meaning, d.resourceType, d.id})
	}
	for _, sub := range p.nested {
		sub.write(b)
	}
	b.WriteByte(')')
}

package rest

import (
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// refuseDependent keeps an error in each entry of a batch that refers to another
// one by its fullUrl, a URN: only in a transaction does that become the reference
// to what the other entry makes.
// http://hl7.org/fhir/R4/http.html#brules
func refuseDependent(entries []*entry) {
	named := map[string]bool{}
	for _, e := range entries {
		if strings.HasPrefix(e.fullURL, "urn:") {
			named[e.fullURL] = true
		}
	}
	if len(named) == 0 {
		return
	}
	for _, e := range entries {
		if e.err == nil && e.req.operation == "" && e.req.tree != nil {
			e.err = e.dependence(e.req.tree.Root(), named)
		}
	}
}

// dependence is the error for the first reference below a node to another entry.
// What a Bundle inside refers to is among its own entries.
// http://hl7.org/fhir/R4/bundle.html#references
func (e *entry) dependence(n fhir.Node, named map[string]bool) error {
	switch n.Type().Name {
	case "Bundle":
		return nil
	case "Reference":
		to := n.Child("reference")
		if text := to.View(); named[text] && text != e.fullURL {
			return fhir.Errorf(fhir.KindInvalid, "the reference %q is the fullUrl of another entry, and entries of a batch cannot depend on each other; send a Bundle of type transaction", text).At(to.Path())
		}
	}
	for c := n.First(); c.Exists(); c = c.Next() {
		if c.IsPrimitive() {
			continue
		}
		if err := e.dependence(c, named); err != nil {
			return err
		}
	}
	return nil
}

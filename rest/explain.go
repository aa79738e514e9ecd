package rest

import (
	"fmt"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// The header and the parameter that ask how a search was answered.
const (
	explainHeader = "X-Explain"
	explainParam  = "_explain"
)

// takeExplain takes the wish for an explanation out of a query.
func (r *request) takeExplain(pairs []search.Pair) (rest []search.Pair, explain bool, err error) {
	explain, err = parseExplain(explainHeader, r.header.Get(explainHeader))
	for _, p := range pairs {
		if p.Name != explainParam || err != nil {
			continue
		}
		var asked bool
		asked, err = parseExplain(explainParam, p.Value)
		explain = explain || asked
	}
	return without(pairs, explainParam), explain, err
}

func parseExplain(name, value string) (bool, error) {
	switch value {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, invalidParameter(name, "%q is neither true nor false", value)
}

// explanation are the steps of a search as issues, one for each.
func explanation(steps []store.Step) []fhir.Issue {
	issues := make([]fhir.Issue, len(steps))
	for i := range steps {
		issues[i] = fhir.Issue{Severity: fhir.SeverityInformation, Code: "informational", Diagnostics: stepText(&steps[i])}
	}
	return issues
}

// stepText is a step on one line. Dots show its depth: leading spaces do not
// survive in XML.
func stepText(s *store.Step) string {
	return fmt.Sprintf("%s%s: %s; matches %d, keys %d, %d µs",
		strings.Repeat(". ", s.Depth), s.What, s.How, s.Matches, s.Keys, s.Took.Microseconds())
}

// explain writes how the search was answered as the first entry, where asked
// for.
func (p *searchPage) explain(b *bundleWriter, result store.Result) error {
	if len(result.Explanation) == 0 {
		return nil
	}
	return b.outcomeEntry(explanation(result.Explanation))
}

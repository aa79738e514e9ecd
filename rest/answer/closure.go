package answer

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/closure"
)

// Matches are the answer of $find-matches.
// http://hl7.org/fhir/R4/codesystem-operation-find-matches.html
func Matches(found []terminology.Match) []Parameter {
	var all []Parameter
	for _, m := range found {
		p := Parameter{Name: "match"}
		p.Add(Parameter{Name: "code", Coding: AsCoding(m.Coding)})
		for _, w := range m.Unmatched {
			o := Parameter{Name: "unmatched"}
			o.Add(Parameter{Name: "code", Code: w.Property}, Parameter{Name: "value", String: w.Value})
			p.Add(o)
		}
		all = append(all, p)
	}
	return all
}

// closureMap is the ConceptMap that $closure answers with.
type closureMap struct {
	ResourceType string         `json:"resourceType"`
	ID           string         `json:"id,omitempty"`
	Version      string         `json:"version"`
	Name         string         `json:"name"`
	Status       string         `json:"status"`
	Experimental bool           `json:"experimental"`
	Date         string         `json:"date"`
	Group        []closureGroup `json:"group,omitempty"`
}

type closureGroup struct {
	Source  string           `json:"source"`
	Target  string           `json:"target"`
	Element []closureElement `json:"element"`
}

type closureElement struct {
	Code   string          `json:"code"`
	Target []closureTarget `json:"target"`
}

type closureTarget struct {
	Code        string `json:"code"`
	Equivalence string `json:"equivalence"`
}

// Closure is the answer of $closure: each element is a concept, and its targets
// are concepts of the table that subsume it.
// http://hl7.org/fhir/R4/conceptmap-operation-closure.html
func Closure(name string, c closure.Changes, date string) ([]byte, error) {
	out := closureMap{
		ResourceType: "ConceptMap", Version: strconv.Itoa(c.Version), Name: name, Status: "active", Experimental: true, Date: date,
	}
	slices.SortStableFunc(c.Links, func(a, b closure.Link) int {
		return strings.Compare(a.Descendant.System+" "+a.Descendant.Code, b.Descendant.System+" "+b.Descendant.Code)
	})
	for _, l := range c.Links {
		system := l.Descendant.System
		if n := len(out.Group); n == 0 || out.Group[n-1].Source != system {
			out.Group = append(out.Group, closureGroup{Source: system, Target: system})
		}
		g := &out.Group[len(out.Group)-1]
		if n := len(g.Element); n == 0 || g.Element[n-1].Code != l.Descendant.Code {
			g.Element = append(g.Element, closureElement{Code: l.Descendant.Code})
		}
		e := &g.Element[len(g.Element)-1]
		e.Target = append(e.Target, closureTarget{l.Ancestor.Code, "subsumes"})
	}
	return json.Marshal(out)
}

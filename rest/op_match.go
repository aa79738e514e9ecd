package rest

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// matchOperation is Patient/$match: which patients a description may mean.
// Candidates are found by identifier, by telecom, by birth date, and by family
// and given name; each is then scored by matchWeights.
// http://hl7.org/fhir/R4/patient-operation-match.html
func matchOperation() operation {
	return operation{
		code: "match", on: []string{"Patient"}, levels: []level{levelType},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			if err := in.only("resource", "onlyCertainMatches", "count"); err != nil {
				return err
			}
			asked := in.resource("resource")
			if asked == nil || asked.Root().Type().Name != "Patient" {
				return fhir.Errorf(fhir.KindInvalid, "$match needs the parameter resource, a Patient")
			}
			onlyCertain, err := in.flag("onlyCertainMatches")
			if err != nil {
				return err
			}
			count, err := in.number("count", 10, 100)
			if err != nil {
				return err
			}
			found, err := r.match(asked.Root())
			if err != nil {
				return err
			}
			return r.writeMatches(w, found, onlyCertain, count)
		},
	}
}

// matchWeights are the points of each feature that two patients share, and
// against them where they differ. The score is their sum through matchFull,
// from 0 to 1.
var matchWeights = struct {
	identifier, birthDate, birthDateNear, family, familyNear, given, givenNear, telecom, postalCode, line, gender int
	otherBirthDate, otherGender                                                                                   int
}{
	identifier: 60, birthDate: 20, birthDateNear: 8, family: 15, familyNear: 7, given: 10, givenNear: 4,
	telecom: 12, postalCode: 5, line: 4, gender: 3,
	otherBirthDate: -20, otherGender: -8,
}

// matchFull is how many points make a certain match, and the least scores of
// the grades.
const (
	matchFull     = 60
	gradeCertain  = 0.95
	gradeProbable = 0.6
	gradePossible = 0.3
)

// candidatesPerQuery is how many patients each way of finding them adds at most.
const candidatesPerQuery = 500

type scored struct {
	version store.Version
	score   float64
}

func (s *scored) grade() string {
	switch {
	case s.score >= gradeCertain:
		return "certain"
	case s.score >= gradeProbable:
		return "probable"
	}
	return "possible"
}

// match scores every candidate, the best first.
func (r *request) match(asked fhir.Node) ([]scored, error) {
	view, done, err := r.openView(0)
	if err != nil {
		return nil, err
	}
	defer done()
	var found []scored
	seen := map[string]bool{}
	for _, pairs := range candidateQueries(asked) {
		versions, err := r.candidates(view, pairs)
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			if seen[v.ID] {
				continue
			}
			seen[v.ID] = true
			tree, err := r.store.Read(v)
			if err != nil {
				return nil, err
			}
			if s := (scored{v, matchScore(asked, tree.Root())}); s.score >= gradePossible {
				found = append(found, s)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	return found, nil
}

// candidates finds patients by a query. Values that cannot be searched for,
// such as an incomplete birth date, find nobody.
func (r *request) candidates(view *datastore.View, pairs []search.Pair) ([]store.Version, error) {
	query, err := r.parseSearch([]string{"Patient"}, pairs, search.Options{})
	if err != nil {
		if fhir.KindOf(err) == fhir.KindInvalid {
			return nil, nil
		}
		return nil, err
	}
	result, err := view.Search(r.ctx, query, store.Page{Limit: candidatesPerQuery})
	if err != nil {
		return nil, err
	}
	var versions []store.Version
	for v, err := range result.Matches {
		if err != nil {
			return nil, err
		}
		versions = append(versions, v)
	}
	return versions, nil
}

// candidateQueries are the searches that find candidates.
func candidateQueries(asked fhir.Node) [][]search.Pair {
	var queries [][]search.Pair
	values := func(name string, all []string) (search.Pair, bool) {
		var escaped []string
		for _, v := range all {
			escaped = append(escaped, search.EscapeValue(v))
		}
		return search.Pair{Name: name, Value: strings.Join(escaped, ",")}, len(all) > 0
	}
	var identifiers []string
	for n := range asked.Each("identifier") {
		if v := n.TextOf("value"); v != "" {
			identifiers = append(identifiers, search.EscapeValue(n.TextOf("system"))+"|"+search.EscapeValue(v))
		}
	}
	if len(identifiers) > 0 {
		queries = append(queries, []search.Pair{{Name: "identifier", Value: strings.Join(identifiers, ",")}})
	}
	if p, ok := values("telecom", texts(asked, "telecom", "value")); ok {
		queries = append(queries, []search.Pair{p})
	}
	if p, ok := values("birthdate", texts(asked, "birthDate")); ok {
		queries = append(queries, []search.Pair{p})
	}
	family, hasFamily := values("family", texts(asked, "name", "family"))
	given, hasGiven := values("given", beginnings(texts(asked, "name", "given")))
	if hasFamily && hasGiven {
		queries = append(queries, []search.Pair{family, given})
	}
	return queries
}

// beginnings cuts names short, so that "Anna" finds "Ann".
func beginnings(names []string) []string {
	short := make([]string, len(names))
	for i, name := range names {
		letters := []rune(strings.TrimSpace(name))
		short[i] = string(letters[:min(3, len(letters))])
	}
	return short
}

// texts are the values at a path of element names.
func texts(n fhir.Node, path ...string) []string {
	if len(path) == 0 {
		if t := n.Text(); t != "" {
			return []string{t}
		}
		return nil
	}
	var all []string
	for c := range n.Each(path[0]) {
		all = append(all, texts(c, path[1:]...)...)
	}
	return all
}

// matchScore compares two patients.
func matchScore(asked, there fhir.Node) float64 {
	w, points := &matchWeights, 0
	if sharesIdentifier(asked, there) {
		points += w.identifier
	}
	points += birthDatePoints(asked.TextOf("birthDate"), there.TextOf("birthDate"))
	points += namePoints(texts(asked, "name", "family"), texts(there, "name", "family"), w.family, w.familyNear)
	points += namePoints(texts(asked, "name", "given"), texts(there, "name", "given"), w.given, w.givenNear)
	points += shared(texts(asked, "telecom", "value"), texts(there, "telecom", "value"), compact, w.telecom)
	points += shared(texts(asked, "address", "postalCode"), texts(there, "address", "postalCode"), compact, w.postalCode)
	points += shared(texts(asked, "address", "line"), texts(there, "address", "line"), fold, w.line)
	if a, b := asked.TextOf("gender"), there.TextOf("gender"); a != "" && b != "" {
		if a == b {
			points += w.gender
		} else {
			points += w.otherGender
		}
	}
	score := math.Min(1, math.Max(0, float64(points)/matchFull))
	return math.Round(score*1000) / 1000
}

func sharesIdentifier(a, b fhir.Node) bool {
	for x := range a.Each("identifier") {
		for y := range b.Each("identifier") {
			if v := x.TextOf("value"); v != "" && v == y.TextOf("value") && x.TextOf("system") == y.TextOf("system") {
				return true
			}
		}
	}
	return false
}

// birthDatePoints counts a date with one part wrong, or with day and month
// exchanged, as near.
func birthDatePoints(a, b string) int {
	x, y := strings.Split(a, "-"), strings.Split(b, "-")
	switch {
	case a == "" || b == "":
		return 0
	case a == b:
		return matchWeights.birthDate
	case len(x) != 3 || len(y) != 3:
		if strings.HasPrefix(a, b) || strings.HasPrefix(b, a) {
			return matchWeights.birthDateNear
		}
		return matchWeights.otherBirthDate
	}
	equal := 0
	for i := range x {
		if x[i] == y[i] {
			equal++
		}
	}
	if equal == 2 || x[0] == y[0] && x[1] == y[2] && x[2] == y[1] {
		return matchWeights.birthDateNear
	}
	return matchWeights.otherBirthDate
}

// namePoints is for the best pair of names: the same, or one an initial or the
// beginning of the other, or one letter apart.
func namePoints(a, b []string, full, near int) int {
	best := 0
	for _, x := range a {
		for _, y := range b {
			x, y := fold(x), fold(y)
			switch {
			case x == y:
				return full
			case strings.HasPrefix(x, y), strings.HasPrefix(y, x), len(x) > 3 && len(x) < 64 && len(y) < 64 && fhir.EditDistance(x, y) == 1:
				best = near
			}
		}
	}
	return best
}

func shared(a, b []string, form func(string) string, points int) int {
	for _, x := range a {
		for _, y := range b {
			if form(x) == form(y) {
				return points
			}
		}
	}
	return 0
}

// fold takes case, accents and outer spaces out of a text.
func fold(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.Is(unicode.Mn, c) {
			return -1
		}
		return unicode.ToLower(c)
	}, norm.NFD.String(strings.TrimSpace(s)))
}

// compact leaves only letters, digits, + and @: "(555) 010-1" is "5550101".
func compact(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) || c == '+' || c == '@' {
			return c
		}
		return -1
	}, fold(s))
}

// writeMatches answers with the matches and, where only a certain one is
// wanted but several are certain, with nothing and the reason.
func (r *request) writeMatches(w http.ResponseWriter, found []scored, onlyCertain bool, count int) error {
	var warnings []fhir.Issue
	if onlyCertain {
		found = slices.DeleteFunc(found, func(s scored) bool { return s.grade() != "certain" })
		if len(found) > 1 {
			warnings = []fhir.Issue{{Severity: fhir.SeverityWarning, Code: "multiple-matches", Diagnostics: strconv.Itoa(len(found)) + " patients match with certainty, so that none is given; ask without onlyCertainMatches to see them"}}
			found = nil
		}
	}
	found = found[:min(count, len(found))]
	b := r.newBundle(w, "searchset")
	defer b.free()
	b.total(len(found))
	for i := range found {
		b.beginEntry()
		b.fullURL(&found[i].version)
		b.buf = append(b.buf, `"resource":`...)
		b.buf = append(b.buf, representation(&found[i].version)...)
		b.buf = append(b.buf, `,"search":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/match-grade","valueCode":"`+found[i].grade()+`"}],"mode":"match","score":`...)
		b.buf = append(strconv.AppendFloat(b.buf, found[i].score, 'f', -1, 64), '}')
		if err := b.endEntry(); err != nil {
			return err
		}
	}
	if len(warnings) > 0 {
		if err := b.outcomeEntry(warnings); err != nil {
			return err
		}
	}
	b.endEntries()
	return b.close()
}

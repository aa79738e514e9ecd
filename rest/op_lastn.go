package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// lastnOperation is Observation/$lastn: of the observations that a search
// finds, the newest max of each code. Two observations have the same code
// where they share a coding or, without codings, the text.
// http://hl7.org/fhir/R4/observation-operation-lastn.html
func lastnOperation() operation {
	return operation{
		code: "lastn", on: []string{"Observation"}, levels: []level{levelType},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			most, err := in.number("max", 1, 1000)
			if err != nil {
				return err
			}
			query, err := r.lastnQuery(in)
			if err != nil {
				return err
			}
			found, err := r.lastn(query, most)
			if err != nil {
				return err
			}
			b := r.newBundle(w, "searchset")
			defer b.free()
			b.total(len(found))
			b.links(bundleLink{"self", r.link("Observation/$lastn", in.pairs)})
			for i := range found {
				if err := b.searchEntry(&found[i], "match", nil); err != nil {
					return err
				}
			}
			if len(query.Warnings) > 0 {
				if err := b.outcomeEntry(query.Warnings); err != nil {
					return err
				}
			}
			b.endEntries()
			return b.close()
		},
	}
}

// lastnQuery reads the search of $lastn, the newest first. It must be about
// somebody and about some kind of observation.
func (r *request) lastnQuery(in *arguments) (*search.Query, error) {
	pairs := without(in.pairs, "max")
	given := map[string]bool{}
	for _, p := range pairs {
		name, _, _ := strings.Cut(p.Name, ":")
		name, _, _ = strings.Cut(name, ".")
		given[name] = p.Value != ""
		if slices.Contains([]string{"_count", "_sort", "_total", "_include", "_revinclude", "_summary", "_elements"}, name) {
			return nil, fhir.Errorf(fhir.KindInvalid, "$lastn has no parameter %s: it answers with everything that it finds, the newest first", name).At("http." + p.Name)
		}
	}
	if !given["patient"] && !given["subject"] {
		return nil, fhir.Errorf(fhir.KindInvalid, "$lastn needs the parameter patient or subject")
	}
	if !given["code"] && !given["category"] {
		return nil, fhir.Errorf(fhir.KindInvalid, "$lastn needs the parameter category or code")
	}
	pairs = append(slices.Clip(pairs), search.Pair{Name: "_sort", Value: "-date"})
	return r.parseSearch([]string{"Observation"}, pairs, search.Options{Lenient: r.prefer.lenient})
}

// lastnMost is how many observations one call looks through.
const lastnMost = 100_000

func (r *request) lastn(query *search.Query, most int) ([]store.Version, error) {
	view, done, err := r.openView(0)
	if err != nil {
		return nil, err
	}
	defer done()
	var found []store.Version
	groups := codeGroups{count: []int{}, of: map[string]int{}}
	page := store.Page{Limit: search.MaxCount}
	for looked := 0; ; looked += page.Limit {
		if looked >= lastnMost {
			return nil, fhir.Errorf(fhir.KindTooCostly, "$lastn looks through %d observations at most; narrow the search, for example by date", lastnMost)
		}
		result, err := view.Search(r.ctx, query, page)
		if err != nil {
			return nil, err
		}
		for v, err := range result.Matches {
			if err != nil {
				return nil, err
			}
			tree, err := r.store.Read(v)
			if err != nil {
				return nil, err
			}
			if groups.add(tree.Root().Child("code")) <= most {
				found = append(found, v)
			}
		}
		if page.After = result.Next; page.After == nil {
			return found, nil
		}
	}
}

// codeGroups counts what there is of each code.
type codeGroups struct {
	of    map[string]int // by coding: index in count
	count []int
}

// add counts one more of a code and returns how many there are now.
func (g *codeGroups) add(code fhir.Node) int {
	var keys []string
	for c := range code.Each("coding") {
		keys = append(keys, c.TextOf("system")+"|"+c.TextOf("code"))
	}
	if keys == nil {
		keys = []string{code.TextOf("text")}
	}
	group := -1
	for _, k := range keys {
		if i, ok := g.of[k]; ok {
			group = i
			break
		}
	}
	if group < 0 {
		group = len(g.count)
		g.count = append(g.count, 0)
	}
	for _, k := range keys {
		if _, ok := g.of[k]; !ok {
			g.of[k] = group
		}
	}
	g.count[group]++
	return g.count[group]
}

package graphql

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// list answers PatientList: every match, or an error where there are too many.
// http://hl7.org/fhir/R4/graphql.html#searching
func (x *execution) list(t thing, u *use) ([]item, error) {
	view, pairs, err := x.pairs(t, u)
	if err != nil {
		return nil, err
	}
	q, err := x.parseSearch(u.resource.Name, pairs)
	if err != nil {
		return nil, err
	}
	if err := x.request(); err != nil {
		return nil, err
	}
	_, paged := u.args[argumentCount]
	if paged && q.Count == 0 {
		return nil, nil
	}
	page := store.Page{Limit: x.Limits.Resources - x.resources + 1}
	if paged {
		page.Limit = min(page.Limit, q.Count)
	}
	result, err := view.Search(x.ctx, q, page)
	if err != nil {
		return nil, err
	}
	if err := x.read(result.Len); err != nil {
		return nil, err
	}
	return x.matches(view, result, u)
}

// matches is the resources of a search's result, those for which the argument
// fhirpath holds.
func (x *execution) matches(view *datastore.View, result store.Result, u *use) ([]item, error) {
	var items []item
	for v, err := range result.Matches {
		if err != nil {
			return nil, err
		}
		tree, err := x.ds.Read(v)
		if err != nil {
			return nil, err
		}
		root := tree.Root()
		if u.where != nil {
			if ok, err := x.holds(u.where, root); err != nil {
				return nil, err
			} else if !ok {
				continue
			}
		}
		items = append(items, item{thing: element{node: root, resource: root, view: view, id: v.ID}, typ: v.Type})
	}
	return items, nil
}

func (x *execution) parseSearch(resourceType string, pairs []search.Pair) (*search.Query, error) {
	now := x.Now
	return x.view.Query(x.ctx, []string{resourceType}, pairs, search.Options{Now: func() time.Time { return now }})
}

// pairs is the search that a field's arguments ask for, and the view to
// search: below a resource that resource's.
func (x *execution) pairs(t thing, u *use) (*datastore.View, []search.Pair, error) {
	var pairs []search.Pair
	for _, name := range argumentNames(u.args) {
		if a := u.args[name]; len(a.texts) > 0 && (a.kind == argParam || a.kind == argResult) {
			pairs = append(pairs, search.Pair{Name: a.code, Value: a.parameter()})
		}
	}
	for _, name := range []string{argumentFirst, argumentCount} {
		if a, ok := u.args[name]; ok {
			pairs = append(pairs, search.Pair{Name: argumentCount, Value: strconv.Itoa(a.number())})
			break
		}
	}
	if !u.reverse {
		return x.view, pairs, nil
	}
	e, _ := t.(element)
	if e.id == "" {
		return nil, nil, fhir.Errorf(fhir.KindInvalid, "%s is for resources that are stored by themselves; this one is inside another", u.name)
	}
	self := search.Pair{Name: x.schema.reverseCode(u.selected, e.node.Type()), Value: e.node.Type().Name + "/" + e.id}
	return e.view, append([]search.Pair{self}, pairs...), nil
}

// reverseCode is the search parameter that _reference names, "" where it is
// none for references to the target.
// http://hl7.org/fhir/R4/graphql.html#reverse
func (s *schema) reverseCode(u *selected, target *fhir.Type) string {
	name := u.args[argumentReference].text()
	for _, code := range s.references(u.resource, target) {
		if code == name || strings.ReplaceAll(code, "-", "_") == name {
			return code
		}
	}
	return ""
}

func argumentNames(args map[string]given) []string {
	var names []string
	for name := range args {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// parameter is the value of a search parameter. The items of a list are
// alternatives; a comma in one of them is text.
func (g given) parameter() string {
	if g.kind == argResult {
		return strings.Join(g.texts, ",")
	}
	escaped := make([]string, len(g.texts))
	for i, text := range g.texts {
		escaped[i] = escapeCommas(text)
	}
	return strings.Join(escaped, ",")
}

// escapeCommas escapes the commas of a search value that are not escaped.
func escapeCommas(text string) string {
	if !strings.Contains(text, ",") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			b.WriteByte(text[i])
			i++
		case text[i] == ',':
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

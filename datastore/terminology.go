package datastore

import (
	"context"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A terminology looks up the value sets and code systems that a query names
// among the resources that the caller may read.
type terminology struct {
	ctx    context.Context
	store  *Store
	access authz.Access
	view   *View // opened at the first look
}

func (t *terminology) close() {
	if t.view != nil {
		t.view.Close()
	}
}

// find is the resource of a type that a URL, a URL with "|version" or a
// reference names; nil where there is none. Of several with one URL it is the
// one that was written last, an active one before others.
func (t *terminology) find(resourceType, url string) (*fhir.Tree, error) {
	if t.view == nil {
		view, err := t.store.View(t.ctx, t.access, 0)
		if err != nil {
			return nil, err
		}
		t.view = view
	}
	if ref := fhir.ParseReference(url, t.store.base); ref.Kind == fhir.RefRelative && ref.Type == resourceType {
		v, err := t.view.Read(t.ctx, ref.Type, ref.ID)
		switch fhir.KindOf(err) {
		case fhir.KindNotFound, fhir.KindGone:
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return t.store.Read(v)
	}
	return t.byURL(resourceType, url)
}

// maxSameURL is how many resources with one canonical URL are looked at.
const maxSameURL = 100

func (t *terminology) byURL(resourceType, url string) (*fhir.Tree, error) {
	url, version, _ := strings.Cut(url, "|")
	pairs := []search.Pair{{Name: "url", Value: escapeValue(url)}, {Name: "_sort", Value: "-_lastUpdated"}}
	if version != "" {
		pairs = append(pairs, search.Pair{Name: "version", Value: escapeValue(version)})
	}
	q, err := t.store.params.base.Parse([]string{resourceType}, pairs, search.Options{Base: t.store.base})
	if err != nil {
		return nil, err
	}
	r, err := t.view.Search(t.ctx, q, store.Page{Limit: maxSameURL})
	if err != nil {
		return nil, err
	}
	var found *fhir.Tree
	for v, err := range r.Matches {
		if err != nil {
			return nil, storeError(err)
		}
		tree, err := t.store.Read(v)
		if err != nil {
			return nil, err
		}
		if tree.Root().TextOf("status") == "active" {
			return tree, nil
		}
		if found == nil {
			found = tree
		}
	}
	return found, nil
}

// escapeValue makes a text one search value.
func escapeValue(text string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`).Replace(text)
}

// maxImports bounds how deep value sets import each other.
const maxImports = 10

// valueSet makes the codes of a value set: of the definitions, or of what is
// stored. It is nil where there is none.
// http://hl7.org/fhir/R4/valueset.html#compositions
func (t *terminology) valueSet(url string, depth int) (*definition.ValueSet, error) {
	if set := t.store.Definitions().ValueSet(url); set != nil {
		return set, nil
	}
	if depth > maxImports {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the value set %s is imported at a depth of more than %d: value sets that import each other cannot be expanded", url, maxImports)
	}
	tree, err := t.find("ValueSet", url)
	if err != nil || tree == nil {
		return nil, err
	}
	x := &expander{terminology: t, url: url, depth: depth}
	set, err := x.expand(tree.Root())
	if err != nil {
		return nil, err
	}
	set.URL = url
	return set, nil
}

// An expander makes the codes of one stored value set.
type expander struct {
	*terminology
	url   string
	depth int
}

func (x *expander) expand(root fhir.Node) (*definition.ValueSet, error) {
	set := &definition.ValueSet{Codes: map[string]map[string]bool{}}
	compose := root.Child("compose")
	if !compose.Exists() {
		if expansion := root.Child("expansion"); expansion.Exists() {
			contained(set, expansion)
			return set, nil
		}
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the value set %s has neither compose nor expansion: its codes are not known", x.url)
	}
	for n := range compose.Each("include") {
		part, err := x.part(n)
		if err != nil {
			return nil, err
		}
		join(set, part)
	}
	for n := range compose.Each("exclude") {
		part, err := x.part(n)
		if err != nil {
			return nil, err
		}
		subtract(set, part)
	}
	return set, nil
}

// contained adds the codes of an expansion; those that are abstract cannot be
// in data.
func contained(set *definition.ValueSet, n fhir.Node) {
	for c := range n.Each("contains") {
		if code := c.TextOf("code"); code != "" && c.TextOf("abstract") != "true" {
			add(set, c.TextOf("system"), code)
		}
		contained(set, c)
	}
}

func add(set *definition.ValueSet, system, code string) {
	if set.Codes[system] == nil {
		set.Codes[system] = map[string]bool{}
	}
	set.Codes[system][code] = true
}

func join(set, more *definition.ValueSet) {
	for system, codes := range more.Codes {
		for code := range codes {
			add(set, system, code)
		}
	}
	for _, system := range more.Open {
		if !slices.Contains(set.Open, system) {
			set.Open = append(set.Open, system)
		}
	}
}

func subtract(set, less *definition.ValueSet) {
	for system, codes := range less.Codes {
		for code := range codes {
			delete(set.Codes[system], code)
		}
	}
	set.Open = slices.DeleteFunc(set.Open, func(s string) bool { return slices.Contains(less.Open, s) })
}

// part makes the codes of one include or exclude: what it says of a system,
// as far as it is in each of the value sets that it names.
func (x *expander) part(n fhir.Node) (*definition.ValueSet, error) {
	var set *definition.ValueSet
	if system := n.TextOf("system"); system != "" {
		var err error
		if set, err = x.ofSystem(n, system); err != nil {
			return nil, err
		}
	}
	for c := range n.Each("valueSet") {
		other, err := x.valueSet(c.Text(), x.depth+1)
		switch {
		case err != nil:
			return nil, err
		case other == nil:
			return nil, fhir.Errorf(fhir.KindUnprocessable, "the value set %s imports %s, which is not known", x.url, c.Text())
		case len(other.Open) > 0:
			return nil, fhir.Errorf(fhir.KindUnprocessable, "the value set %s imports %s, of which not all codes are known", x.url, c.Text())
		case set == nil:
			set = &definition.ValueSet{Codes: map[string]map[string]bool{}}
			join(set, other)
		default:
			intersect(set, other)
		}
	}
	if set == nil {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the value set %s includes neither a system nor a value set", x.url)
	}
	return set, nil
}

func intersect(set, other *definition.ValueSet) {
	for system, codes := range set.Codes {
		for code := range codes {
			if !other.Codes[system][code] {
				delete(codes, code)
			}
		}
	}
}

// ofSystem makes the codes that are taken from one code system: those listed,
// those that pass the filters, or all.
func (x *expander) ofSystem(n fhir.Node, system string) (*definition.ValueSet, error) {
	set := &definition.ValueSet{Codes: map[string]map[string]bool{system: {}}}
	if n.Child("concept").Exists() {
		for c := range n.Each("concept") {
			set.Codes[system][c.TextOf("code")] = true
		}
		return set, nil
	}
	url := system
	if version := n.TextOf("version"); version != "" {
		url += "|" + version
	}
	tree, err := x.find("CodeSystem", url)
	if err != nil {
		return nil, err
	}
	if tree == nil || tree.Root().TextOf("content") != "complete" {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the codes of the value set %s are not known: it takes codes from %s by rule, and there is no CodeSystem resource with all of that system's codes (content = complete)", x.url, url)
	}
	concepts := conceptsOf(tree.Root())
	for c := range n.Each("filter") {
		if err := x.filter(concepts, c); err != nil {
			return nil, err
		}
	}
	for _, c := range concepts {
		if !c.out {
			set.Codes[system][c.code] = true
		}
	}
	return set, nil
}

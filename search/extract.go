package search

import (
	"bytes"
	"cmp"
	"slices"
	"sync"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/search/compare"
	"github.com/tarnhealth/tarn/search/literal"
	"github.com/tarnhealth/tarn/search/need"
)

// An indexer collects the keys of one resource. Kinds append a key to keys and
// call end.
type indexer struct {
	registry *Registry
	base     string
	// param is the parameter being indexed.
	param *Param
	// part is set for the components of a composite, where a kind gives only
	// its one form that holds the whole value.
	part bool

	keys  []byte
	start uint32 // where the key being appended begins
	spans []keySpan
	nodes []fhir.Node // what expressions select, reused
	sub   *indexer    // for composites
	// found are the parameters that the resource has a value for, and some is
	// set where the one being indexed has a value that gives no key.
	found []*Param
	some  bool
	err   error
}

// keySpan is one key's place in indexer.keys, and its parameter's ordinal.
type keySpan struct{ param, start, end uint32 }

func (x *indexer) reset(base string) {
	x.base, x.err = base, nil
	x.keys, x.spans, x.start, x.found = x.keys[:0], x.spans[:0], 0, x.found[:0]
}

// end ends the key that was appended since the last one.
func (x *indexer) end() {
	end := uint32(len(x.keys))
	x.spans = append(x.spans, keySpan{uint32(x.param.Ordinal), x.start, end})
	x.start = end
}

func (x *indexer) typeOf(n fhir.Node) valueType {
	t := n.Type()
	if t == nil {
		return valueOther
	}
	return x.registry.valueTypes[t.Index]
}

// values indexes all that an expression selects from a focus.
func (x *indexer) values(expr *fhirpath.Expr, k kind, focus fhir.Node) {
	nodes, err := expr.AppendNodes(x.nodes[:0], focus)
	if err != nil && x.err == nil {
		x.err = err
	}
	x.nodes = nodes
	for _, n := range nodes {
		k.index(x, x.unwrap(n))
	}
}

// unwrap takes the value out of an extension, for the parameters that select
// extensions.
func (x *indexer) unwrap(n fhir.Node) fhir.Node {
	if x.typeOf(n) == valueExtension {
		return n.Child("value")
	}
	return n
}

var indexers = sync.Pool{New: func() any { return new(indexer) }}

// EntriesVersion numbers the ways of making entries. It grows whenever Extract
// gives other entries for the same resource: what an older version stored must
// then be indexed again before it is searched. The key that says that a
// composite was cut off is left out of this: who looks for it knows from when on
// there are such.
const EntriesVersion = 4

// Extract returns every entry of a resource under an id, sorted by parameter
// ordinal, then by key, without duplicates. base is the data store's base URL:
// absolute references below it are indexed as relative ones. The id that the
// tree itself may have is not looked at. A resource that validate accepts
// never fails.
func (r *Registry) Extract(tree *fhir.Tree, id, base string) ([]Entry, error) {
	return r.ExtractTo(nil, tree, id, base)
}

// ExtractTo is Extract with entries that are cut from a block, where that is not
// nil.
func (r *Registry) ExtractTo(b *Block, tree *fhir.Tree, id, base string) ([]Entry, error) {
	root := tree.Root()
	of := r.resources[root.Type().Index]
	if of == nil {
		return nil, fhir.Errorf(fhir.KindInvalid, "%s is not a resource type", root.Type().Name)
	}
	x := indexers.Get().(*indexer)
	defer indexers.Put(x)
	x.registry = r
	x.reset(base)
	present := need.In(root)
	for _, p := range of.params {
		if p.kind != nil && p.mayHaveValues(&present) {
			x.index(p, root)
		}
	}
	x.param = of.typ
	x.end()
	if len(of.custom) == 0 {
		x.presence(of.present)
	}
	for i := range of.marks {
		x.mark(&of.marks[i], id)
	}
	if of.contained != nil {
		x.contained(of.contained, root)
	}
	if len(of.custom) > 0 {
		x.custom(of.custom, root, &present)
		first := len(x.spans)
		x.presence(of.present)
		x.sort(first)
		slices.SortStableFunc(x.spans, func(a, b keySpan) int { return cmp.Compare(a.param, b.param) })
	}
	if x.err != nil {
		return nil, x.err
	}
	return x.entries(b), nil
}

// index adds the entries of one parameter.
func (x *indexer) index(p *Param, root fhir.Node) {
	x.param = p
	x.some = false
	first := len(x.spans)
	switch {
	case p.words:
		x.words(p, root)
	case p.computed:
		x.indexComputed(p, root)
	default:
		x.values(p.expr, p.kind, root)
	}
	if len(x.spans) > first || x.some {
		x.found = append(x.found, p)
	}
	x.sort(first)
}

// presence adds the marks of the parameters that were found. They come in order
// of their codes, those of the data store after the others: most resources of a
// type have one of a few combinations, so that one key for all of those costs a
// third of the entries less than one for each.
func (x *indexer) presence(mark *Param) {
	x.param = mark
	for i, p := range x.found {
		custom := p.Def.Bases != nil
		if i == 0 && !custom {
			x.keys = append(x.keys, 0)
		}
		x.keys = append(x.keys, p.presence...)
		switch {
		case custom:
			x.end()
		case i+1 == len(x.found) || x.found[i+1].Def.Bases != nil:
			x.keys = append(x.keys, 0)
			x.end()
		}
	}
}

func (x *indexer) indexComputed(p *Param, root fhir.Node) {
	items, err := p.expr.Eval(root, fhirpath.Env{})
	if err != nil && x.err == nil {
		x.err = err
	}
	for _, item := range items {
		switch item.Kind() {
		case fhirpath.KindNode:
			p.kind.index(x, x.unwrap(item.Node()))
		case fhirpath.KindReference, fhirpath.KindType, fhirpath.KindQuantity, fhirpath.KindTime:
		default:
			x.computed(p.Def.Type, []byte(item.Text()))
		}
	}
}

// computed adds the keys of a value that an expression made.
func (x *indexer) computed(of definition.ParamType, text []byte) {
	switch of {
	case definition.ParamToken:
		x.token(nil, text)
	case definition.ParamString:
		x.text(text)
	case definition.ParamURI:
		x.uri(text)
	case definition.ParamNumber:
		x.decimal(text)
	case definition.ParamDate:
		if i, ok := compare.ParseInterval(string(text)); ok {
			x.period(i)
		}
	}
}

// sort puts the keys from first on, all of one parameter, in order and leaves
// out duplicates.
func (x *indexer) sort(first int) {
	own := x.spans[first:]
	if len(own) < 2 {
		return
	}
	if len(own) > sortedByInsertion {
		slices.SortFunc(own, func(a, b keySpan) int { return bytes.Compare(x.key(a), x.key(b)) })
		own = slices.CompactFunc(own, func(a, b keySpan) bool { return bytes.Equal(x.key(a), x.key(b)) })
		x.spans = x.spans[:first+len(own)]
		return
	}
	kept := 1
next:
	for _, s := range own[1:] {
		at, key := kept, x.key(s)
		for ; at > 0; at-- {
			order := bytes.Compare(x.key(own[at-1]), key)
			if order == 0 {
				continue next
			}
			if order < 0 {
				break
			}
		}
		copy(own[at+1:kept+1], own[at:kept])
		own[at] = s
		kept++
	}
	x.spans = x.spans[:first+kept]
}

// sortedByInsertion is how many keys are sorted without calls for each two of
// them: nearly every parameter has no more than three.
const sortedByInsertion = 12

func (x *indexer) key(s keySpan) []byte { return x.keys[s.start:s.end] }

// mark adds the compartments of one kind that the resource is in.
func (x *indexer) mark(m *compartmentMark, id string) {
	x.param = m.param
	first := len(x.spans)
	if m.own && id != "" {
		x.keys = append(x.keys, ReferenceKey(m.code, id)...)
		x.end()
	}
	for _, p := range m.by {
		ordinal := uint32(p.Ordinal)
		at, _ := slices.BinarySearchFunc(x.spans[:first], ordinal, func(s keySpan, o uint32) int { return cmp.Compare(s.param, o) })
		for ; at < first && x.spans[at].param == ordinal; at++ {
			key := x.key(x.spans[at])
			if refersTo(key, m.code) {
				x.keys = append(x.keys, key...)
				x.end()
			}
		}
	}
	x.sort(first)
}

// refersTo reports whether a reference's key is that of a resource of a type.
func refersTo(key []byte, resourceType string) bool {
	n := len(resourceType)
	return len(key) > n && key[n] == '/' && string(key[:n]) == resourceType && literal.IsID(key[n+1:len(key)-1])
}

// entries copies what was collected out of the indexer.
func (x *indexer) entries(b *Block) []Entry {
	var size uint32
	for _, s := range x.spans {
		size += s.end - s.start
	}
	entries, arena := b.cut(len(x.spans), int(size))
	for i, s := range x.spans {
		start := len(arena)
		arena = append(arena, x.key(s)...)
		entries[i] = Entry{x.registry.Params[s.param], arena[start:len(arena):len(arena)]}
	}
	return entries
}

// anyValue reports whether f holds for some value of a parameter in the
// candidate's tree. It is for Terms.Recheck.
func (r *Registry) anyValue(c *Candidate, p *Param, f func(x *indexer, n fhir.Node) bool) bool {
	if c.Tree == nil {
		return false
	}
	x := &indexer{registry: r, param: p}
	nodes, err := p.expr.AppendNodes(nil, c.Tree.Root())
	if err != nil {
		return false
	}
	for _, n := range nodes {
		if f(x, x.unwrap(n)) {
			return true
		}
	}
	return false
}

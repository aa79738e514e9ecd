package snapshot

import (
	"encoding/json"
	"maps"
	"strings"
)

// A merger puts a differential over the tree of its base.
type merger struct {
	*generator
	tree *tree
	url  string
	// ids are the ids last seen of paths, for elements without one.
	ids map[string]string
}

// merge takes one element of the differential.
func (m *merger) merge(e element) error {
	id := m.id(e)
	parts := strings.Split(id, ".")
	n := m.tree.root
	for i, part := range parts[1:] {
		next, err := m.down(n, part, strings.Join(parts[:i+1], "."))
		if err != nil {
			return err
		}
		n = next
	}
	n.el.take(e)
	if e["type"] != nil {
		return m.ofProfile(n)
	}
	return nil
}

// ofProfile adds the constraints of the profile that an element's type has.
func (m *merger) ofProfile(n *node) error {
	types := n.el.types()
	if len(types) != 1 || len(types[0].Profile) != 1 {
		return nil
	}
	if of, _, _ := strings.Cut(types[0].Profile[0], "|"); of == m.url { // such as an extension in itself
		return nil
	}
	elements, err := m.elements(types[0].Profile[0])
	if err != nil || len(elements) == 0 || elements[0]["constraint"] == nil {
		return err
	}
	own := n.el["constraint"]
	n.el["constraint"] = joined(elements[0]["constraint"], json.RawMessage("[]"))
	if own != nil {
		n.el["constraint"] = joined(n.el["constraint"], own)
	}
	return nil
}

// id is an element's id; where it has none, that which its path and the slices
// before it make.
func (m *merger) id(e element) string {
	id, path := e.text("id"), e.text("path")
	if id == "" {
		id = path
		if at := strings.LastIndexByte(path, '.'); at >= 0 {
			if parent := m.ids[path[:at]]; parent != "" {
				id = parent + path[at:]
			}
		}
		if name := e.text("sliceName"); name != "" {
			id += ":" + name
		}
	}
	m.ids[path] = id
	return id
}

// down goes to an element inside another; at is where that is.
func (m *merger) down(n *node, part, at string) (*node, error) {
	if err := m.expand(n); err != nil {
		return nil, err
	}
	name, slice, _ := strings.Cut(part, ":")
	c := n.child(name)
	if c == nil {
		choice, code := n.choice(name)
		if choice == nil {
			return nil, unusable(m.url, "its differential is about %s.%s, which %s has not", at, part, at)
		}
		if c = typed(choice, name, code); slice == name {
			slice = ""
		}
	}
	if slice == "" {
		return c, nil
	}
	return m.slice(c, slice), nil
}

// typed is what is said of value[x] where it is of one type: a slice by type. In
// a slice that the differential has made itself, the type is the only one.
func typed(choice *node, name, code string) *node {
	if s := choice.sliceOf(name); s != nil {
		return s
	}
	if choice.fresh || len(choice.el.types()) == 1 && choice.slice == "" && len(choice.slices) == 0 && choice.el["slicing"] == nil && len(choice.children) > 0 {
		choice.el.narrow(code)
		return choice
	}
	if choice.el["slicing"] == nil {
		choice.el["slicing"], choice.implied = byType("open"), true
	}
	s := newSlice(choice, name)
	s.el.narrow(code)
	return s
}

// newSlice makes a slice: it is itself what the base says of what is sliced, and
// inside what is said of that now.
func newSlice(n *node, name string) *node {
	s := n.clone()
	if n.before != nil {
		s.el = maps.Clone(n.before.el)
	}
	s.remember(s.clone())
	s.slices, s.slice = nil, name
	delete(s.el, "slicing")
	s.el.set("min", 0)
	s.freshen()
	n.slices = append(n.slices, s)
	return s
}

// slice finds or makes a slice; a/b is a slice of the slice a.
func (m *merger) slice(n *node, name string) *node {
	if s := n.sliceOf(name); s != nil {
		return s
	}
	if outer, _, again := cutLast(name, "/"); again {
		if of := n.sliceOf(outer); of != nil {
			s := of.clone()
			s.remember(s.clone())
			s.slice = name
			s.el.set("min", 0)
			delete(s.el, "slicing")
			s.freshen()
			n.slices = append(n.slices, s)
			return s
		}
	}
	s := newSlice(n, name)
	if (n.name == "extension" || n.name == "modifierExtension") && n.el["slicing"] == nil {
		n.el["slicing"] = byURL
	}
	if stem, ok := strings.CutSuffix(n.name, "[x]"); ok && strings.HasPrefix(name, stem) {
		for _, t := range n.el.types() {
			if strings.EqualFold(t.Code, name[len(stem):]) {
				s.el.narrow(t.Code)
			}
		}
	}
	return s
}

func cutLast(s, sep string) (before, after string, found bool) {
	if at := strings.LastIndex(s, sep); at >= 0 {
		return s[:at], s[at+len(sep):], true
	}
	return s, "", false
}

// expand gives an element of which nothing inside is said yet what its type has,
// or the element whose content it has.
func (m *merger) expand(n *node) error {
	if len(n.children) > 0 {
		return nil
	}
	if ref := n.el.text("contentReference"); ref != "" {
		return m.expandContent(n, ref)
	}
	canonical := base + "Element"
	if types := n.el.types(); len(types) == 1 {
		if len(types[0].Profile) == 1 {
			elements, err := m.elements(types[0].Profile[0])
			if err != nil {
				return err
			}
			if elements != nil {
				return m.inside(n, elements)
			}
		}
		canonical = base + types[0].Code
	}
	elements, err := m.elements(canonical)
	if err != nil {
		return err
	}
	if elements == nil {
		return unusable(m.url, "its differential goes into %s, and the type %s is not known here", n.name, canonical)
	}
	return m.inside(n, elements)
}

func (m *merger) inside(n *node, elements []element) error {
	if m.made += len(elements); m.made > maxElements {
		return unusable(m.url, "it comes to more than %d elements", maxElements)
	}
	t, err := build(elements)
	if err != nil {
		return unusable(m.url, "of the type of %s, %v", n.name, err)
	}
	n.children = t.root.children
	if n.fresh {
		for _, c := range n.children {
			c.freshen()
		}
	}
	return nil
}

// expandContent copies what is in the element that a contentReference names.
func (m *merger) expandContent(n *node, ref string) error {
	_, id, _ := cutLast(ref, "#")
	of := m.tree.root
	for _, part := range strings.Split(id, ".")[1:] {
		name, _, _ := strings.Cut(part, ":")
		if of = of.child(name); of == nil {
			return unusable(m.url, "%s has the content of %s, which is not there", n.name, id)
		}
	}
	copied := of.clone()
	if copied.children == nil {
		return unusable(m.url, "%s has the content of %s, in which there is nothing", n.name, id)
	}
	n.children = copied.children
	n.el["type"] = of.el["type"]
	delete(n.el, "contentReference")
	if n.fresh {
		for _, c := range n.children {
			c.freshen()
		}
	}
	return nil
}

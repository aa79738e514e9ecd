package snapshot

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// A node is an element with what is inside it and its slices.
type node struct {
	// name is the last part of the path, with [x]; slice the slice's name.
	name, slice string
	el          element
	children    []*node
	slices      []*node
	// fresh is set in slices that the differential has made.
	fresh bool
	// before is the node as it was before the differential; nil where nothing
	// can have changed.
	before *node
	// implied is set where the differential says nothing of how it is sliced.
	implied bool
}

// A tree is the elements of a snapshot.
type tree struct{ root *node }

// build makes a tree of a snapshot's elements.
func build(elements []element) (*tree, error) {
	t := &tree{}
	byID := map[string]*node{}
	for _, e := range elements {
		id := e.text("id")
		if id == "" {
			id = e.text("path")
		}
		at := strings.LastIndexByte(id, '.')
		n := &node{el: maps.Clone(e)}
		n.name, n.slice, _ = strings.Cut(id[at+1:], ":")
		byID[id] = n
		switch {
		case at < 0 && t.root == nil:
			t.root = n
		case at < 0:
			return nil, fmt.Errorf("it has two roots, %s and %s", t.root.name, id)
		case n.slice != "":
			whole := byID[id[:at+1]+n.name]
			if whole == nil {
				return nil, fmt.Errorf("it has the slice %s of nothing", id)
			}
			whole.slices = append(whole.slices, n)
		default:
			parent := byID[id[:at]]
			if parent == nil {
				return nil, fmt.Errorf("its element %s has no parent", id)
			}
			parent.children = append(parent.children, n)
		}
	}
	if t.root == nil {
		return nil, fmt.Errorf("it has no elements")
	}
	t.root.remember(t.root.clone())
	return t, nil
}

// remember keeps what a node is like now.
func (n *node) remember(before *node) {
	n.before = before
	for i, c := range n.children {
		c.remember(before.children[i])
	}
	for i, s := range n.slices {
		s.remember(before.slices[i])
	}
}

// clone copies a node with all that is inside.
func (n *node) clone() *node {
	c := &node{name: n.name, slice: n.slice, el: maps.Clone(n.el), fresh: n.fresh}
	for _, k := range n.children {
		c.children = append(c.children, k.clone())
	}
	for _, k := range n.slices {
		c.slices = append(c.slices, k.clone())
	}
	return c
}

// freshen marks a node and all inside as made by the differential.
func (n *node) freshen() {
	n.fresh = true
	for _, k := range n.children {
		k.freshen()
	}
	for _, k := range n.slices {
		k.freshen()
	}
}

func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// choice is the child value[x] and the type that a name like valueQuantity
// stands for.
func (n *node) choice(name string) (*node, string) {
	for _, c := range n.children {
		stem, ok := strings.CutSuffix(c.name, "[x]")
		if !ok || !strings.HasPrefix(name, stem) {
			continue
		}
		for _, t := range c.el.types() {
			if strings.EqualFold(t.Code, name[len(stem):]) {
				return c, t.Code
			}
		}
	}
	return nil, ""
}

func (n *node) sliceOf(name string) *node {
	for _, s := range n.slices {
		if s.slice == name {
			return s
		}
	}
	return nil
}

// settle makes of a choice whose one slice must be there a choice of that type
// alone.
func (n *node) settle() {
	for _, s := range n.slices {
		if n.slicedByType() && s.el.number("min") > 0 && n.el.text("max") == "1" {
			n.el.set("min", s.el.number("min"))
			if n.implied {
				n.el["slicing"] = byType("closed")
			}
			if types := s.el.types(); len(types) == 1 {
				n.el.narrow(types[0].Code)
			}
		}
		s.settle()
	}
	for _, c := range n.children {
		c.settle()
	}
}

// byType and byURL are the slicing of choices and of extensions where the
// differential leaves it out.
func byType(rules string) json.RawMessage {
	return json.RawMessage(`{"discriminator":[{"type":"type","path":"$this"}],"ordered":false,"rules":"` + rules + `"}`)
}

var byURL = json.RawMessage(`{"discriminator":[{"type":"value","path":"url"}],"ordered":false,"rules":"open"}`)

func (n *node) slicedByType() bool {
	return strings.HasSuffix(n.name, "[x]") && strings.Contains(string(n.el["slicing"]), `"$this"`) && strings.Contains(string(n.el["slicing"]), `"type"`)
}

// flatten appends the elements of a node, with the ids and paths that they have
// where it is.
func (n *node) flatten(all []element, id, path string) []element {
	id, path = id+n.name, path+n.name
	if n.slice != "" {
		id += ":" + n.slice
		n.el.set("sliceName", n.slice)
	}
	n.el.set("id", id)
	n.el.set("path", path)
	all = append(all, n.el)
	for _, c := range n.children {
		all = c.flatten(all, id+".", path+".")
	}
	if n.slice != "" {
		id = strings.TrimSuffix(id, ":"+n.slice)
	}
	parent, parentPath := strings.TrimSuffix(id, n.name), strings.TrimSuffix(path, n.name)
	for _, s := range n.slices {
		all = s.flatten(all, parent, parentPath)
	}
	return all
}

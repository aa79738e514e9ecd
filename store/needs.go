package store

import "github.com/tarnhealth/tarn/search"

// Needs is what evaluating a Condition over one resource takes beside the
// resource's entries.
type Needs struct {
	// Tree is set where the resource itself is looked at.
	Tree bool
	// Joins are the types of other resources that Chain and Has look at.
	Joins map[string]bool
}

// Needs returns what evaluating c takes.
func (c Condition) Needs() Needs {
	found := Needs{Joins: map[string]bool{}}
	found.walk(c.Part.Where)
	return found
}

func (f *Needs) walk(n search.Node) {
	switch n := n.(type) {
	case search.Terms:
		f.Tree = f.Tree || n.Recheck != nil
	case search.And:
		for _, n := range n {
			f.walk(n)
		}
	case search.Or:
		for _, n := range n {
			f.walk(n)
		}
	case search.Not:
		f.walk(n.Node)
	case search.Chain:
		f.Joins[n.Target] = true
		f.walk(n.Where)
	case search.Has:
		f.Joins[n.Param.Type] = true
		f.walk(n.Where)
	}
}

package main

import (
	"fmt"
	"slices"

	"github.com/tarnhealth/tarn/definition/internal/table"
)

// packer fills a table. The maps give each distinct list its index.
type packer struct {
	core, expansions *archive
	t                table.Table

	constraints     map[table.Constraint]int
	constraintLists map[string]int
	targetLists     map[string]int
	bindings        map[table.Binding]int
	// resources are the concrete resource types in order; known also has the
	// abstract ones and all other types.
	resources []string
	known     map[string]bool
}

func newPacker(core, expansions *archive) *packer {
	p := &packer{
		core: core, expansions: expansions,
		constraints:     map[table.Constraint]int{},
		constraintLists: map[string]int{"[]": 0},
		targetLists:     map[string]int{"[]": 0},
		bindings:        map[table.Binding]int{{}: 0},
		known:           map[string]bool{},
	}
	p.t.Release = core.source.Version
	p.t.Package, p.t.Expansions = core.source, expansions.source
	p.t.ConstraintLists = [][]int{nil}
	p.t.TargetLists = [][]string{nil}
	p.t.Bindings = []table.Binding{{}}
	return p
}

func (p *packer) constraint(c table.Constraint) int {
	at, ok := p.constraints[c]
	if !ok {
		at = len(p.t.Constraints)
		p.constraints[c] = at
		p.t.Constraints = append(p.t.Constraints, c)
	}
	return at
}

func (p *packer) constraintList(list []int) int {
	return indexOf(p.constraintLists, &p.t.ConstraintLists, list)
}

// targetList is the index of a list of resource types; any is the empty list.
func (p *packer) targetList(types []string) int {
	if slices.Contains(types, "Resource") {
		types = nil
	}
	return indexOf(p.targetLists, &p.t.TargetLists, types)
}

func (p *packer) binding(b table.Binding) int {
	at, ok := p.bindings[b]
	if !ok {
		at = len(p.t.Bindings)
		p.bindings[b] = at
		p.t.Bindings = append(p.t.Bindings, b)
	}
	return at
}

func indexOf[T any](seen map[string]int, lists *[][]T, list []T) int {
	key := fmt.Sprint(list)
	at, ok := seen[key]
	if !ok {
		at = len(*lists)
		seen[key] = at
		*lists = append(*lists, list)
	}
	return at
}

// sortedKeys are a map's keys in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

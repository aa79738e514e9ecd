package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A shape is what a value may look like in tarn.yaml, and takes it. One of its
// functions is set, beside clear.
type shape struct {
	// text takes a single value.
	text func(s string) error
	// texts takes a list of single values.
	texts func(list []string) error
	// pairs takes lines of name: value, one at a time.
	pairs func(key, value string) error
	// items begins a record of a list of them; done is called when its fields
	// are set.
	items func() (fields []field, done func() error)
	// group is a record.
	group []field
	// clear, where not nil, forgets what another source said.
	clear func()
}

// A field is one line of a record.
type field struct {
	name     string
	required bool
	shape    shape
}

// A place is a text that settings come from: a file, which has lines, or a
// variable or flag.
type place struct {
	name  string
	lines bool
}

func (p place) at(n ast.Node) string {
	if !p.lines || n.GetToken() == nil {
		return p.name
	}
	return fmt.Sprintf("%s:%d", p.name, n.GetToken().Position.Line)
}

// give sets a setting to the text of a variable or flag: lists of values are
// separated by commas, and lists of records are written as in tarn.yaml.
func (l *loader) give(where string, s *setting, text string) {
	l.given[s.name] = true
	sh := s.shape(l.config)
	var err error
	switch {
	case sh.text != nil:
		err = sh.text(text)
	case sh.texts != nil:
		var list []string
		for one := range strings.SplitSeq(text, ",") {
			if one = strings.TrimSpace(one); one != "" {
				list = append(list, one)
			}
		}
		err = sh.texts(list)
	default:
		parsed, failed := parser.ParseBytes([]byte(text), 0)
		if failed != nil || len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil {
			err = fmt.Errorf("it is not YAML; write it as in tarn.yaml, such as [{name: value}]")
			break
		}
		l.value(place{name: where}, where, s.name, parsed.Docs[0].Body, sh)
	}
	if err != nil {
		l.problem(where, "%s: %v", s.name, err)
	}
}

// value gives a node to a shape. where and path name the value in problems.
func (l *loader) value(p place, where, path string, n ast.Node, sh shape) {
	if sh.clear != nil {
		sh.clear()
	}
	switch {
	case sh.text != nil:
		l.single(where, path, n, sh.text)
	case sh.texts != nil:
		l.texts(p, path, n, sh.texts)
	case sh.pairs != nil:
		l.pairs(p, path, n, sh.pairs)
	case sh.items != nil:
		l.items(p, path, n, sh.items)
	default:
		l.record(p, path, n, sh.group)
	}
}

// scalar is the text of a single value.
func scalar(n ast.Node) (string, bool) {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func (l *loader) single(where, path string, n ast.Node, set func(string) error) {
	s, ok := scalar(n)
	if !ok {
		l.problem(where, "%s takes a single value; put it in quotes where it begins with a bracket or another sign", path)
		return
	}
	if err := set(s); err != nil {
		l.problem(where, "%s: %v", path, err)
	}
}

func (l *loader) texts(p place, path string, n ast.Node, set func([]string) error) {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		l.problem(p.at(n), "%s takes a list; write lines of - value, or [a, b]", path)
		return
	}
	list := make([]string, 0, len(sequence.Values))
	for i, one := range sequence.Values {
		s, ok := scalar(one)
		if !ok {
			l.problem(p.at(one), "%s[%d] takes a single value; put it in quotes where it begins with a bracket or another sign", path, i)
			return
		}
		list = append(list, s)
	}
	if err := set(list); err != nil {
		l.problem(p.at(n), "%s: %v", path, err)
	}
}

func (l *loader) items(p place, path string, n ast.Node, begin func() ([]field, func() error)) {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		l.problem(p.at(n), "%s takes a list of records; begin each with a dash", path)
		return
	}
	for i, one := range sequence.Values {
		before, name := len(l.problems), fmt.Sprintf("%s[%d]", path, i)
		fields, done := begin()
		l.record(p, name, one, fields)
		if len(l.problems) > before {
			continue
		}
		if err := done(); err != nil {
			l.problem(p.at(one), "%s: %v", name, err)
		}
	}
}

// record sets the fields that a mapping has.
func (l *loader) record(p place, path string, n ast.Node, fields []field) {
	pairs, ok := mappingOf(n)
	if !ok {
		l.problem(p.at(n), "%s takes lines of name: value; there are %s", path, fieldNames(fields))
		return
	}
	seen := map[string]bool{}
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == key })
		switch {
		case i < 0:
			l.problem(p.at(pair.Key), "%s has no %s; there are %s", path, key, fieldNames(fields))
		case seen[key]:
			l.problem(p.at(pair.Key), "%s.%s is given a second time", path, key)
		case isNull(pair.Value):
			l.problem(p.at(pair.Key), "%s.%s has no value", path, key)
		default:
			l.value(p, p.at(pair.Key), path+"."+key, pair.Value, fields[i].shape)
		}
		seen[key] = true
	}
	for _, f := range fields {
		if f.required && !seen[f.name] {
			l.problem(p.at(first(n, pairs)), "%s lacks %s", path, f.name)
		}
	}
}

func (l *loader) pairs(p place, path string, n ast.Node, set func(key, value string) error) {
	pairs, ok := mappingOf(n)
	if !ok {
		l.problem(p.at(n), "%s takes lines of name: value", path)
		return
	}
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		l.single(p.at(pair.Key), path+"."+key, pair.Value, func(s string) error { return set(key, s) })
	}
}

// first is where a mapping begins: its own token is the first colon.
func first(n ast.Node, pairs []*ast.MappingValueNode) ast.Node {
	if len(pairs) > 0 {
		return pairs[0].Key
	}
	return n
}

func isNull(n ast.Node) bool {
	_, null := n.(*ast.NullNode)
	return null
}

func mappingOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func fieldNames(fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

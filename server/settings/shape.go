package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A Shape is what a value may look like in tarn.yaml, and takes it. One of its
// functions is set, beside Clear.
type Shape struct {
	// Text takes a single value.
	Text func(s string) error
	// Texts takes a list of single values.
	Texts func(list []string) error
	// Pairs takes lines of name: value, one at a time.
	Pairs func(key, value string) error
	// Items begins a record of a list of them; done is called when its fields
	// are set.
	Items func() (fields []Field, done func() error)
	// Group is a record.
	Group []Field
	// Clear, where not nil, forgets what another source said.
	Clear func()
}

// A Field is one line of a record.
type Field struct {
	Name     string
	Required bool
	Shape    Shape
}

// Required is a field that a record must have, Optional one that it may.
func Required(name string, shape Shape) Field { return Field{name, true, shape} }

// Optional is a field that a record may have.
func Optional(name string, shape Shape) Field { return Field{name, false, shape} }

// Single takes a single value.
func Single(set func(s string) error) Shape { return Shape{Text: set} }

// Word takes a text that is not empty, Flag true or false.
func Word(to *string) Shape { return Single(func(s string) error { return Text(to, s) }) }

// Flag takes true or false.
func Flag(to *bool) Shape { return Single(func(s string) error { return Boolean(to, s) }) }

// Words takes a list of texts.
func Words(to *[]string) Shape {
	return Shape{Texts: func(list []string) error { *to = list; return nil }}
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

// Give sets a setting to the text of a variable or flag: lists of values are
// separated by commas, and lists of records are written as in tarn.yaml.
func (l *Loader[C]) Give(where string, s *Setting[C], text string) {
	l.Given[s.Name] = true
	sh := s.Shape(l.Config)
	var err error
	switch {
	case sh.Text != nil:
		err = sh.Text(text)
	case sh.Texts != nil:
		var list []string
		for one := range strings.SplitSeq(text, ",") {
			if one = strings.TrimSpace(one); one != "" {
				list = append(list, one)
			}
		}
		err = sh.Texts(list)
	default:
		parsed, failed := parser.ParseBytes([]byte(text), 0)
		if failed != nil || len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil {
			err = fmt.Errorf("it is not YAML; write it as in tarn.yaml, such as [{name: value}]")
			break
		}
		l.value(place{name: where}, where, s.Name, parsed.Docs[0].Body, sh)
	}
	if err != nil {
		l.problem(where, "%s: %v", s.Name, err)
	}
}

// value gives a node to a shape. where and path name the value in problems.
func (l *Loader[C]) value(p place, where, path string, n ast.Node, sh Shape) {
	if sh.Clear != nil {
		sh.Clear()
	}
	switch {
	case sh.Text != nil:
		l.single(where, path, n, sh.Text)
	case sh.Texts != nil:
		l.texts(p, path, n, sh.Texts)
	case sh.Pairs != nil:
		l.pairs(p, path, n, sh.Pairs)
	case sh.Items != nil:
		l.items(p, path, n, sh.Items)
	default:
		l.record(p, path, n, sh.Group)
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

func (l *Loader[C]) single(where, path string, n ast.Node, set func(string) error) {
	s, ok := scalar(n)
	if !ok {
		l.problem(where, "%s takes a single value; put it in quotes where it begins with a bracket or another sign", path)
		return
	}
	if err := set(s); err != nil {
		l.problem(where, "%s: %v", path, err)
	}
}

func (l *Loader[C]) texts(p place, path string, n ast.Node, set func([]string) error) {
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

func (l *Loader[C]) items(p place, path string, n ast.Node, begin func() ([]Field, func() error)) {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		l.problem(p.at(n), "%s takes a list of records; begin each with a dash", path)
		return
	}
	for i, one := range sequence.Values {
		before, name := len(l.Problems), fmt.Sprintf("%s[%d]", path, i)
		fields, done := begin()
		l.record(p, name, one, fields)
		if len(l.Problems) > before {
			continue
		}
		if err := done(); err != nil {
			l.problem(p.at(one), "%s: %v", name, err)
		}
	}
}

// record sets the fields that a mapping has.
func (l *Loader[C]) record(p place, path string, n ast.Node, fields []Field) {
	pairs, ok := mappingOf(n)
	if !ok {
		l.problem(p.at(n), "%s takes lines of name: value; there are %s", path, fieldNames(fields))
		return
	}
	seen := map[string]bool{}
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == key })
		switch {
		case i < 0:
			l.problem(p.at(pair.Key), "%s has no %s; there are %s", path, key, fieldNames(fields))
		case seen[key]:
			l.problem(p.at(pair.Key), "%s.%s is given a second time", path, key)
		case isNull(pair.Value):
			l.problem(p.at(pair.Key), "%s.%s has no value", path, key)
		default:
			l.value(p, p.at(pair.Key), path+"."+key, pair.Value, fields[i].Shape)
		}
		seen[key] = true
	}
	for _, f := range fields {
		if f.Required && !seen[f.Name] {
			l.problem(p.at(first(n, pairs)), "%s lacks %s", path, f.Name)
		}
	}
}

func (l *Loader[C]) pairs(p place, path string, n ast.Node, set func(key, value string) error) {
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

func fieldNames(fields []Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return strings.Join(names, ", ")
}

package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A Problem is one thing that is wrong with a configuration.
type Problem struct {
	// Where is "tarn.yaml:3", "TARN_LISTEN" or "--listen"; "" where the problem
	// lies between settings.
	Where string
	// Text says what is wrong and what is allowed.
	Text string
}

func (p Problem) Error() string {
	if p.Where == "" {
		return p.Text
	}
	return p.Where + ": " + p.Text
}

// A Loader gives a configuration what its sources say. What is wrong it
// collects.
type Loader[C any] struct {
	Settings []Setting[C]
	Config   *C
	Problems []Problem
	// Warnings are of things that were left out of account.
	Warnings []string
	// Given are the settings that some source has.
	Given map[string]bool
}

// NewLoader makes a Loader for a configuration that has its defaults.
func NewLoader[C any](all []Setting[C], config *C) *Loader[C] {
	return &Loader[C]{Settings: all, Config: config, Given: map[string]bool{}}
}

func (l *Loader[C]) problem(where, format string, args ...any) {
	l.Problems = append(l.Problems, Problem{where, fmt.Sprintf(format, args...)})
}

// Environ takes the variables of os.Environ that begin with TARN_, but for those
// in skip.
func (l *Loader[C]) Environ(environ []string, skip ...string) {
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "TARN_") || slices.Contains(skip, name) {
			continue
		}
		i := slices.IndexFunc(l.Settings, func(s Setting[C]) bool { return s.Env() == name })
		if i < 0 {
			// Not an error: orchestrators set such variables for every service.
			l.Warnings = append(l.Warnings, name+" is not the variable of any setting and was left alone")
			continue
		}
		l.Give(name, &l.Settings[i], value)
	}
}

// Flags takes settings by their names in tarn.yaml.
func (l *Loader[C]) Flags(flags map[string]string) {
	for i := range l.Settings {
		if value, given := flags[l.Settings[i].Name]; given {
			l.Give("--"+l.Settings[i].Name, &l.Settings[i], value)
		}
	}
}

// File reads a tarn.yaml by its syntax tree, which keeps the lines.
func (l *Loader[C]) File(path string) {
	src, err := os.ReadFile(path)
	if err != nil {
		l.problem("", "the configuration cannot be read: %v", err)
		return
	}
	name := filepath.Base(path)
	parsed, err := parser.ParseBytes(src, 0)
	if err != nil {
		l.syntax(name, err)
		return
	}
	for i, doc := range parsed.Docs {
		if i > 0 {
			l.problem(name, "it holds %d documents; write one", len(parsed.Docs))
			return
		}
		if doc.Body != nil {
			l.mapping(name, "", doc.Body, map[string]int{})
		}
	}
}

func (l *Loader[C]) syntax(name string, err error) {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		l.problem(fmt.Sprintf("%s:%d", name, at.GetToken().Position.Line), "not YAML: %s", at.GetMessage())
		return
	}
	l.problem(name, "not YAML: %v", err)
}

// mapping sets what a YAML mapping holds below a path. seen has the line of
// each setting so far.
func (l *Loader[C]) mapping(name, path string, node ast.Node, seen map[string]int) {
	if isNull(node) {
		return
	}
	if _, comment := node.(*ast.CommentGroupNode); comment {
		return
	}
	pairs, ok := mappingOf(node)
	if !ok {
		l.problem(fmt.Sprintf("%s:%d", name, node.GetToken().Position.Line), "%s holds no settings; write lines of name: value", orFile(path))
		return
	}
	for _, pair := range pairs {
		l.pair(name, path, pair, seen)
	}
}

func (l *Loader[C]) pair(name, path string, pair *ast.MappingValueNode, seen map[string]int) {
	key := pair.Key.GetToken().Value
	if path != "" {
		key = path + "." + key
	}
	line := pair.Key.GetToken().Position.Line
	where := fmt.Sprintf("%s:%d", name, line)
	if first, twice := seen[key]; twice {
		l.problem(where, "%s is given a second time, first in line %d", key, first)
		return
	}
	seen[key] = line
	s := Named(l.Settings, key)
	_, isMapping := mappingOf(pair.Value)
	switch {
	case isNull(pair.Value) && s != nil:
		l.problem(where, "%s has no value", key)
	case isNull(pair.Value) && l.isGroup(key):
	case isMapping && l.isGroup(key):
		l.mapping(name, key, pair.Value, seen)
	case s == nil:
		l.unknown(where, key)
	default:
		l.Given[s.Name] = true
		l.value(place{name, true}, where, key, pair.Value, s.Shape(l.Config))
	}
}

func (l *Loader[C]) unknown(where, key string) {
	names := make([]string, len(l.Settings))
	for i := range l.Settings {
		names[i] = l.Settings[i].Name
	}
	l.problem(where, "%s is not a setting; there are %s", key, strings.Join(names, ", "))
}

// isGroup reports whether settings lie below a name.
func (l *Loader[C]) isGroup(name string) bool {
	return slices.ContainsFunc(l.Settings, func(s Setting[C]) bool { return strings.HasPrefix(s.Name, name+".") })
}

func orFile(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

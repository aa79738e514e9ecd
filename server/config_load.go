package server

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

	"github.com/tarnhealth/tarn/crypt"
)

// Sources are where a configuration comes from. Flags win over the
// environment, the environment wins over the file.
type Sources struct {
	// File is the path of a tarn.yaml, "" for none.
	File string
	// Environ is os.Environ().
	Environ []string
	// Flags are the settings given on the command line, by their names in
	// tarn.yaml.
	Flags map[string]string
	// Demo is the --demo flag. A demo without a word on authorization has
	// none.
	Demo bool
}

// Load reads a configuration and checks it. The error holds every Problem, one
// a line. Warnings are of things that were left out of account.
func Load(src Sources) (c Config, warnings []string, err error) {
	c = Default()
	l := loader{config: &c, given: map[string]bool{}}
	if src.File != "" {
		l.file(src.File)
	}
	l.environ(src.Environ)
	l.flags(src.Flags)
	l.demo(src.Demo)
	if len(l.problems) == 0 {
		l.problems = c.Check()
	}
	return c, l.warnings, joined(l.problems)
}

func joined(problems []Problem) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

type loader struct {
	config   *Config
	problems []Problem
	warnings []string
	// given are the settings that some source has.
	given map[string]bool
}

func (l *loader) problem(where, format string, args ...any) {
	l.problems = append(l.problems, Problem{where, fmt.Sprintf(format, args...)})
}

// demo fills in what a demo needs nobody to say: a folder that goes when the
// demo goes.
func (l *loader) demo(demo bool) {
	if !demo {
		return
	}
	l.config.Demo = true
	if !l.given["data"] {
		l.config.Data = ""
	}
}

func (l *loader) environ(environ []string) {
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "TARN_") || name == "TARN_CONFIG" || name == crypt.MasterKeyVariable {
			continue
		}
		i := slices.IndexFunc(settings, func(s setting) bool { return s.env() == name })
		if i < 0 {
			// Not an error: orchestrators set such variables for every service.
			l.warnings = append(l.warnings, name+" is not the variable of any setting and was left alone")
			continue
		}
		l.give(name, &settings[i], value)
	}
}

func (l *loader) flags(flags map[string]string) {
	for i := range settings {
		if value, given := flags[settings[i].name]; given {
			l.give("--"+settings[i].name, &settings[i], value)
		}
	}
}

// file reads a tarn.yaml by its syntax tree, which keeps the lines.
func (l *loader) file(path string) {
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

func (l *loader) syntax(name string, err error) {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		l.problem(fmt.Sprintf("%s:%d", name, at.GetToken().Position.Line), "not YAML: %s", at.GetMessage())
		return
	}
	l.problem(name, "not YAML: %v", err)
}

// mapping sets what a YAML mapping holds below a path. seen has the line of
// each setting so far.
func (l *loader) mapping(name, path string, node ast.Node, seen map[string]int) {
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

func (l *loader) pair(name, path string, pair *ast.MappingValueNode, seen map[string]int) {
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
	s := settingNamed(key)
	_, isMapping := mappingOf(pair.Value)
	switch {
	case isNull(pair.Value) && s != nil:
		l.problem(where, "%s has no value", key)
	case isNull(pair.Value) && isGroup(key):
	case isMapping && isGroup(key):
		l.mapping(name, key, pair.Value, seen)
	case s == nil:
		l.unknown(where, key)
	default:
		l.given[s.name] = true
		l.value(place{name, true}, where, key, pair.Value, s.shape(l.config))
	}
}

func (l *loader) unknown(where, key string) {
	names := make([]string, len(settings))
	for i := range settings {
		names[i] = settings[i].name
	}
	l.problem(where, "%s is not a setting; there are %s", key, strings.Join(names, ", "))
}

// isGroup reports whether settings lie below a name.
func isGroup(name string) bool {
	return slices.ContainsFunc(settings, func(s setting) bool { return strings.HasPrefix(s.name, name+".") })
}

func orFile(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// SettingsHelp lists every setting with its variable and default, as text of
// a width for terminals.
func SettingsHelp() string {
	var b strings.Builder
	c := Default()
	for i := range settings {
		s := &settings[i]
		value := s.get(&c)
		if value == "" {
			value = "none given"
		}
		fmt.Fprintf(&b, "  %s\n      %s\n      %s, default: %s\n", s.name, s.help, s.env(), value)
	}
	return b.String()
}

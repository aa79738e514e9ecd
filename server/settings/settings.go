// Package settings owns how a program is told its settings: by a YAML file, by
// variables of its environment and by flags, all by one table, with one parser
// and one message for each mistake.
//
// It leaves to others: which settings there are, and what they mean (server).
package settings

import (
	"fmt"
	"strings"
)

// A Setting is one line of tarn.yaml, or a list there, for a configuration C.
// All sources (file, environment, flags) give it by its shape.
type Setting[C any] struct {
	// Name is the path in tarn.yaml, "limits.max_body"; the environment
	// variable is TARN_LIMITS_MAX_BODY.
	Name string
	// Help is one line of documentation.
	Help string
	// Shape takes the value for a configuration.
	Shape func(c *C) Shape
	// Get is the value as text.
	Get func(c *C) string
}

// Flat makes a setting of a single value.
func Flat[C any](name, help string, set func(*C, string) error, get func(*C) string) Setting[C] {
	return Setting[C]{name, help, func(c *C) Shape {
		return Shape{Text: func(s string) error { return set(c, s) }}
	}, get}
}

// List makes a setting of several values.
func List[C any](name, help string, set func(*C, []string) error, get func(*C) []string) Setting[C] {
	return Setting[C]{name, help, func(c *C) Shape {
		return Shape{Texts: func(list []string) error { return set(c, list) }}
	}, func(c *C) string { return strings.Join(get(c), ",") }}
}

// Records makes a setting of another shape; count is how many records a
// configuration has of it.
func Records[C any](name, help string, shape func(*C) Shape, count func(*C) int) Setting[C] {
	return Setting[C]{name, help, shape, func(c *C) string { return counted(count(c)) }}
}

// counted stands for a list of records in the list of defaults.
func counted(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of them", n)
}

// Env is the name of the setting's variable.
func (s *Setting[C]) Env() string {
	return "TARN_" + strings.ToUpper(strings.ReplaceAll(s.Name, ".", "_"))
}

// Named finds a setting by its name; nil where there is none.
func Named[C any](all []Setting[C], name string) *Setting[C] {
	for i := range all {
		if all[i].Name == name {
			return &all[i]
		}
	}
	return nil
}

// Help lists every setting with its variable and its value in a configuration,
// as text of a width for terminals.
func Help[C any](all []Setting[C], defaults *C) string {
	var b strings.Builder
	for i := range all {
		s := &all[i]
		value := s.Get(defaults)
		if value == "" {
			value = "none given"
		}
		fmt.Fprintf(&b, "  %s\n      %s\n      %s, default: %s\n", s.Name, s.Help, s.Env(), value)
	}
	return b.String()
}

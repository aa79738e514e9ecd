// Package transcript matches answers with the patterns that conversations written
// as text have of them, in the tests of what is spoken to over HTTP.
//
// A pattern of a body is JSON. In it "..." stands for any text or value and, last
// in an array, for any further items; an object may have members that the pattern
// has not, unless the pattern gives them as "!absent". {{name}} captures a text,
// or repeats one that was captured; {{name!}} captures it anew.
package transcript

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Split splits a message: its first line, its headers, "Name: value", and what
// comes after an empty line.
func Split(text string) (first string, headers []string, body string) {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	return lines[0], lines[1:], strings.TrimSuffix(body, "\n")
}

// Vars are texts by the names that they are captured under.
type Vars map[string]string

// Fill puts captured texts in place; a name that is not known stays.
func (v Vars) Fill(text string) string {
	for name, value := range v {
		text = strings.ReplaceAll(text, "{{"+name+"}}", value)
	}
	return text
}

// Header says how the values of a header differ from a line of a pattern: its
// name, a colon, and the values as one text, or "!absent"; "" where they do not.
func (v Vars) Header(header http.Header, line string) string {
	name, want, _ := strings.Cut(line, ":")
	want = strings.TrimSpace(want)
	values := header.Values(name)
	problem := ""
	switch {
	case want != "!absent":
		problem = v.Text(strings.Join(values, ", "), want)
	case len(values) > 0:
		problem = "is " + values[0] + ", and should be absent"
	}
	if problem == "" {
		return ""
	}
	return name + ": " + problem
}

// JSON says how a text of JSON differs from a pattern.
func (v Vars) JSON(got, pattern []byte) []string {
	wanted, err := decode(pattern)
	if err != nil {
		return []string{"the pattern is not JSON: " + err.Error()}
	}
	value, err := decode(got)
	if err != nil {
		return []string{"the body is not JSON: " + err.Error()}
	}
	return v.json("body", value, wanted)
}

func decode(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

func (v Vars) json(at string, got, want any) []string {
	switch want := want.(type) {
	case map[string]any:
		return v.object(at, got, want)
	case []any:
		return v.array(at, got, want)
	case string:
		if want == "..." {
			return nil
		}
		text, ok := got.(string)
		if !ok {
			return []string{fmt.Sprintf("%s: is %v, not the string %q", at, got, want)}
		}
		if p := v.Text(text, want); p != "" {
			return []string{at + ": " + p}
		}
		return nil
	}
	if got != want {
		return []string{fmt.Sprintf("%s: is %v, not %v", at, got, want)}
	}
	return nil
}

func (v Vars) object(at string, got any, want map[string]any) (problems []string) {
	object, ok := got.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s: is %v, not an object", at, got)}
	}
	for key, pattern := range want {
		value, there := object[key]
		switch {
		case pattern == "!absent" && there:
			problems = append(problems, at+"."+key+": should be absent")
		case pattern == "!absent":
		case !there:
			problems = append(problems, at+"."+key+": is absent")
		default:
			problems = append(problems, v.json(at+"."+key, value, pattern)...)
		}
	}
	return problems
}

func (v Vars) array(at string, got any, want []any) (problems []string) {
	items, ok := got.([]any)
	if !ok {
		return []string{fmt.Sprintf("%s: is %v, not an array", at, got)}
	}
	open := len(want) > 0 && want[len(want)-1] == "..."
	if open {
		want = want[:len(want)-1]
	}
	if len(items) < len(want) || len(items) > len(want) && !open {
		return []string{fmt.Sprintf("%s: has %d items, not %d", at, len(items), len(want))}
	}
	for i := range want {
		problems = append(problems, v.json(fmt.Sprintf("%s[%d]", at, i), items[i], want[i])...)
	}
	return problems
}

var special = regexp.MustCompile(`\.\.\.|\{\{\w+!?\}\}`)

// Text says how a text differs from a pattern, "" for not at all, and captures
// what the pattern names.
func (v Vars) Text(got, pattern string) string {
	var names []string
	var expr strings.Builder
	expr.WriteString(`(?s)^`)
	last := 0
	filled := v.Fill(pattern)
	for _, at := range special.FindAllStringIndex(filled, -1) {
		expr.WriteString(regexp.QuoteMeta(filled[last:at[0]]))
		if token := filled[at[0]:at[1]]; token == "..." {
			expr.WriteString(`.*`)
		} else {
			names = append(names, strings.Trim(token, "{}!"))
			expr.WriteString(`(.+?)`)
		}
		last = at[1]
	}
	expr.WriteString(regexp.QuoteMeta(filled[last:]) + `$`)
	m := regexp.MustCompile(expr.String()).FindStringSubmatch(got)
	if m == nil {
		return fmt.Sprintf("is %q, not %q", got, filled)
	}
	for i, name := range names {
		v[name] = m[i+1]
	}
	return ""
}

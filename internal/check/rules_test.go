package check

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// citation is how a test cites rules: the header or a step of a transcript, a
// comment of a script or of a Go test begins with their numbers.
var citation = regexp.MustCompile(`(?m)^(?:-- |# |\s*// )?((?:(?:[RQ]\d+|checklist \d+(?:-\d+)?)(?:, )?)+): `)

var cited = regexp.MustCompile(`([RQ]\d+)|checklist (\d+)(?:-(\d+))?`)

// TestRulesAreCited holds docs/conformance.md to the tests: a rule is cited by
// one, or a note says why not. A test cites nothing that is not there.
func TestRulesAreCited(t *testing.T) {
	citations := map[string]string{}
	walk(t, func(file string) {
		if !strings.HasSuffix(file, "_test.go") && filepath.Base(filepath.Dir(file)) != "testdata" {
			return
		}
		for _, m := range citation.FindAllStringSubmatch(read(t, file), -1) {
			for _, number := range cited.FindAllStringSubmatch(m[1], -1) {
				for _, rule := range numbers(number) {
					citations[rule] = file
				}
			}
		}
	})
	rules := map[string]string{}
	for line := range strings.Lines(read(t, "docs/conformance.md")) {
		cells := strings.Split(strings.ReplaceAll(strings.TrimSpace(line), `\|`, "/"), " |")
		if rule := strings.TrimPrefix(cells[0], "| "); len(cells) >= 4 && regexp.MustCompile(`^[RQ]?\d+$`).MatchString(rule) {
			rules[rule] = strings.TrimSpace(cells[len(cells)-2])
		}
	}
	if len(rules) < 150 {
		t.Fatalf("docs/conformance.md has %d rules", len(rules))
	}
	for rule, note := range rules {
		if citations[rule] == "" && note == "" {
			t.Errorf("no test cites %s, and docs/conformance.md gives no reason", rule)
		}
	}
	for rule, file := range citations {
		if _, ok := rules[rule]; !ok && !outside(rule) {
			t.Errorf("%s cites %s, which docs/conformance.md does not have", file, rule)
		}
	}
}

// numbers are the rules of one citation.
func numbers(m []string) []string {
	if m[1] != "" {
		return []string{m[1]}
	}
	from, _ := strconv.Atoi(m[2]) // digits, by the expression
	to, err := strconv.Atoi(m[3])
	if err != nil {
		to = from
	}
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, strconv.Itoa(n))
	}
	return all
}

// outside reports whether a row is not about FHIR's REST API and search.
func outside(rule string) bool {
	n, err := strconv.Atoi(rule)
	return err == nil && (n < 30 || n > 103)
}

// TestNamedTestsAreThere finds the tests that docs/conformance.md names.
func TestNamedTestsAreThere(t *testing.T) {
	var all strings.Builder
	there := map[string]bool{}
	walk(t, func(file string) {
		there[file] = true
		if strings.HasSuffix(file, "_test.go") {
			all.WriteString(read(t, file))
		}
	})
	named := regexp.MustCompile("`([\\w/]+\\.(?:txtar|test))`|`(Test\\w+)`").FindAllStringSubmatch(read(t, "docs/conformance.md"), -1)
	if len(named) < 8 {
		t.Fatalf("docs/conformance.md names %d tests", len(named))
	}
	for _, m := range named {
		if m[1] != "" && !there[m[1]] || m[2] != "" && !strings.Contains(all.String(), "func "+m[2]+"(") {
			t.Errorf("docs/conformance.md names %s, which is not there", m[0])
		}
	}
}

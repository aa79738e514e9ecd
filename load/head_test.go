package load

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

var heads = []string{
	`{"resourceType":"Patient","id":"a"}`,
	` { "id" : "a" , "name":[{"family":"}\"],{"}], "resourceType" : "Patient" } `,
	`{"resourceType":"Bundle","type":"transaction","entry":[]}`,
	`{"resourceType":"Observation","type":{"text":"x"},"id":"o"}`,
	`{"resourceType":"Patient","id":"\u0061"}`,
	`{"resourceType":"Patient","id":7}`,
	`{"resourceType":"Patient","text":"a\\"}`,
	`{"resourceType":"Patient"}},{"resource":{"resourceType":"Patient"}`,
	`{"resourceType":"Patient"`,
	`{"resourceType":"Patient","id"}`,
	`{"resourceType":"Patient",}`,
	`{"resourceType":"Patient","x":}`,
	`{"a":1}`,
	`{}`,
	`[]`,
	``,
	`"`,
	`{"`,
}

// checkHead compares the two readers on what is valid JSON without names that
// come twice; and of anything that the quick one takes, the brackets are in
// pairs: as an entry of a Bundle it stays one entry.
func checkHead(t *testing.T, text string) {
	t.Helper()
	quick, ok := quickHead([]byte(text))
	if !ok {
		return
	}
	full, err := slowHead([]byte(text))
	if err == nil && quick != full && !folded(text) {
		t.Errorf("%q: %v, and %v", text, quick, full)
	}
	if depth := depthOf(text); depth != 0 {
		t.Errorf("%q is taken with a depth of %d at its end", text, depth)
	}
}

// folded reports whether a text may have a name twice, or in other letters,
// which encoding/json takes for the same.
func folded(text string) bool {
	names := regexp.MustCompile(`(?i)"(resourceType|id|type)"`).FindAllString(text, -1)
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] || name != `"resourceType"` && name != `"id"` && name != `"type"` {
			return true
		}
		seen[name] = true
	}
	return !utf8.ValidString(text) || strings.Contains(text, "\\") || strings.ContainsAny(text, "\u017f\u212a")
}

// depthOf is how many brackets are open at the end, -1 where one is closed
// that was not open.
func depthOf(text string) (depth int) {
	inside, escaped := false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case inside && c == '\\':
			escaped = true
		case c == '"':
			inside = !inside
		case inside:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth < 0 {
				return -1
			}
		}
	}
	return depth
}

func TestQuickHead(t *testing.T) {
	for _, text := range heads {
		checkHead(t, text)
	}
	for text, want := range map[string]head{
		heads[0]: {ResourceType: "Patient", ID: "a"},
		heads[1]: {ResourceType: "Patient", ID: "a"},
		heads[2]: {ResourceType: "Bundle", Type: "transaction"},
		heads[3]: {ResourceType: "Observation", ID: "o"},
	} {
		if h, ok := quickHead([]byte(text)); !ok || h != want {
			t.Errorf("%s: %v, %v", text, h, ok)
		}
	}
	for _, text := range heads[7:10] {
		if h, ok := quickHead([]byte(text)); ok {
			t.Errorf("%s is taken as %v", text, h)
		}
	}
	dir := filepath.Join("..", "..", "shared", "data", "synthea")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("../shared/data is absent")
	}
	lines := 0
	_ = filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".ndjson") || lines > 2000 {
			return err
		}
		text, err := os.ReadFile(name)
		for line := range strings.Lines(string(text)) {
			quick, ok := quickHead([]byte(line))
			full, fullErr := slowHead([]byte(line))
			if !ok || fullErr != nil || quick != full {
				t.Errorf("%s: %v (%v), %v (%v)", name, quick, ok, full, fullErr)
			}
			if lines++; lines%200 == 0 {
				break
			}
		}
		return err
	})
}

func FuzzQuickHead(f *testing.F) {
	for _, text := range heads {
		f.Add(text)
	}
	f.Fuzz(checkHead)
}

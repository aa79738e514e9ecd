package login

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMessagesAreThereAndUsed looks for every message that the code and the
// pages name, and for messages that nothing names.
func TestMessagesAreThereAndUsed(t *testing.T) {
	data, err := os.ReadFile("messages/en.json")
	if err != nil {
		t.Fatal(err)
	}
	var messages map[string]string
	if err := json.Unmarshal(data, &messages); err != nil {
		t.Fatal(err)
	}
	code := ""
	for _, pattern := range []string{"*.go", "pages/*.html"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %v", pattern, names, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(name, "_test.go") {
				code += string(text)
			}
		}
	}
	shared := map[string]bool{"error.missing": true, "error.internal": true, "error.form": true, "error.csrf": true, "error.title": true}
	key := regexp.MustCompile(`"((?:signin|second|password|passkey|totp|codes|done|account|upstream|user|error|signout|signedout)\.[a-z-]+)"`)
	named := map[string]bool{}
	for _, m := range key.FindAllStringSubmatch(code, -1) {
		named[m[1]] = true
		if messages[m[1]] == "" && !shared[m[1]] {
			t.Errorf("there is no message %q", m[1])
		}
	}
	if len(named) < 80 {
		t.Errorf("only %d messages found in the code", len(named))
	}
	for name := range messages {
		if !named[name] && !strings.HasPrefix(name, "field.") && !strings.Contains(code, `"`+name+`"`) {
			t.Errorf("nothing says %q", name)
		}
	}
}

func TestBrowserName(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0": "Edge · Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15":         "Safari · macOS",
		"curl/8.0": "curl", "": "—", "<script>": "—",
	} {
		if got := browserName(agent); got != want {
			t.Errorf("%s: %s, want %s", agent, got, want)
		}
	}
}

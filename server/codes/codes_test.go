package codes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	for _, test := range []struct {
		config Config
		token  string
		want   string
		header string
	}{
		{Config{}, "", "", ""},
		{Config{URL: "https://x.org"}, "", "terminology.systems does not say", ""},
		{Config{Systems: []string{"http://loinc.org"}}, "", "terminology.server is not", ""},
		{Config{URL: "https://x.org", Systems: []string{"http://loinc.org"}, TokenFile: file}, "abc\n", "", "Bearer abc"},
		{Config{URL: "https://x.org", Systems: []string{"http://loinc.org"}, TokenFile: file}, "me:secret", "", "Basic bWU6c2VjcmV0"},
		{Config{URL: "https://x.org", Systems: []string{"http://loinc.org"}, TokenFile: file}, "\n", "is not one line", ""},
		{Config{URL: "https://x.org", Systems: []string{"http://loinc.org"}, TokenFile: file + "x"}, "", "terminology.token_file", ""},
	} {
		if err := os.WriteFile(file, []byte(test.token), 0o600); err != nil {
			t.Fatal(err)
		}
		got := test.config.Check()
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%+v: %q, want %q", test.config, got, test.want)
		}
		if header, err := test.config.authorization(); err == nil && header != test.header {
			t.Errorf("%+v: %q is sent", test.config, header)
		}
	}
}

func TestValues(t *testing.T) {
	var url string
	for s, ok := range map[string]bool{"": true, "https://x.org/fhir": true, "http://127.0.0.1:9/fhir": true, "http://x.org": false, "https://u:p@x.org": false, "x.org": false} {
		if err := base(&url, s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
	var d time.Duration
	for s, ok := range map[string]bool{"5s": true, "1m": true, "0s": false, "2h": false, "five": false} {
		if err := duration(&d, s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

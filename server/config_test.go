package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// loadFile loads a tarn.yaml of the given text.
func loadFile(t *testing.T, text string, src Sources) (Config, []string, error) {
	t.Helper()
	src.File = filepath.Join(t.TempDir(), "tarn.yaml")
	if err := os.WriteFile(src.File, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(src)
}

func TestLoad(t *testing.T) {
	c, warnings, err := loadFile(t, `
# a comment
listen: "[::1]:9090"
data: /srv/tarn
base_url: https://fhir.example.org/
auth: none
limits:
  max_body: 100MiB
  max_entries: 500
  request_timeout: 90s
shutdown_timeout: 0s
cache_size: 1GiB
log:
  level: debug
  format: json
`, Sources{})
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	want := Config{
		Listen: "[::1]:9090", Data: "/srv/tarn", BaseURL: "https://fhir.example.org", Auth: "none",
		MaxBody: 100 << 20, MaxEntries: 500, RequestTimeout: 90 * time.Second, ShutdownTimeout: 0,
		CacheSize: 1 << 30, LogLevel: slog.LevelDebug, LogFormat: "json",
	}
	if c != want {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestLoadPrecedence(t *testing.T) {
	c, warnings, err := loadFile(t, "auth: none\nlisten: localhost:1\ndata: from-file\ncache_size: 2MiB\n", Sources{
		Environ: []string{"TARN_LISTEN=localhost:2", "TARN_DATA=from-environ", "PATH=/bin", "TARN_CONFIG=x", "TARN_PORT=tcp://10.0.0.1"},
		Flags:   map[string]string{"listen": "localhost:3", "config": "x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "localhost:3" || c.Data != "from-environ" || c.CacheSize != 2<<20 {
		t.Errorf("got %+v", c)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "TARN_PORT") {
		t.Errorf("warnings are %q, want one about TARN_PORT", warnings)
	}
}

func TestLoadDemo(t *testing.T) {
	c, _, err := Load(Sources{Demo: true})
	if err != nil || !c.Demo || c.Auth != "none" || c.Data != "" {
		t.Errorf("a demo is %+v, %v; want no authorization and a temporary folder", c, err)
	}
	c, _, err = Load(Sources{Demo: true, Flags: map[string]string{"data": "mine"}})
	if err != nil || c.Data != "mine" {
		t.Errorf("a demo with --data is %+v, %v", c, err)
	}
	if _, _, err = Load(Sources{Demo: true, Flags: map[string]string{"listen": "0.0.0.0:80"}}); err == nil {
		t.Error("a demo may listen on 0.0.0.0")
	}
}

// TestLoadProblems checks that each mistake is named with its place and with
// what is allowed.
func TestLoadProblems(t *testing.T) {
	for _, c := range []struct {
		name, file string
		src        Sources
		want       []string // each in the message
	}{
		{"no auth", "", Sources{}, []string{"authorization is not built yet; start with --auth none on a loopback address"}},
		{"other auth", "auth: smart", Sources{}, []string{"tarn.yaml:1: auth", `"smart"`, "allowed is none"}},
		{"all addresses", "auth: none\nlisten: 0.0.0.0:8080", Sources{}, []string{"0.0.0.0:8080", "listen on 127.0.0.1, [::1] or localhost"}},
		{"IPv6 any", "", Sources{Flags: map[string]string{"auth": "none", "listen": "[::]:8080"}}, []string{"[::]:8080"}},
		{"a name", "", Sources{Flags: map[string]string{"auth": "none", "listen": "fhir.example.org:80"}}, []string{"fhir.example.org:80, which other machines"}},
		{"no host", "", Sources{Flags: map[string]string{"auth": "none", "listen": ":8080"}}, []string{"--listen", "no host", "127.0.0.1:8080"}},
		{"no port", "auth: none\nlisten: localhost", Sources{}, []string{"tarn.yaml:2: listen", "host:port"}},
		{"port", "auth: none\nlisten: localhost:70000", Sources{}, []string{"70000", "65535"}},
		{"unknown", "auth: none\n\nlissten: a:1", Sources{}, []string{"tarn.yaml:3: lissten is not a setting", "listen"}},
		{"unknown below", "limits:\n  max_boddy: 1", Sources{}, []string{"tarn.yaml:2: limits.max_boddy is not a setting"}},
		{"unknown group", "limit:\n  max_body: 1", Sources{}, []string{"tarn.yaml:1: limit is not a setting"}},
		{"group as value", "limits: 5", Sources{}, []string{"tarn.yaml:1: limits is not a setting"}},
		{"value as group", "listen:\n  a: 1", Sources{}, []string{"tarn.yaml:1: listen takes a single value"}},
		{"list", "listen: [::1]:8080", Sources{}, []string{"tarn.yaml:1"}},
		{"no value", "auth:\n", Sources{}, []string{"tarn.yaml:1: auth has no value"}},
		{"twice", "auth: none\nauth: none\n", Sources{}, []string{"tarn.yaml:2"}},
		{"twice below", "limits:\n  max_body: 1MiB\nlog:\n  level: info\nlimits:\n  max_body: 2MiB", Sources{}, []string{"tarn.yaml:5"}},
		{"size", "limits:\n  max_body: 50MB", Sources{}, []string{"tarn.yaml:2: limits.max_body", `"50MB"`, "1KiB to 1GiB"}},
		{"size too great", "limits:\n  max_body: 99999999999GiB", Sources{}, []string{"1KiB to 1GiB"}},
		{"size too small", "limits:\n  max_body: 10", Sources{}, []string{"1KiB to 1GiB"}},
		{"number", "limits:\n  max_entries: many", Sources{}, []string{"1 to 1000000"}},
		{"time", "limits:\n  request_timeout: 90", Sources{}, []string{"90s or 2m"}},
		{"negative time", "", Sources{Environ: []string{"TARN_SHUTDOWN_TIMEOUT=-1s"}}, []string{"TARN_SHUTDOWN_TIMEOUT: shutdown_timeout", "0s to 1h0m0s"}},
		{"base URL", "base_url: fhir.example.org", Sources{}, []string{"http:// or https://"}},
		{"level", "log:\n  level: loud", Sources{}, []string{`"loud"`, "debug, info, warn or error"}},
		{"format", "log:\n  format: xml", Sources{}, []string{"text or json"}},
		{"empty data", "", Sources{Flags: map[string]string{"data": " "}}, []string{"--data"}},
		{"not YAML", "listen: [", Sources{}, []string{"tarn.yaml:1: not YAML"}},
		{"not a mapping", "hello", Sources{}, []string{"tarn.yaml:1: the file holds no settings"}},
		{"two documents", "auth: none\n---\nauth: none", Sources{}, []string{"2 documents"}},
		{"several", "listen: x\ncache_size: y", Sources{}, []string{"tarn.yaml:1", "tarn.yaml:2"}},
	} {
		_, _, err := loadFile(t, c.file, c.src)
		if err == nil {
			t.Errorf("%s: no problem found", c.name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", c.name, err, want)
			}
		}
	}
	if _, _, err := Load(Sources{File: filepath.Join(t.TempDir(), "none.yaml")}); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a missing file: %v", err)
	}
}

// TestSettingsKeepWhatTheySay reads every setting back from its own text.
func TestSettingsKeepWhatTheySay(t *testing.T) {
	c := Default()
	c.Auth = "none"
	for i := range settings {
		s, before := &settings[i], c
		if err := s.set(&c, s.get(&c)); err != nil || c != before {
			t.Errorf("%s does not take its own value %q: %v", s.name, s.get(&before), err)
		}
		if !strings.Contains(SettingsHelp(), s.env()) {
			t.Errorf("the help does not list %s", s.name)
		}
	}
}

func FuzzConfigFile(f *testing.F) {
	for _, seed := range []string{"auth: none\n", "limits:\n  max_body: 1MiB\n", "a: [1, {b: c}]", "- x", "listen: |\n  x\n", "&a listen: *a", "? x\n: y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _, _ = loadFile(t, text, Sources{})
	})
}

package server

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/server/settings"
	"github.com/tarnhealth/tarn/smart"
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
	want := Default()
	want.Listen, want.Data, want.BaseURL, want.Auth = "[::1]:9090", "/srv/tarn", "https://fhir.example.org", "none"
	want.MaxBody, want.MaxEntries, want.RequestTimeout, want.ShutdownTimeout = 100<<20, 500, 90*time.Second, 0
	want.CacheSize, want.LogLevel, want.LogFormat = 1<<30, slog.LevelDebug, "json"
	if diff := cmp.Diff(want, c, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
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
	if err != nil || !c.Demo || c.Auth != AuthSMART || c.Data != "" {
		t.Errorf("a demo is %+v, %v; want authorization and a temporary folder", c, err)
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
		{"other auth", "auth: oauth", Sources{}, []string{"tarn.yaml:1: auth", `"oauth"`, "allowed is smart or none"}},
		{"all addresses without a name", "listen: 0.0.0.0:8080", Sources{}, []string{"0.0.0.0:8080", "set base_url"}},
		{"passwords in the clear", "base_url: http://fhir.example.org", Sources{}, []string{"in the clear", "https://"}},
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

// TestLoadLists reads lists and records.
func TestLoadLists(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := loadFile(t, `
providers:
  - id: okta
    name: Hospital
    issuer: https://hospital.okta.com
    client_id: tarn
    client_secret_file: `+secret+`
    scopes: [profile, groups]
    link_by_email: true
    claims:
      fhir_user: fhirUser
      roles: groups
      role_of: {Doctors: practitioner, Billing: non-practitioner}
  - {id: google, issuer: "https://accounts.google.com", client_id: x}
access:
  practitioners: [care-team, group]
  links: true
  roles:
    - name: nurse
      rules:
        - interactions: [read, search-type]
          types: [Observation]
          query: category=vital-signs&status=final
        - types: [Patient]
registration:
  mode: token
  data_stores:
    - default
cors:
  origins: ["https://app.example.org", "http://localhost:3000"]
trusted_proxies: [10.0.0.0/8, "::1"]
`, Sources{})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Providers = []login.Provider{
		{ID: "okta", Name: "Hospital", Issuer: "https://hospital.okta.com", ClientID: "tarn", ClientSecret: "hush",
			Scopes: []string{"profile", "groups"}, LinkByEmail: true, Claims: login.ClaimMapping{
				FHIRUser: "fhirUser", Roles: "groups", RoleOf: map[string]string{"Doctors": "practitioner", "Billing": "non-practitioner"},
			}},
		{ID: "google", Issuer: "https://accounts.google.com", ClientID: "x"},
	}
	want.Practitioners, want.Links = authz.Relations{CareTeam: true, Group: true}, true
	want.Roles = map[string]authz.Role{"nurse": {Rules: []authz.Rule{
		{Interactions: []authz.Interaction{authz.Read, authz.SearchType}, Types: []string{"Observation"},
			Query: []search.Pair{{Name: "category", Value: "vital-signs"}, {Name: "status", Value: "final"}}},
		{Types: []string{"Patient"}},
	}}}
	want.Registration = smart.Registration{Mode: smart.RegistrationToken, DataStores: []string{"default"}}
	want.Origins = []string{"https://app.example.org", "http://localhost:3000"}
	want.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	if diff := cmp.Diff(want, c, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// TestLoadListsFromVariables lets variables replace what the file has.
func TestLoadListsFromVariables(t *testing.T) {
	c, _, err := loadFile(t, "providers: [{id: a, issuer: \"https://a\", client_id: x}]\ncors: {origins: [\"https://a\"]}", Sources{Environ: []string{
		"TARN_PROVIDERS=[{id: b, issuer: 'https://b', client_id: y}]", "TARN_CORS_ORIGINS=https://b, https://c",
		"TARN_MASTER_KEY=not a setting",
	}})
	if err != nil || len(c.Providers) != 1 || c.Providers[0].ID != "b" || strings.Join(c.Origins, " ") != "https://b https://c" {
		t.Errorf("%+v %v, %v", c.Providers, c.Origins, err)
	}
}

// TestLoadListProblems checks that what is wrong inside a list is named too.
func TestLoadListProblems(t *testing.T) {
	for file, want := range map[string]string{
		"providers: yes":                                                    "tarn.yaml:1: providers takes a list of records; begin each with a dash",
		"providers:\n  - x":                                                 "tarn.yaml:2: providers[0] takes lines of name: value; there are id, name, issuer",
		"providers:\n  - {}":                                                "tarn.yaml:2: providers[0] lacks id",
		"providers:\n  - id: a\n    client_id: x":                           "tarn.yaml:2: providers[0] lacks issuer",
		"providers:\n  - id: a\n    isuer: https://h":                       "tarn.yaml:3: providers[0] has no isuer; there are id",
		"providers:\n  - id: a\n    id: b":                                  "tarn.yaml:3",
		"providers:\n  - id: Okta\n    issuer: https://h\n    client_id: x": `tarn.yaml:2: providers[0].id: "Okta" is not allowed`,
		"providers:\n  - id: a\n    issuer: http://h\n    client_id: x":     `tarn.yaml:3: providers[0].issuer: "http://h" is not an issuer`,
		"providers:\n  - id: a\n    issuer: https://h\n    client_id:":      "tarn.yaml:4: providers[0].client_id has no value",
		"providers:\n  - id: a\n    issuer: https://h\n    client_id: x\n    client_secret_file: none":                   "tarn.yaml:5: providers[0].client_secret_file: it cannot be read",
		"providers:\n  - id: a\n    issuer: https://h\n    client_id: x\n    claims:\n      role: x":                     "tarn.yaml:6: providers[0].claims has no role; there are username",
		"providers:\n  - id: a\n    issuer: https://h\n    client_id: x\n    link_by_email: maybe":                       "tarn.yaml:5: providers[0].link_by_email: \"maybe\" is not allowed; write true or false",
		"providers:\n  - {id: a, issuer: \"https://h\", client_id: x}\n  - {id: a, issuer: \"https://i\", client_id: x}": `tarn.yaml:3: providers[1]: the provider "a" is there twice`,
		"access:\n  practitioners: everybody":                                     "tarn.yaml:2: access.practitioners takes a list",
		"access:\n  practitioners: [everybody]":                                   `tarn.yaml:2: access.practitioners: "everybody" is not known; allowed is all`,
		"access:\n  practitioners: [[all]]":                                       "tarn.yaml:2: access.practitioners[0] takes a single value",
		"access:\n  roles:\n    - name: nurse":                                    "tarn.yaml:3: access.roles[0] lacks rules",
		"access:\n  roles:\n    - name: nurse\n      rules:\n        - query: x":  "tarn.yaml:5: access.roles[0].rules[0].query",
		"access:\n  roles: [{name: n, rules: [{types: [Patent]}]}]":               "access.roles: the role \"n\": \"Patent\" is not a resource type",
		"access:\n  roles: [{name: n, rules: [{interactions: [reed]}]}]":          "\"reed\" is not an interaction",
		"cors:\n  origins: [app.example.org]":                                     `tarn.yaml:2: cors.origins: "app.example.org" is not an origin`,
		"cors:\n  origins: [\"https://app.example.org/\"]":                        "is not an origin",
		"trusted_proxies: [proxy]":                                                `tarn.yaml:1: trusted_proxies: "proxy" is not a network`,
		"registration:\n  mode: yes":                                              "tarn.yaml:2: registration.mode",
		"registration:\n  require_statement: true":                                "registration.statement_issuers names nobody",
		"registration:\n  statement_issuers: [{issuer: x, jwks_file: /dev/null}]": "tarn.yaml:2: registration.statement_issuers[0].jwks_file: the keys in /dev/null cannot be used",
		"session:\n  idle: 13h":                                                   "session.idle is 13h0m0s, longer than session.absolute (12h0m0s)",
		"token:\n  access: 25h":                                                   "tarn.yaml:2: token.access",
		"password:\n  min_length: 6":                                              "12 to 64",
	} {
		_, _, err := loadFile(t, file, Sources{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got  %v\n want %s", file, err, want)
		}
	}
	if _, _, err := Load(Sources{Environ: []string{"TARN_PROVIDERS=[{id: b}]"}}); err == nil || !strings.Contains(err.Error(), "TARN_PROVIDERS: providers[0] lacks issuer") {
		t.Errorf("a variable: %v", err)
	}
}

// TestSettingsKeepWhatTheySay reads every setting back from its own text.
func TestSettingsKeepWhatTheySay(t *testing.T) {
	for i := range allSettings {
		s, c := &allSettings[i], Default()
		c.BaseURL, c.MasterKey, c.Registration.Scopes = "https://h", "key", "patient/*.rs"
		before, text := s.Get(&c), s.Get(&c)
		l := settings.NewLoader(allSettings, &c)
		if c := s.Shape(&c); c.Items == nil {
			l.Give("here", s, text)
		}
		if len(l.Problems) > 0 || s.Get(&c) != before {
			t.Errorf("%s does not take its own value %q: %v", s.Name, before, l.Problems)
		}
		if !strings.Contains(SettingsHelp(), s.Env()) {
			t.Errorf("the help does not list %s", s.Name)
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

package outbound_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/subscription/outbound"
)

func policy(t *testing.T, private string, patterns ...string) *outbound.Policy {
	t.Helper()
	p := &outbound.Policy{}
	for _, text := range patterns {
		pattern, err := outbound.ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		p.Allowed = append(p.Allowed, pattern)
	}
	if private != "" {
		p.Private = []netip.Prefix{netip.MustParsePrefix(private)}
	}
	return p
}

func TestEndpoints(t *testing.T) {
	for _, c := range []struct {
		pattern string
		good    []string
		bad     []string
	}{
		{"https://hooks.example.org", []string{"https://hooks.example.org", "https://HOOKS.example.org:443/a?b=c", "https://hooks.example.org/a/b"},
			[]string{"http://hooks.example.org", "https://hooks.example.org:8443/", "https://hooks.example.org.evil.com/", "https://evil.com/hooks.example.org", "https://hooks.example.org@evil.com/", "https://evil.com#hooks.example.org", "hooks.example.org", "", "/a", "ftp://hooks.example.org"}},
		{"https://hooks.example.org/fhir", []string{"https://hooks.example.org/fhir", "https://hooks.example.org/fhir/", "https://hooks.example.org/fhir/a"},
			[]string{"https://hooks.example.org/", "https://hooks.example.org/fhirs", "https://hooks.example.org/fhir/../a", "https://hooks.example.org/fhir/%2e%2e/a", `https://hooks.example.org/fhir/..\a`}},
		{"https://*.example.org", []string{"https://a.example.org/x", "https://a.b.example.org"}, []string{"https://example.org", "https://aexample.org"}},
		{"*", []string{"https://anything.example/x", "https://93.184.216.34/"},
			[]string{"http://anything.example", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://10.0.0.1/", "https://169.254.169.254/latest", "https://[fe80::1]/", "https://[fd00::1]/", "https://100.64.0.1/", "https://0.0.0.0/", "https://[64:ff9b::7f00:1]/", "https://224.0.0.1/", "https://u:p@anything.example/"}},
		{"http://10.0.0.1:8080/", nil, []string{"http://10.0.0.1:8080/"}},
	} {
		p := policy(t, "", c.pattern)
		for _, u := range c.good {
			if err := p.Check(u); err != nil {
				t.Errorf("%s: %s: %v", c.pattern, u, err)
			}
		}
		for _, u := range c.bad {
			if p.Check(u) == nil {
				t.Errorf("%s allows %s", c.pattern, u)
			}
		}
	}
	if err := policy(t, "10.0.0.0/24", "http://10.0.0.1:8080/").Check("http://10.0.0.1:8080/"); err != nil {
		t.Error(err)
	}
	if policy(t, "").Check("https://example.org") == nil {
		t.Error("nothing is allowed, and this is")
	}
}

func TestPatternsRefused(t *testing.T) {
	for _, text := range []string{"", "example.org", "ftp://example.org", "https://", "https://a.*.org", "https://*", "https://*.", "https://u@example.org", "https://example.org?x", "https://example.org/a/../b", "**"} {
		if _, err := outbound.ParsePattern(text); err == nil {
			t.Errorf("%q is a pattern", text)
		}
	}
}

// TestDialsPublicAddressesOnly: a name that leads inside is found out when it is
// dialled.
func TestDialsPublicAddressesOnly(t *testing.T) {
	reached := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached++
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	url := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	if response, err := policy(t, "", url).Client(time.Minute).Get(url); err == nil || outbound.Why(err) != "its host is not at a public address" || reached != 0 {
		t.Errorf("%v %v", response, err)
	}
	p := policy(t, "127.0.0.0/8", server.URL)
	p.Private = append(p.Private, netip.MustParsePrefix("::1/128"))
	response, err := p.Client(time.Minute).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusFound || reached != 1 {
		t.Errorf("a redirect was followed: %d", reached)
	}
}

// TestCertificatesAreChecked refuses one of an unknown authority.
func TestCertificatesAreChecked(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	server.Config.ErrorLog = nil
	if _, err := policy(t, "127.0.0.0/8", server.URL).Client(time.Minute).Get(server.URL); err == nil || outbound.Why(err) != "its certificate is not valid" {
		t.Error(err)
	}
}

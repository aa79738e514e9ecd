package codes

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/server/nearby"
	"github.com/tarnhealth/tarn/server/settings"
	"github.com/tarnhealth/tarn/terminology/external"
)

// Config is what a server is told about another terminology server. The zero
// value is none.
type Config struct {
	// URL is its FHIR base URL, Systems are the code systems that it is asked
	// about.
	URL     string
	Systems []string
	// TokenFile has what is sent as its bearer token, or as "user:password" for
	// basic authentication.
	TokenFile string
	// Timeout is how long it may take to answer; 0 is external.DefaultTimeout.
	Timeout time.Duration
}

// Settings are the settings; of finds the Config in a whole configuration.
func Settings[C any](of func(*C) *Config) []settings.Setting[C] {
	return []settings.Setting[C]{
		settings.Flat("terminology.server", "the FHIR base URL of another terminology server, with https, or http on a loopback address",
			func(c *C, s string) error { return base(&of(c).URL, s) }, func(c *C) string { return of(c).URL }),
		settings.List("terminology.systems", "the URLs of the code systems that the other terminology server is asked about",
			func(c *C, list []string) error { of(c).Systems = list; return nil }, func(c *C) []string { return of(c).Systems }),
		settings.Flat("terminology.token_file", "a file with the bearer token for the other terminology server, or with user:password",
			func(c *C, s string) error { of(c).TokenFile = s; return nil }, func(c *C) string { return of(c).TokenFile }),
		settings.Flat("terminology.timeout", "how long the other terminology server may take to answer, such as 5s",
			func(c *C, s string) error { return duration(&of(c).Timeout, s) }, func(c *C) string { return cmpDuration(of(c).Timeout) }),
	}
}

func cmpDuration(d time.Duration) string {
	if d == 0 {
		d = external.DefaultTimeout
	}
	return d.String()
}

func base(to *string, s string) error {
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !nearby.Loopback(u.Hostname()))) {
		return fmt.Errorf("%q is not allowed; write a URL with https, or http on a loopback address, without user and query", s)
	}
	*to = s
	return nil
}

func duration(to *time.Duration, s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 100*time.Millisecond || d > time.Minute {
		return fmt.Errorf("%q is not allowed; write a time from 100ms to 1m", s)
	}
	*to = d
	return nil
}

// Check is what is wrong with the configuration as a whole; "" for nothing.
func (c *Config) Check() string {
	switch {
	case c.URL != "" && len(c.Systems) == 0:
		return "terminology.server is given, and terminology.systems does not say what it is asked about"
	case c.URL == "" && (len(c.Systems) > 0 || c.TokenFile != ""):
		return "terminology.systems or terminology.token_file is given, and terminology.server is not"
	}
	if _, err := c.authorization(); err != nil {
		return "terminology.token_file: " + err.Error()
	}
	return ""
}

// client asks the other server; nil where there is none.
func (c *Config) client() *external.Client {
	if c.URL == "" {
		return nil
	}
	header, err := c.authorization()
	if err != nil {
		header = "" // Check has refused it; the server says that it wants credentials
	}
	return external.New(external.Options{URL: c.URL, Systems: c.Systems, Authorization: header, Timeout: c.Timeout})
}

// authorization is the value of the header of that name.
func (c *Config) authorization() (string, error) {
	if c.TokenFile == "" {
		return "", nil
	}
	text, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" || strings.ContainsAny(secret, "\r\n") {
		return "", fmt.Errorf("%s is not one line", c.TokenFile)
	}
	if user, password, ok := strings.Cut(secret, ":"); ok {
		return basic(user, password), nil
	}
	return "Bearer " + secret, nil
}

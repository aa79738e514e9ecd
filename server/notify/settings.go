package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/tarnhealth/tarn/event"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/server/nearby"
	"github.com/tarnhealth/tarn/server/settings"
)

// Config is what a server is told about events. The zero value tells nobody.
type Config struct {
	// Sinks are "stdout", "log" and URLs of webhooks.
	Sinks []string
	// SecretFile has the secrets that webhooks are signed with, as
	// event.ParseSecrets reads them.
	SecretFile string
}

// The sinks that are no webhooks.
const (
	sinkStdout = "stdout"
	sinkLog    = "log"
)

// Settings are the settings; of finds the Config in a whole configuration.
func Settings[C any](of func(*C) *Config) []settings.Setting[C] {
	return []settings.Setting[C]{
		settings.List("events.sinks", "who is told when data stores, import and export jobs come to another state: stdout, log, and https URLs that events are posted to",
			func(c *C, list []string) error { return sinks(&of(c).Sinks, list) }, func(c *C) []string { return of(c).Sinks }),
		settings.Flat("events.secret_file", "a file with the secret that posted events are signed with (whsec_ and 24 to 64 random bytes in base64); a second line is a second secret",
			func(c *C, s string) error { of(c).SecretFile = s; return nil }, func(c *C) string { return of(c).SecretFile }),
	}
}

// sinks takes a list of sinks.
func sinks(to *[]string, list []string) error {
	seen := map[string]bool{}
	for _, s := range list {
		if seen[s] {
			return fmt.Errorf("%q is given twice", s)
		}
		if seen[s] = true; s == sinkStdout || s == sinkLog {
			continue
		}
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !nearby.Loopback(u.Hostname())) {
			return fmt.Errorf("%q is not allowed; write stdout, log, or a URL with https, or http on a loopback address", s)
		}
	}
	*to = list
	return nil
}

// Check is what is wrong with the configuration as a whole; "" for nothing.
func (c *Config) Check() string {
	posts := false
	for _, s := range c.Sinks {
		posts = posts || strings.Contains(s, "://")
	}
	switch {
	case posts && c.SecretFile == "":
		return "events.sinks names a URL, and events.secret_file does not say what posted events are signed with"
	case !posts && c.SecretFile != "":
		return "events.secret_file is given, and events.sinks names no URL"
	}
	if posts {
		if _, err := c.secrets(); err != nil {
			return "events.secret_file: " + err.Error()
		}
	}
	return ""
}

func (c *Config) secrets() ([][]byte, error) {
	text, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return nil, err
	}
	all, err := event.ParseSecrets(string(text))
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "event: "))
	}
	return all, nil
}

// Open makes what tells of changes in a data folder; nil where nobody is to be
// told. baseURL is the server's own.
func (c *Config) Open(records kv.DB, baseURL string, stdout io.Writer, log *slog.Logger) *Teller {
	if len(c.Sinks) == 0 {
		return nil
	}
	all := map[string]event.Sink{}
	for _, s := range c.Sinks {
		switch s {
		case sinkStdout:
			all[s] = &event.Lines{To: stdout}
		case sinkLog:
			all[s] = event.Log{To: log}
		default:
			sum := sha256.Sum256([]byte(s))
			all["webhook "+hex.EncodeToString(sum[:8])] = &event.Webhook{URL: s, Secrets: c.secrets}
		}
	}
	return &Teller{outbox: event.New(event.Options{DB: records, Sinks: all, Logger: log}), base: strings.TrimSuffix(baseURL, "/")}
}

package server

import (
	"io"
	"log/slog"
	"net"
	"time"
)

// Config is what a server is told. Default has the values that are right
// unless said otherwise; Load reads the rest. The table settings names every
// field as it is written in tarn.yaml.
type Config struct {
	// Listen is the address to serve at, host:port; port 0 picks a free one.
	Listen string
	// Data is the data folder; "" for one that is removed at the end.
	Data string
	// BaseURL is how clients reach the server, without a trailing slash; "" for
	// http:// and the listening address.
	BaseURL string
	// Auth says who may do what: "none" lets everybody on this machine do
	// everything.
	Auth string
	// Demo fills the data store "default" with synthetic patients.
	Demo bool

	// MaxBody is the greatest request body in bytes.
	MaxBody int64
	// MaxEntries is the greatest number of entries of a batch or transaction.
	MaxEntries int
	// RequestTimeout is how long one request may take.
	RequestTimeout time.Duration
	// ShutdownTimeout is how long running requests may go on after the signal
	// to stop.
	ShutdownTimeout time.Duration
	// CacheSize is the memory that storage keeps recently read blocks in, bytes.
	CacheSize int64

	LogLevel slog.Level
	// LogFormat is "text" or "json".
	LogFormat string

	// Stdout is told where the server is, Stderr takes the log; nil for the
	// process's own.
	Stdout, Stderr io.Writer
}

// Default returns the configuration of a server that was told nothing.
func Default() Config {
	return Config{
		Listen:          "127.0.0.1:8080",
		Data:            "tarn-data",
		MaxBody:         50 << 20,
		MaxEntries:      100_000,
		RequestTimeout:  2 * time.Minute,
		ShutdownTimeout: 30 * time.Second,
		CacheSize:       256 << 20,
		LogLevel:        slog.LevelInfo,
		LogFormat:       "text",
	}
}

// A Problem is one thing that is wrong with a configuration.
type Problem struct {
	// Where is "tarn.yaml:3", "TARN_LISTEN" or "--listen"; "" where the problem
	// lies between settings.
	Where string
	// Text says what is wrong and what is allowed.
	Text string
}

func (p Problem) Error() string {
	if p.Where == "" {
		return p.Text
	}
	return p.Where + ": " + p.Text
}

// Check returns what is wrong with the configuration as a whole: what no
// single setting shows.
func (c *Config) Check() []Problem {
	var problems []Problem
	for _, check := range checks {
		if text := check(c); text != "" {
			problems = append(problems, Problem{Text: text})
		}
	}
	return problems
}

// checks are the rules between settings; each returns "" where it is kept.
var checks = []func(*Config) string{
	func(c *Config) string {
		switch c.Auth {
		case "none":
			return ""
		case "":
			return "authorization is not built yet; start with --auth none on a loopback address"
		}
		return "auth is \"" + c.Auth + "\", but authorization is not built yet; start with --auth none on a loopback address"
	},
	func(c *Config) string {
		host, _, err := net.SplitHostPort(c.Listen)
		if c.Auth != "none" || err != nil || loopback(host) {
			return ""
		}
		return "listen is " + c.Listen + ", which other machines can reach, and --auth none gives everybody everything; listen on 127.0.0.1, [::1] or localhost"
	},
}

// loopback reports whether only this machine can reach a host. A name other
// than localhost may come to mean anything.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

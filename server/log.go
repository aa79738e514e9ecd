package server

import (
	"log/slog"
	"runtime/debug"
	"strings"
)

// newLogger makes the server's log. What is logged never holds resources,
// query strings or paths of requests: they name patients.
func newLogger(cfg *Config) *slog.Logger {
	opt := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(cfg.Stderr, opt))
	}
	return slog.New(slog.NewTextHandler(cfg.Stderr, opt))
}

// release is set when a release is built:
// -ldflags "-X github.com/tarnhealth/tarn/server.release=1.2.3".
var release string

// Version is the program's version: the release, or the commit it was built
// from, or "development".
func Version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "development"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return strings.TrimPrefix(v, "v")
	}
	return "development"
}

package server

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A setting is one line of tarn.yaml, or a list there. All sources (file,
// environment, flags) give it by its shape, so that one parser and one message
// serve all.
type setting struct {
	// name is the path in tarn.yaml, "limits.max_body"; the environment
	// variable is TARN_LIMITS_MAX_BODY.
	name string
	// help is one line of documentation.
	help string
	// shape takes the value for a configuration.
	shape func(c *Config) shape
	get   func(c *Config) string
}

// flat makes a setting of a single value.
func flat(name, help string, set func(*Config, string) error, get func(*Config) string) setting {
	return setting{name, help, func(c *Config) shape {
		return shape{text: func(s string) error { return set(c, s) }}
	}, get}
}

func (s *setting) env() string {
	return "TARN_" + strings.ToUpper(strings.ReplaceAll(s.name, ".", "_"))
}

// settings is every setting, in the order of the documentation.
var settings = slices.Concat([]setting{
	flat("listen", "the address to serve at, host:port",
		func(c *Config, s string) error { return address(&c.Listen, s) },
		func(c *Config) string { return c.Listen }),
	flat("data", "the data folder, made where it is not there",
		func(c *Config, s string) error { return text(&c.Data, s) },
		func(c *Config) string { return c.Data }),
	flat("base_url", "how clients reach the server; http:// and the listening address where empty",
		func(c *Config, s string) error { return baseURL(&c.BaseURL, s) },
		func(c *Config) string { return c.BaseURL }),
	flat("auth", "smart: callers have access tokens; none: everybody may do everything, on a loopback address only",
		func(c *Config, s string) error { return oneOf(&c.Auth, s, AuthSMART, AuthNone) },
		func(c *Config) string { return c.Auth }),
	flat("limits.max_body", "the greatest request body",
		func(c *Config, s string) error { return size(&c.MaxBody, s, 1<<10, 1<<30) },
		func(c *Config) string { return sizeText(c.MaxBody) }),
	flat("limits.max_entries", "the greatest number of entries in a batch or transaction",
		func(c *Config, s string) error { return number(&c.MaxEntries, s, 1, 1_000_000) },
		func(c *Config) string { return strconv.Itoa(c.MaxEntries) }),
	flat("limits.request_timeout", "how long one request may take",
		func(c *Config, s string) error { return duration(&c.RequestTimeout, s, time.Second, time.Hour) },
		func(c *Config) string { return c.RequestTimeout.String() }),
	flat("shutdown_timeout", "how long running requests may go on after the signal to stop",
		func(c *Config, s string) error { return duration(&c.ShutdownTimeout, s, 0, time.Hour) },
		func(c *Config) string { return c.ShutdownTimeout.String() }),
	flat("cache_size", "the memory that storage keeps recently read blocks in",
		func(c *Config, s string) error { return size(&c.CacheSize, s, 1<<20, 1<<40) },
		func(c *Config) string { return sizeText(c.CacheSize) }),
	flat("log.level", "debug (every request), info, warn or error",
		func(c *Config, s string) error { return level(&c.LogLevel, s) },
		func(c *Config) string { return strings.ToLower(c.LogLevel.String()) }),
	flat("log.format", "text or json",
		func(c *Config, s string) error { return oneOf(&c.LogFormat, s, "text", "json") },
		func(c *Config) string { return c.LogFormat }),
}, authSettings, auditSettings, limitSettings, controlSettings)

func settingNamed(name string) *setting {
	for i := range settings {
		if settings[i].name == name {
			return &settings[i]
		}
	}
	return nil
}

func text(to *string, s string) error {
	if strings.TrimSpace(s) == "" {
		return fmt.Errorf("it is empty; give a path")
	}
	*to = s
	return nil
}

func oneOf(to *string, s string, allowed ...string) error {
	for _, a := range allowed {
		if s == a {
			*to = s
			return nil
		}
	}
	return fmt.Errorf("%q is not known; allowed is %s", s, strings.Join(allowed, " or "))
}

func address(to *string, s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not an address; write host:port, such as 127.0.0.1:8080 or [::1]:8080", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q has the port %q; allowed is 0 (any free one) to %d", s, port, math.MaxUint16)
	} else if host == "" {
		return fmt.Errorf("%q has no host; write 127.0.0.1:%d for this machine only", s, n)
	}
	*to = s
	return nil
}

func baseURL(to *string, s string) error {
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil) {
		return fmt.Errorf("%q is not a base URL; write http:// or https://, a host, and a path at most", s)
	}
	*to = strings.TrimRight(s, "/")
	return nil
}

func number(to *int, s string, least, most int) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return fmt.Errorf("%q is not allowed; write a whole number from %d to %d", s, least, most)
	}
	*to = n
	return nil
}

func duration(to *time.Duration, s string, least, most time.Duration) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < least || d > most {
		return fmt.Errorf("%q is not allowed; write a time from %s to %s with its unit, such as 90s or 2m", s, least, most)
	}
	*to = d
	return nil
}

func level(to *slog.Level, s string) error {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	l, known := levels[s]
	if !known {
		return fmt.Errorf("%q is not known; allowed is debug, info, warn or error", s)
	}
	*to = l
	return nil
}

// units are the sizes' units, greatest first.
var units = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func size(to *int64, s string, least, most int64) error {
	digits, factor := s, int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			digits, factor = strings.TrimSpace(rest), u.bytes
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > most/factor || n*factor < least {
		return fmt.Errorf("%q is not allowed; write a size from %s to %s, such as 50MiB", s, sizeText(least), sizeText(most))
	}
	*to = n * factor
	return nil
}

func sizeText(n int64) string {
	for _, u := range units {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

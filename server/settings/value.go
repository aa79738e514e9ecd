package settings

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Text takes a text that is not empty.
func Text(to *string, s string) error {
	if strings.TrimSpace(s) == "" {
		return fmt.Errorf("it is empty; give a path")
	}
	*to = s
	return nil
}

// OneOf takes one of some texts.
func OneOf(to *string, s string, allowed ...string) error {
	for _, a := range allowed {
		if s == a {
			*to = s
			return nil
		}
	}
	return fmt.Errorf("%q is not known; allowed is %s", s, strings.Join(allowed, " or "))
}

// Address takes host:port.
func Address(to *string, s string) error {
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

// BaseURL takes a URL that paths are appended to, without its last slash.
func BaseURL(to *string, s string) error {
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil) {
		return fmt.Errorf("%q is not a base URL; write http:// or https://, a host, and a path at most", s)
	}
	*to = strings.TrimRight(s, "/")
	return nil
}

// Number takes a whole number within bounds.
func Number(to *int, s string, least, most int) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return fmt.Errorf("%q is not allowed; write a whole number from %d to %d", s, least, most)
	}
	*to = n
	return nil
}

// Duration takes a time within bounds.
func Duration(to *time.Duration, s string, least, most time.Duration) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < least || d > most {
		return fmt.Errorf("%q is not allowed; write a time from %s to %s with its unit, such as 90s or 2m", s, least, most)
	}
	*to = d
	return nil
}

// Level takes a level of the log.
func Level(to *slog.Level, s string) error {
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

// Size takes a number of bytes within bounds, with a unit at will.
func Size(to *int64, s string, least, most int64) error {
	digits, factor := s, int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			digits, factor = strings.TrimSpace(rest), u.bytes
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > most/factor || n*factor < least {
		return fmt.Errorf("%q is not allowed; write a size from %s to %s, such as 50MiB", s, SizeText(least), SizeText(most))
	}
	*to = n * factor
	return nil
}

// SizeText is how Size reads a number of bytes.
func SizeText(n int64) string {
	for _, u := range units {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// Boolean takes true or false.
func Boolean(to *bool, s string) error {
	switch s {
	case "true":
		*to = true
	case "false":
		*to = false
	default:
		return fmt.Errorf("%q is not allowed; write true or false", s)
	}
	return nil
}

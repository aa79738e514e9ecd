package wire

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestCredentialsAreKnownAgain sends requests on one connection, and wants what
// was kept for the credentials of one at the next that has the same, and at no
// other.
func TestCredentialsAreKnownAgain(t *testing.T) {
	a, b := "a: "+longToken, "b: "+longToken
	steps := []struct{ fields, want string }{
		{"Authorization: " + a, `["a: "] <nil>`},
		{"X: y\r\nAuthorization: " + a + "\r\nY: z", `["a: "] /0`},
		{"authorization: " + a, `["a: "] <nil>`}, // written in another way
		{"authorization: " + b, `["b: "] <nil>`},
		{"authorization: " + b, `["b: "] /3`},
		{"authorization: " + b + "x", `["b: "] <nil>`},
		{"authorization: " + b, `["b: "] <nil>`},
		{"authorization: " + b + "\r\nAuthorization: " + a, `["b: " "a: "] nothing`},
		{"authorization: " + b, `["b: "] <nil>`},
		{"X: y", `[] nothing`},
		{"Authorization: short", `["sho"] nothing`},
	}
	var got []string
	_, addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		kept := "nothing"
		if c := CredentialsOf(r); c != nil {
			kept = fmt.Sprint(c.Kept)
			c.Kept = r.URL.Path
		}
		got = append(got, fmt.Sprintf("%.3q %s", r.Header["Authorization"], kept))
	}))
	var text strings.Builder
	for n, step := range steps {
		fmt.Fprintf(&text, "GET /%d HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", n, step.fields)
	}
	say(t, addr, text.String(), len(steps))
	for n, step := range steps {
		if n >= len(got) || got[n] != step.want {
			t.Errorf("%d, %.40s…: %q, want %s", n, step.fields, got[min(n, len(got)):], step.want)
		}
	}
}

// TestAttached says what a request's context tells of what was attached to it.
func TestAttached(t *testing.T) {
	type key int
	var told string
	_, addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for n := range 3 {
			told += fmt.Sprint(Attach(r, key(n), n), " ")
		}
		told += fmt.Sprint(Attach(r, key(0), "again"), " ")
		for n := range 3 {
			told += fmt.Sprint(r.Context().Value(key(n)), " ")
		}
	}))
	say(t, addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 1)
	if want := "true true false true again 1 <nil> "; told != want {
		t.Errorf("%s, want %s", told, want)
	}
}

package rest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

func TestAcceptHeader(t *testing.T) {
	for _, c := range []struct{ header, want string }{
		{"", mimeFHIR},
		{"*/*", mimeFHIR},
		{"application/*", mimeFHIR},
		{"text/json", "text/json"},
		{"json", mimeFHIR},
		{"application/json+fhir", mimeFHIR},
		{"application/json;q=0.2, */*;q=0.1", "application/json"},
		{"application/json;q=0.1, */*;q=0.2", mimeFHIR},
		{"application/fhir+json;q=0, */*", ""},
		{"application/fhir+json;q=0, application/json", "application/json"},
		{"application/fhir+xml", mimeXML},
		{"application/xml;q=0.9, application/fhir+json;q=0.5", "application/xml"},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", mimeFHIR},
		{"text/*", ""},
		{"image/png, application/json", "application/json"},
		{"application/fhir+json;fhirVersion=4.0", mimeFHIR},
		{"application/fhir+json;fhirVersion=3.0", ""},
		{"application/fhir+json;q=x", mimeFHIR},
	} {
		got, err := acceptHeader(c.header)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("Accept: %s gives %q, %v; want %q", c.header, got, err, c.want)
		}
		if err != nil && fhir.KindOf(err) != fhir.KindNotAcceptable {
			t.Errorf("Accept: %s gives an error of kind %d", c.header, fhir.KindOf(err))
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br": false, "*": true, "gzip;q=0": false,
		"gzip;q=0, *": false, "identity, *;q=0.1": true, "deflate, gzip;q=1.0": true, "x-gzip": true,
	} {
		if got := acceptsGzip([]string{header}); got != want {
			t.Errorf("Accept-Encoding: %s gives %v", header, got)
		}
	}
}

func TestParsePrefer(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   preference
	}{
		{nil, preference{}},
		{[]string{"return=minimal"}, preference{give: returnMinimal}},
		{[]string{"return=minimal", "return=representation"}, preference{give: returnMinimal}},
		{[]string{`respond-async, handling = lenient; return="OperationOutcome"`}, preference{give: returnOutcome, lenient: true, async: true}},
		{[]string{"handling=strict, handling=lenient"}, preference{}},
		{[]string{"return=everything"}, preference{}},
	} {
		if got := parsePrefer(c.values); got != c.want {
			t.Errorf("Prefer: %q gives %+v, want %+v", c.values, got, c.want)
		}
	}
}

func TestParseETag(t *testing.T) {
	for text, want := range map[string]string{
		`W/"3"`: "3", `"3"`: "3", ` W/"3" `: "3", `W/"abc"`: "abc",
		`3`: "", `W/3`: "", `"3`: "", `""`: "", `W/`: "", `w/"3"`: "", `"3", "4"`: "", `*`: "",
	} {
		tag, ok := parseETag(text)
		if ok != (want != "") || ok && tag != want {
			t.Errorf("%s gives %q, %v; want %q", text, tag, ok, want)
		}
	}
}

func TestNotModified(t *testing.T) {
	v := &store.Version{Number: 3, LastUpdated: time.Date(2026, 1, 31, 12, 0, 0, 500_400_000, time.UTC)}
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"If-None-Match", `W/"3"`, true},
		{"If-None-Match", `"3"`, true},
		{"If-None-Match", `W/"1", W/"3"`, true},
		{"If-None-Match", `*`, true},
		{"If-None-Match", `W/"30"`, false},
		{"If-None-Match", `3`, false},
		{"If-Modified-Since", "Sat, 31 Jan 2026 12:00:00 GMT", true},
		{"If-Modified-Since", "Sat, 31 Jan 2026 11:59:59 GMT", false},
		{"If-Modified-Since", "2026-01-31T12:00:00.500Z", true}, // of 12:00:00.5004
		{"If-Modified-Since", "2026-01-31T12:00:00.499Z", false},
		{"If-Modified-Since", "2026-01-31T13:00:00+01:00", true},
		{"If-Modified-Since", "yesterday", false},
	} {
		r := &request{header: http.Header{c.name: {c.value}}}
		if got := r.notModified(v); got != c.want {
			t.Errorf("%s: %s gives %v", c.name, c.value, got)
		}
	}
}

func TestNearest(t *testing.T) {
	types := []string{"Patient", "Person", "Practitioner", "Observation", "Encounter"}
	for name, want := range map[string]string{
		"Pateint": "Patient", "patients": "Patient", "OBSERVATION": "Observation", "Practicioner": "Practitioner",
		"Persons": "Person", "X": "", "Xyzzy": "", "favicon.ico": "",
	} {
		if got := fhir.Nearest(name, types); got != want {
			t.Errorf("nearest to %s is %q, want %q", name, got, want)
		}
	}
}

func TestParsePeriod(t *testing.T) {
	for text, want := range map[string][2]string{
		"2020":                      {"2020-01-01T00:00:00Z", "2020-12-31T23:59:59.999999999Z"},
		"2020-02":                   {"2020-02-01T00:00:00Z", "2020-02-29T23:59:59.999999999Z"},
		"2020-02-29":                {"2020-02-29T00:00:00Z", "2020-02-29T23:59:59.999999999Z"},
		"2020-02-29T10:00Z":         {"2020-02-29T10:00:00Z", "2020-02-29T10:00:59.999999999Z"},
		"2020-02-29T10:00:00Z":      {"2020-02-29T10:00:00Z", "2020-02-29T10:00:00.999999999Z"},
		"2020-02-29T10:00:00.5Z":    {"2020-02-29T10:00:00.5Z", "2020-02-29T10:00:00.500999999Z"},
		"2020-02-29T10:00:00 01:00": {"2020-02-29T09:00:00Z", "2020-02-29T09:00:00.999999999Z"},
	} {
		p, err := parsePeriod(search.Pair{Name: "_at", Value: text})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := [2]string{p.from.UTC().Format(time.RFC3339Nano), p.last.UTC().Format(time.RFC3339Nano)}
		if got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", "now", "2020-13", "2020-02-30", "2020-02-29T25:00:00Z"} {
		if _, err := parsePeriod(search.Pair{Name: "_at", Value: text}); fhir.KindOf(err) != fhir.KindInvalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestEncodeQuery(t *testing.T) {
	pairs := []search.Pair{{Name: "code", Value: "http://loinc.org|1-2,a$b"}, {Name: "name:exact", Value: "a b&c=d+é%"}}
	text := encodeQuery(pairs)
	if want := "code=http://loinc.org%7C1-2,a$b&name:exact=a+b%26c%3Dd%2B%C3%A9%25"; text != want {
		t.Fatalf("%s, want %s", text, want)
	}
	back, err := search.Pairs(text)
	if err != nil || len(back) != 2 || back[0] != pairs[0] || back[1] != pairs[1] {
		t.Fatalf("%v, %v", back, err)
	}
	for c := range 256 {
		value := string([]byte{byte(c)})
		want := url.QueryEscape(value)
		if strings.Contains(":/,$*", value) {
			want = value
		}
		if text := encodeQuery([]search.Pair{{Value: value}}); text != "="+want {
			t.Errorf("byte %d is %q, want %q", c, text, want)
		}
	}
}

func TestSplitPath(t *testing.T) {
	for path, want := range map[string]int{"": 0, "/": 0, "//a///b/": 2, "/a%2Fb/c": 2} {
		if parts, err := splitPath(path); err != nil || len(parts) != want {
			t.Errorf("%s gives %q, %v", path, parts, err)
		}
	}
	if _, err := splitPath("/a%zz"); fhir.KindOf(err) != fhir.KindInvalid {
		t.Errorf("%v", err)
	}
}

// FuzzPageToken: no text but one that pageToken made is taken for a token.
func FuzzPageToken(f *testing.F) {
	f.Add("AQAAAAAAAAAA", "Patient?a=b")
	f.Add(makeToken(datastore.NewCursors([]byte("key"), ""), pageToken{kind: pageOfSearch, t: 7, number: 2, cursors: [][]byte{[]byte("x"), []byte("")}}, "a"), "a")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, text, of string) {
		if p, err := parseToken(datastore.NewCursors([]byte("key"), ""), text, pageOfSearch, of); err == nil {
			if makeToken(datastore.NewCursors([]byte("key"), ""), p, of) != text {
				t.Fatalf("%q is taken for a token", text)
			}
		}
	})
}

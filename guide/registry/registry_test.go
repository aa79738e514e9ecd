package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/guide/registry"
)

func fetch(t *testing.T, base, name string, there []string, incomplete bool) (string, error) {
	t.Helper()
	c, err := registry.New(base, registry.Options{MaxPackage: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	packages, err := c.Fetch(context.Background(), name, there, incomplete)
	var names []string
	for _, data := range packages {
		p, err := guide.Read(bytes.NewReader(data), guide.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, p.String())
	}
	return strings.Join(names, " "), err
}

func TestFetch(t *testing.T) {
	needs := func(pairs ...string) map[string]string {
		m := map[string]string{"hl7.fhir.r4.core": "4.0.1"}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	server := guidetest.Registry(t,
		guidetest.Package{Name: "a", Version: "1.0.0", Needs: needs("b", "1.1.x")},
		guidetest.Package{Name: "a", Version: "2.0.0", Needs: needs("b", "1.1.2", "c", "1.0.0")},
		guidetest.Package{Name: "b", Version: "1.1.2"}, guidetest.Package{Name: "b", Version: "1.1.10"}, guidetest.Package{Name: "b", Version: "1.2.0"},
		guidetest.Package{Name: "x", Version: "1.0.0", Needs: needs("y", "1.0.0")}, guidetest.Package{Name: "y", Version: "1.0.0", Needs: needs("x", "1.0.0")},
	)
	for _, test := range []struct {
		name       string
		there      []string
		incomplete bool
		want       string
		kind       fhir.Kind
		text       string
	}{
		{"a@1.0.0", nil, false, "a#1.0.0 b#1.1.10", 0, ""},
		{"a#1.0.0", []string{"b#1.1.3"}, false, "a#1.0.0", 0, ""},
		{"b", nil, false, "b#1.2.0", 0, ""},
		{"a", nil, false, "", fhir.KindNotFound, "has no c"},
		{"a", nil, true, "a#2.0.0 b#1.1.2", 0, ""},
		{"a@9", nil, false, "", fhir.KindNotFound, "has no version 9 of a"},
		{"nothing", nil, true, "", fhir.KindNotFound, "has no nothing"},
		{"../etc", nil, false, "", fhir.KindInvalid, "is not the name of a package"},
		{"x", nil, false, "x#1.0.0 y#1.0.0", 0, ""}, // that it is a circle is for guide to say
	} {
		got, err := fetch(t, server.URL, test.name, test.there, test.incomplete)
		if got != test.want || (err != nil) != (test.text != "") || err != nil && (fhir.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.text)) {
			t.Errorf("%s: %q, %v; want %q, %q", test.name, got, err, test.want, test.text)
		}
	}
}

// TestBadRegistries: what a registry says is not believed.
func TestBadRegistries(t *testing.T) {
	archive := guidetest.Package{Name: "a", Version: "1.0.0"}.Archive(t)
	var listing string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a":
			fmt.Fprint(w, listing)
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case "/large.tgz":
			_, _ = w.Write(make([]byte, 2<<20))
		default:
			_, _ = w.Write(archive)
		}
	}))
	defer server.Close()
	dist := func(format string, args ...any) string {
		return `{"versions":{"1.0.0":{"dist":{` + fmt.Sprintf(format, args...) + `}}}}`
	}
	for name, test := range map[string]struct{ listing, asked, want string }{
		"not JSON":      {"<html>", "a", "cannot be read"},
		"no versions":   {"{}", "a", "names no versions"},
		"no archive":    {dist(``), "a", "names no archive"},
		"elsewhere":     {dist(`"tarball":"http://elsewhere.example.org/a.tgz"`), "a", "nothing is fetched from elsewhere"},
		"altered":       {dist(`"tarball":%q,"integrity":"sha512-AAAA"`, server.URL+"/a.tgz"), "a", "the checksum differs"},
		"altered, old":  {dist(`"tarball":%q,"shasum":"00"`, server.URL+"/a.tgz"), "a", "the checksum differs"},
		"too large":     {dist(`"tarball":%q`, server.URL+"/large.tgz"), "a", "more than 1 MB"},
		"another":       {strings.Replace(dist(`"tarball":%q`, server.URL+"/a.tgz"), "1.0.0", "3.0.0", 1), "a", "is of a#1.0.0"},
		"out of order":  {"", "broken", "answers 500"},
		"good, by path": {dist(`"tarball":"/a.tgz"`), "a", ""},
	} {
		listing = test.listing
		_, err := fetch(t, server.URL, test.asked, nil, false)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	for _, base := range []string{"", "ftp://x", "example.org", "http://x/?a=b"} {
		if _, err := registry.New(base, registry.Options{}); fhir.KindOf(err) != fhir.KindInvalid {
			t.Errorf("%q is taken for the URL of a registry: %v", base, err)
		}
	}
}

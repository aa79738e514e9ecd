package rest_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest"
)

// A fuzzed server is asked without a network.
type fuzzed struct {
	handler http.Handler
	path    string
}

func newFuzzed(f *testing.F) *fuzzed {
	f.Helper()
	z := &fuzzed{path: "/datastore/fuzz/r4"}
	s := newServer(f, func(o *rest.Options) { o.MaxEntries, o.MaxBody = 50, 64<<10 })
	s.create(f, "fuzz")
	z.handler = s.handler
	return z
}

// ask sends a request and fails where the answer is an internal error, or no
// FHIR.
func (z *fuzzed) ask(t *testing.T, req *http.Request) {
	t.Helper()
	w := httptest.NewRecorder()
	z.handler.ServeHTTP(w, req)
	body := w.Body.Bytes()
	if w.Code >= 500 {
		t.Fatalf("%s %s: %d %s", req.Method, req.URL, w.Code, body)
	}
	if len(body) == 0 {
		if w.Code >= 400 && req.Method != http.MethodHead {
			t.Fatalf("%s %s: %d without a body", req.Method, req.URL, w.Code)
		}
		return
	}
	schema := definition.R4().Schema
	var err error
	switch mime := w.Header().Get("Content-Type"); {
	case strings.Contains(req.URL.Path, "$graphql"):
		return
	case strings.Contains(mime, "xml"):
		_, err = fhir.ParseXML(schema, body, fhir.DefaultLimits)
	default:
		_, err = fhir.Parse(schema, body, fhir.DefaultLimits)
	}
	if err != nil {
		t.Fatalf("%s %s: %d, which is no FHIR: %v\n%s", req.Method, req.URL, w.Code, err, body)
	}
}

// FuzzBundle posts bodies to the base URL: whatever they are, the answer is
// FHIR and no internal error.
func FuzzBundle(f *testing.F) {
	for _, body := range []string{
		`{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient?name=x"}}]}`,
		`{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":""}},{"resource":7}]}`,
		`{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=a|b"}},{"resource":{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}},"request":{"method":"PUT","url":"Observation/o","ifMatch":"W/\"1\""}}]}`,
		`{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient?_id=x"}},{"request":{"method":"HEAD","url":"Patient/x/_history/1","ifNoneMatch":"W/\"1\""}}]}`,
		`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W10="},"request":{"method":"PATCH","url":"Patient/x"}}]}`,
		`{"resourceType":"Bundle","type":"message"}`, `{"resourceType":"Patient"}`, `[]`, `<Bundle xmlns="http://hl7.org/fhir"/>`, ``,
	} {
		f.Add([]byte(body), false)
	}
	f.Add([]byte(`<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><request><method value="GET"/><url value="metadata"/></request></entry></Bundle>`), true)
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte, xml bool) {
		req := httptest.NewRequest(http.MethodPost, z.path, bytes.NewReader(body))
		req.Header.Set("Content-Type", "application/fhir+json")
		if xml {
			req.Header.Set("Content-Type", "application/fhir+xml")
		}
		z.ask(t, req)
	})
}

// FuzzRequestLine sends methods, URLs and headers of all sorts.
func FuzzRequestLine(f *testing.F) {
	for _, line := range [][4]string{
		{"GET", "Patient?name=x&_sort=-birthdate", "application/fhir+xml", ""},
		{"GET", "Patient/1/_history/2?_elements=name", "*/*;q=0.1", ""},
		{"POST", "Patient/_search?_format=xml&_pretty=true", "text/html", "return=minimal"},
		{"DELETE", "Patient?identifier=a|b&_count=2", "", "handling=lenient"},
		{"OPTIONS", "//Patient///1//", "", ""},
		{"GET", "$meta", "json", "respond-async"},
		{"GET", "$async/abc", "", ""},
		{"GET", "Patient/%2e%2e/$everything?_type=Observation", "", ""},
		{"HEAD", "metadata?mode=full", "application/fhir+json; fhirVersion=4.0", ""},
		{"PUT", "Patient?_id=1", "", ""}, {"PATCH", "Patient/1", "", ""},
		{"GET", "Patient?_page=AQAAAAAAAAAA", "", ""},
		{"GET", "Observation/$stats?subject=Patient/1&code=x&statistic=count", "", ""},
	} {
		f.Add(line[0], line[1], line[2], line[3])
	}
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, method, below, accept, prefer string) {
		at, err := url.ParseRequestURI(z.path + "/" + below)
		if err != nil || method == "" || strings.Contains(below, "#") {
			t.Skip("no server would hand this on")
		}
		req := (&http.Request{
			Method: method, URL: at, RequestURI: at.RequestURI(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Accept": {accept}, "Prefer": {prefer}}, Body: http.NoBody,
		}).WithContext(t.Context())
		z.ask(t, req)
	})
}

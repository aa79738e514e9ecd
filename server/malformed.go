package server

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest"
)

// malformed answers requests that are no HTTP that is understood: with an
// OperationOutcome where the path is of the FHIR API, or not known, and
// otherwise with an object as OAuth has it.
func malformed(status int, path, detail string) (contentType string, body []byte) {
	says := map[int]string{
		http.StatusRequestHeaderFieldsTooLarge: "the head of the request is too long; send a long search as POST [type]/_search with a form body",
		http.StatusNotImplemented:              "the request's Transfer-Encoding is not offered; send chunks, or a Content-Length",
	}[status]
	if says == "" {
		says = "the request is not HTTP that is understood"
		if detail != "" {
			says += ": " + detail
		}
	}
	if path != "" && !strings.HasPrefix(path, rest.Prefix) && !strings.HasPrefix(path, rest.TenantPrefix) {
		body, _ = json.Marshal(map[string]string{"error": "invalid_request", "error_description": says}) // cannot fail
		return "application/json", body
	}
	code := "invalid"
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		code = "too-long"
	case http.StatusNotImplemented:
		code = "not-supported"
	}
	return "application/fhir+json; charset=utf-8", fhir.AppendOutcome(nil, []fhir.Issue{{Severity: "error", Code: code, Diagnostics: says}})
}

package rest

import (
	"net/http"
	"strings"
)

// The headers that scripts of other origins may read and send.
const (
	exposedHeaders = "Location, Content-Location, Accept-Ranges, Content-Disposition, Content-Range, ETag, Last-Modified, X-Request-Id, Retry-After, Allow, Accept-Patch, Preference-Applied, WWW-Authenticate, X-Progress, X-Export-Status, " + issuesHeader
	allowedHeaders = "Accept, Authorization, Cache-Control, Content-Digest, Content-Encoding, Content-Type, DPoP, Idempotency-Key, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, If-Range, Prefer, Range, Repr-Digest, X-Amz-Content-Sha256, X-Amz-Date, X-Amz-Fhir-History-Consistency-Level, X-Amz-Fhir-Idempotency-Key, X-Api-Key, X-Correlation-Id, " + explainHeader + ", X-Purpose-Of-Use, X-Request-Id, X-Requested-With, X-Security-Context, " + levelHeader
)

// allowOrigin lets scripts of an origin read the answer, without credentials of
// the browser's own (cookies).
func (h *handler) allowOrigin(header http.Header, req *http.Request) {
	if h.Origin != nil && !strings.HasSuffix(req.URL.Path, "/metadata") {
		header.Add("Vary", "Origin")
		allowed := req.Header.Get("Origin")
		if allowed == "" || !h.Origin(req.Context(), allowed) {
			return
		}
		header.Set("Access-Control-Allow-Origin", allowed)
	} else {
		header["Access-Control-Allow-Origin"] = anyOrigin
	}
	// Only scripts need to know, and they say where they are from. The list is
	// as long as all other headers together.
	if req.Header["Origin"] != nil {
		header["Access-Control-Expose-Headers"] = exposed
	}
}

// options answers OPTIONS: what is allowed at a URL, and CORS preflights.
// https://fetch.spec.whatwg.org/#http-cors-protocol
func options(w http.ResponseWriter, r *request) error {
	r.interaction = "options"
	allow := r.allowed()
	header := w.Header()
	header.Set("Allow", allow)
	if strings.Contains(allow, http.MethodPatch) {
		header.Set("Accept-Patch", strings.Join(patchFormats, ", "))
	}
	if r.header.Get("Access-Control-Request-Method") != "" && header.Get("Access-Control-Allow-Origin") != "" {
		header.Set("Access-Control-Allow-Methods", allow)
		header.Set("Access-Control-Allow-Headers", allowedHeaders)
		header.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

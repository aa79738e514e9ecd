package rest

import (
	"net/http"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// parseETag is the opaque tag inside W/"3" or "3".
func parseETag(text string) (tag string, ok bool) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "W/")
	if len(text) < 3 || text[0] != '"' || text[len(text)-1] != '"' {
		return "", false
	}
	tag = text[1 : len(text)-1]
	return tag, !strings.ContainsAny(tag, "\", \t")
}

// ifMatch is the version that If-Match asks for, "" for none, or
// datastore.AnyVersion.
// http://hl7.org/fhir/R4/http.html#concurrency
func (r *request) ifMatch() (string, error) {
	values := r.header.Values("If-Match")
	if len(values) == 0 {
		return "", nil
	}
	if len(values) == 1 && strings.TrimSpace(values[0]) == datastore.AnyVersion {
		return datastore.AnyVersion, nil
	}
	tag, ok := parseETag(values[0])
	if !ok || len(values) > 1 {
		return "", fhir.Errorf(fhir.KindInvalid, `If-Match %q is neither one version's ETag, such as W/"3", nor *`, strings.Join(values, ", ")).At("http.If-Match")
	}
	return tag, nil
}

// matched is what If-Match asks of a read: what is there has one of these tags.
// A weak tag counts: the versions of resources have no other.
// https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1
func (r *request) matched(current, what string) error {
	values := r.header.Values("If-Match")
	if len(values) == 0 || matchesETag(values, current) {
		return nil
	}
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		if _, ok := parseETag(item); !ok {
			return fhir.Errorf(fhir.KindInvalid, `If-Match %q is neither ETags, such as W/"3", nor *`, strings.Join(values, ", ")).At("http.If-Match")
		}
	}
	return fhir.Errorf(fhir.KindPrecondition, `the ETag of %s is W/"%s", and not what If-Match asks for`, what, current).At("http.If-Match")
}

// noIfMatch refuses If-Match where a GET has an answer that is no version of
// anything.
func (r *request) noIfMatch() error {
	if r.method != http.MethodGet || len(r.header.Values("If-Match")) == 0 {
		return nil
	}
	if r.operation == "" {
		switch r.level {
		case levelInstance, levelVersion, levelMetadata, levelContent, levelBulk:
			return nil
		}
	}
	return fhir.Errorf(fhir.KindInvalid, "If-Match has no meaning here: the answer has no ETag; ask so for a resource or a version of it").At("http.If-Match")
}

// noIfNoneMatch refuses If-None-Match with what is done to a resource that exists.
func (r *request) noIfNoneMatch() error {
	if value := r.header.Get("If-None-Match"); value != "" {
		return fhir.Errorf(fhir.KindInvalid, "If-None-Match %q has no meaning here; If-Match asks for the version that is current", value).At("http.If-None-Match")
	}
	return nil
}

// ifNoneMatchAny reports If-None-Match: *, the only form that a write takes.
func (r *request) ifNoneMatchAny() (bool, error) {
	switch value := strings.TrimSpace(r.header.Get("If-None-Match")); value {
	case "":
		return false, nil
	case "*":
		return true, nil
	default:
		return false, fhir.Errorf(fhir.KindInvalid, "If-None-Match %q has no meaning for an update; * asks that the resource does not exist yet", value).At("http.If-None-Match")
	}
}

// ifNoneExist are the criteria of a conditional create, nil for none.
// http://hl7.org/fhir/R4/http.html#ccreate
func (r *request) ifNoneExist() ([]search.Pair, error) {
	values := r.header.Values("If-None-Exist")
	if len(values) == 0 {
		return nil, nil
	}
	text := strings.TrimSpace(values[0])
	if at := strings.IndexByte(text, '?'); at >= 0 && (at == 0 || strings.HasSuffix("/"+text[:at], "/"+r.resourceType)) {
		text = text[at+1:]
	}
	pairs, err := search.Pairs(text)
	if err != nil {
		return nil, err
	}
	return append([]search.Pair{}, pairs...), nil
}

// criteria are the search of a conditional update or delete: empty, not nil,
// where the URL has none.
func (r *request) criteria() []search.Pair {
	return without(r.query, "_format", "_pretty")
}

// notModified reports whether a conditional read may be answered with 304.
// http://hl7.org/fhir/R4/http.html#cread
func (r *request) notModified(v *store.Version) bool {
	if values := r.header.Values("If-None-Match"); len(values) > 0 {
		return matchesETag(values, versionID(v))
	}
	value := r.header.Get("If-Modified-Since")
	if value == "" {
		return false
	}
	since, err := http.ParseTime(value)
	if err != nil {
		// A Bundle entry has an instant. What is neither is ignored, as
		// RFC 9110 asks.
		if since, err = time.Parse(time.RFC3339Nano, value); err != nil {
			return false
		}
	}
	// Compare at the precision that the client was told: Last-Modified has
	// seconds, meta.lastUpdated milliseconds.
	precision := time.Millisecond
	if since.Nanosecond() == 0 {
		precision = time.Second
	}
	return !v.LastUpdated.Truncate(precision).After(since)
}

func matchesETag(values []string, version string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			item = strings.TrimSpace(item)
			if tag, ok := parseETag(item); item == "*" || ok && tag == version {
				return true
			}
		}
	}
	return false
}

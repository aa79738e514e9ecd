package rest

import (
	"mime"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// format is how a response is written.
type format struct {
	// mime is the media type of the response, "" for the default.
	mime   string
	pretty bool
}

// FHIR's own media types; JSON is the default.
const (
	mimeFHIR = "application/fhir+json"
	mimeXML  = "application/fhir+xml"
)

func (f format) contentType() string {
	if f.mime == "" {
		return mimeFHIR + ";charset=utf-8"
	}
	return f.mime + ";charset=utf-8"
}

// mediaTypes are the media types that mean FHIR, with the type that the
// response then has. http://hl7.org/fhir/R4/http.html#mime-type
var mediaTypes = map[string]string{
	"application/fhir+json": mimeFHIR,
	"application/json":      "application/json",
	"text/json":             "text/json",
	"application/json+fhir": mimeFHIR, // before STU3
	"json":                  mimeFHIR,
	"application/fhir+xml":  mimeXML,
	"application/xml":       "application/xml",
	"text/xml":              "text/xml",
	"application/xml+fhir":  mimeXML, // before STU3
	"xml":                   mimeXML,
}

// isXML reports whether a media type, with or without parameters, means FHIR
// in XML.
func isXML(mediaType string) bool {
	if isPlain(mediaType) {
		return false
	}
	base, _, _ := strings.Cut(mediaType, ";")
	return strings.HasSuffix(mediaTypes[strings.ToLower(strings.TrimSpace(base))], "xml")
}

// isPlain reports whether a media type is one of those that nearly every client
// writes for FHIR in JSON, or none, so that it need not be taken apart.
func isPlain(mediaType string) bool {
	switch mediaType {
	case "", mimeFHIR, mimeFHIR + ";charset=utf-8", mimeFHIR + "; charset=utf-8", "application/json":
		return true
	}
	return false
}

// negotiate settles the form of the response: _format before Accept.
// http://hl7.org/fhir/R4/http.html#parameters
func (r *request) negotiate() (err error) {
	r.prefer = parsePrefer(r.header.Values("Prefer"))
	formatName, pretty := r.formatParameters()
	r.format.pretty = pretty == "true"
	if formatName != "" {
		r.format.mime, err = acceptFormat(formatName)
	} else {
		r.format.mime, err = acceptHeader(strings.Join(r.header.Values("Accept"), ","))
	}
	if err == nil && pretty != "true" && pretty != "false" && pretty != "" {
		err = invalidParameter("_pretty", "%q is not true or false", pretty)
	}
	return err
}

// formatParameters finds _format and _pretty in the raw query, which at this
// point may still turn out to be malformed.
func (r *request) formatParameters() (formatName, pretty string) {
	if !strings.Contains(r.rawQuery, "_format") && !strings.Contains(r.rawQuery, "_pretty") {
		return "", ""
	}
	for name, values := range r.http.URL.Query() {
		switch name {
		case "_format":
			formatName = strings.Join(values, ",") // two are neither
		case "_pretty":
			pretty = strings.Join(values, ",")
		}
	}
	return formatName, pretty
}

func acceptFormat(name string) (string, error) {
	// "application/fhir+json" in a URL whose '+' was not escaped has a space.
	base, params, err := mime.ParseMediaType(strings.Replace(name, " ", "+", 1))
	if err == nil {
		if m, ok := mediaTypes[base]; ok && rightVersion(params) {
			return m, nil
		}
	}
	return "", notAcceptable("_format=" + name)
}

// acceptHeader picks the best media range of an Accept header that means FHIR.
// https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
func acceptHeader(header string) (string, error) {
	if header == "" || header == "*/*" || header == mimeFHIR {
		return mimeFHIR, nil
	}
	best, bestQ, refused := "", 0.0, map[string]bool{}
	wildcard := 0.0
	for part := range strings.SplitSeq(header, ",") {
		base, params, err := mime.ParseMediaType(part)
		if err != nil || !rightVersion(params) {
			continue
		}
		q := quality(params)
		m, ok := mediaTypes[base]
		switch {
		case ok && q == 0:
			refused[m] = true
		case ok && q > bestQ:
			best, bestQ = m, q
		case base == "*/*" || base == "application/*":
			wildcard = max(wildcard, q)
		}
	}
	// A browser asks for HTML and then, before anything, for XML; it is better
	// served with JSON.
	browser := strings.Contains(header, "text/html") && wildcard > 0
	if (wildcard > bestQ || browser) && !refused[mimeFHIR] {
		best = mimeFHIR
	}
	if best == "" {
		return "", notAcceptable("Accept: " + header)
	}
	return best, nil
}

// quality is a media range's q, 1 where it has none or a malformed one.
func quality(params map[string]string) float64 {
	text, ok := params["q"]
	if !ok {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || q < 0 || q > 1 {
		return 1
	}
	return q
}

// rightVersion reports whether a media type asks for FHIR R4 or for no version.
// http://hl7.org/fhir/R4/versioning.html#mt-version
func rightVersion(params map[string]string) bool {
	v, ok := params["fhirversion"]
	return !ok || v == "4.0" || v == "4.0.1"
}

func notAcceptable(asked string) error {
	if len(asked) > 200 {
		asked = asked[:200] + "…"
	}
	return fhir.Errorf(fhir.KindNotAcceptable, "%q: nothing of that is offered; ask for application/fhir+json or application/fhir+xml (or application/json, application/xml, text/json, text/xml), with fhirVersion=4.0 or none", asked)
}

// requireFHIR checks the media type of a request body. None at all is read as
// JSON.
func requireFHIR(contentType string) error {
	if isPlain(contentType) {
		return nil
	}
	base, params, err := mime.ParseMediaType(contentType)
	_, ok := mediaTypes[base]
	switch {
	case err != nil || !ok:
		return fhir.Errorf(fhir.KindUnsupportedMedia, "Content-Type %q is not read here; send application/fhir+json or application/fhir+xml", contentType)
	case !rightVersion(params):
		return fhir.Errorf(fhir.KindUnsupportedMedia, "Content-Type %q names another FHIR version; this server speaks fhirVersion=4.0", contentType)
	case !rightCharset(params["charset"]):
		return fhir.Errorf(fhir.KindUnsupportedMedia, "Content-Type %q names another charset; FHIR is UTF-8", contentType)
	}
	return nil
}

func rightCharset(name string) bool {
	switch strings.ToLower(name) {
	case "", "utf-8", "utf8", "us-ascii":
		return true
	}
	return false
}

// isForm reports whether a body is a form.
func isForm(contentType string) bool {
	base, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(base), "application/x-www-form-urlencoded") {
		return false // as nearly always
	}
	_, params, err := mime.ParseMediaType(contentType)
	return err == nil && rightCharset(params["charset"])
}

// requireForm checks the media type of a POST _search body.
func requireForm(contentType string) error {
	if !isForm(contentType) {
		return fhir.Errorf(fhir.KindUnsupportedMedia, "Content-Type %q is not read by _search; send application/x-www-form-urlencoded", contentType)
	}
	return nil
}

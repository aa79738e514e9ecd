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

// mimeFHIR is FHIR's own media type, the default.
const mimeFHIR = "application/fhir+json"

func (f format) contentType() string {
	if f.mime == "" {
		return mimeFHIR + ";charset=utf-8"
	}
	return f.mime + ";charset=utf-8"
}

// jsonTypes are the media types that mean FHIR in JSON, with the type that the
// response then has. http://hl7.org/fhir/R4/http.html#mime-type
var jsonTypes = map[string]string{
	"application/fhir+json": mimeFHIR,
	"application/json":      "application/json",
	"text/json":             "text/json",
	"application/json+fhir": mimeFHIR, // before STU3
	"json":                  mimeFHIR,
}

var xmlTypes = map[string]bool{
	"application/fhir+xml": true, "application/xml": true, "text/xml": true,
	"application/xml+fhir": true, "xml": true,
}

// negotiate settles the form of the response: _format before Accept.
// http://hl7.org/fhir/R4/http.html#parameters
func (r *request) negotiate() (err error) {
	r.prefer = parsePrefer(r.header.Values("Prefer"))
	formatName, pretty := r.formatParameters()
	r.format.pretty = pretty
	if formatName != "" {
		r.format.mime, err = acceptFormat(formatName)
		return err
	}
	r.format.mime, err = acceptHeader(strings.Join(r.header.Values("Accept"), ","))
	return err
}

// formatParameters finds _format and _pretty in the raw query, which at this
// point may still turn out to be malformed.
func (r *request) formatParameters() (formatName string, pretty bool) {
	if !strings.Contains(r.rawQuery, "_format") && !strings.Contains(r.rawQuery, "_pretty") {
		return "", false
	}
	for name, values := range r.http.URL.Query() {
		switch name {
		case "_format":
			formatName = values[0]
		case "_pretty":
			pretty = values[0] == "true"
		}
	}
	return formatName, pretty
}

func acceptFormat(name string) (string, error) {
	// "application/fhir+json" in a URL whose '+' was not escaped has a space.
	base, params, err := mime.ParseMediaType(strings.Replace(name, " ", "+", 1))
	if err == nil {
		if m, ok := jsonTypes[base]; ok && rightVersion(params) {
			return m, nil
		}
	}
	return "", notAcceptable("_format="+name, xmlTypes[base])
}

// acceptHeader picks the best media range of an Accept header that means JSON.
// https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
func acceptHeader(header string) (string, error) {
	if header == "" || header == "*/*" || header == mimeFHIR {
		return mimeFHIR, nil
	}
	best, bestQ, refused, xml := "", 0.0, map[string]bool{}, false
	wildcard := 0.0
	for part := range strings.SplitSeq(header, ",") {
		base, params, err := mime.ParseMediaType(part)
		if err != nil || !rightVersion(params) {
			continue
		}
		xml = xml || xmlTypes[base]
		q := quality(params)
		m, ok := jsonTypes[base]
		switch {
		case ok && q == 0:
			refused[m] = true
		case ok && q > bestQ:
			best, bestQ = m, q
		case base == "*/*" || base == "application/*":
			wildcard = max(wildcard, q)
		}
	}
	if wildcard > bestQ && !refused[mimeFHIR] {
		best = mimeFHIR
	}
	if best == "" {
		return "", notAcceptable("Accept: "+header, xml)
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

func notAcceptable(asked string, xml bool) error {
	if len(asked) > 200 {
		asked = asked[:200] + "…"
	}
	if xml {
		return fhir.Errorf(fhir.KindNotAcceptable, "%q: XML is not offered yet; ask for application/fhir+json", asked)
	}
	return fhir.Errorf(fhir.KindNotAcceptable, "%q: nothing of that is offered; ask for application/fhir+json (or application/json, text/json), with fhirVersion=4.0 or none", asked)
}

// requireJSON checks the media type of a request body. None at all is read as
// JSON, which is the only format there is.
func requireJSON(contentType string) error {
	if contentType == "" {
		return nil
	}
	base, params, err := mime.ParseMediaType(contentType)
	_, ok := jsonTypes[base]
	switch {
	case xmlTypes[base]:
		return fhir.Errorf(fhir.KindUnsupportedMedia, "Content-Type %q: XML is not read yet; send application/fhir+json", contentType)
	case err != nil || !ok:
		return fhir.Errorf(fhir.KindUnsupportedMedia, "Content-Type %q is not read here; send application/fhir+json", contentType)
	case !rightVersion(params):
		return fhir.Errorf(fhir.KindUnsupportedMedia, "Content-Type %q names another FHIR version; this server speaks fhirVersion=4.0", contentType)
	case !rightCharset(params["charset"]):
		return fhir.Errorf(fhir.KindUnsupportedMedia, "Content-Type %q names another charset; FHIR JSON is UTF-8", contentType)
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

// requireForm checks the media type of a POST _search body.
func requireForm(contentType string) error {
	base, params, err := mime.ParseMediaType(contentType)
	if err != nil || base != "application/x-www-form-urlencoded" || !rightCharset(params["charset"]) {
		return fhir.Errorf(fhir.KindUnsupportedMedia, "Content-Type %q is not read by _search; send application/x-www-form-urlencoded", contentType)
	}
	return nil
}

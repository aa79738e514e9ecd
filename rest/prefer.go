package rest

import "strings"

// preference is the Prefer header.
// http://hl7.org/fhir/R4/http.html#ops and https://www.rfc-editor.org/rfc/rfc7240
type preference struct {
	// give is what a write answers with; "" is the default, the
	// representation (in a Bundle: nothing).
	give returnPreference
	// lenient makes a search leave out what it does not know.
	lenient bool
	// async asks that what takes long is answered later.
	async bool
	// presigned asks for a signed URL in the place of a Binary's content; length
	// and sha256 are its parameters.
	presigned      bool
	length, sha256 string
}

type returnPreference string

const (
	returnMinimal        returnPreference = "minimal"
	returnRepresentation returnPreference = "representation"
	returnOutcome        returnPreference = "OperationOutcome"
)

// parsePrefer reads Prefer headers. What is unknown is ignored, as RFC 7240
// asks; the first mention of a preference counts.
func parsePrefer(values []string) preference {
	var p preference
	handling := ""
	for _, value := range values {
		for item := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == ',' || c == ';' }) {
			name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "presigned":
				p.presigned = true
			case "length":
				p.length = value
			case "sha256":
				p.sha256 = value
			case "respond-async":
				p.async = true
			case "return":
				switch v := returnPreference(value); v {
				case returnMinimal, returnRepresentation, returnOutcome:
					if p.give == "" {
						p.give = v
					}
				}
			case "handling":
				if handling == "" {
					handling = value
				}
			}
		}
	}
	p.lenient = handling == "lenient"
	return p
}

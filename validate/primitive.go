package validate

import (
	"strings"
	"unicode/utf8"

	"github.com/tarnhealth/tarn/fhir"
)

// format checks a primitive's own rules.
// http://hl7.org/fhir/R4/datatypes.html#primitive
func (w *walker) format(n fhir.Node, p *propertyCheck) {
	text := n.View()
	if p.typeName == "decimal" && isPlainDecimal(text) {
		return
	}
	if p.form != nil && p.form(text) == "" {
		return
	}
	if err := fhir.CheckPrimitive(p.typeName, text); err != nil {
		w.report(n, "value", "%v", err)
	}
}

// isPlainDecimal reports whether a JSON number, whose form the reader has
// checked, is so short that no limit on decimals can matter.
func isPlainDecimal(number string) bool {
	return len(number) <= 32 && !strings.ContainsAny(number, "eE")
}

func (w *walker) length(n fhir.Node, p *propertyCheck) {
	if got := utf8.RuneCountInString(n.View()); got > p.maxLength {
		w.report(n, "too-long", "the value has %d characters; at most %d are allowed", got, p.maxLength)
	}
}

// isMIME reports whether a code has the form of a BCP 13 media type:
// "type/subtype", with parameters after ";". The short names of FHIR's own
// formats stand for theirs.
// http://hl7.org/fhir/R4/http.html#mime-type
func isMIME(code string) bool {
	switch code {
	case "xml", "json", "ttl":
		return true
	}
	media, _, _ := strings.Cut(code, ";")
	kind, sub, ok := strings.Cut(strings.TrimSpace(media), "/")
	return ok && isToken(kind) && isToken(sub)
}

// isToken follows RFC 6838 section 4.2, loosely.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

package bearer

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/token"
)

// purposeHeader declares the purpose of use of a request: a code of
// v3-PurposeOfUse, "system|code" or the code alone.
// https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html
const purposeHeader = "X-Purpose-Of-Use"

// purposeOf is what a request is made for: what it declares, of that what the
// credential or the policy lets it declare; else what the credential says, where
// that is one purpose. Whether the caller may break the glass, authz decides.
func purposeOf(r *http.Request, claims *token.Claims, policy *authz.Policy) (string, error) {
	values := r.Header[purposeHeader]
	granted := purposesOf(claims)
	if len(values) == 0 {
		if len(granted) == 1 {
			return granted[0], nil
		}
		return "", nil
	}
	asked := codeOf(values[0])
	switch {
	case len(values) > 1:
		return "", fhir.Errorf(fhir.KindInvalid, "the request has %d %s headers; it must have one", len(values), purposeHeader)
	case !isCode(asked):
		return "", fhir.Errorf(fhir.KindInvalid, "the header %s must be a code of v3-PurposeOfUse, such as TREAT", purposeHeader)
	case policy.Consent.Default == "", asked == authz.PurposeBreakGlass, slices.Contains(granted, asked), slices.Contains(policy.Consent.Declare, asked):
		return asked, nil
	}
	return "", fhir.Errorf(fhir.KindForbidden, "this caller may not declare the purpose of use %s: its token does not say so, and access.consent.declare does not list it", asked)
}

// codeOf is the code of "system|code", "urn:oid:…#code" or "code".
func codeOf(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexAny(text, "|#")+1:]
}

// isCode reports whether a text looks like a code of v3-ActReason.
func isCode(text string) bool {
	return text != "" && len(text) <= 20 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// purposesOf are the purposes that a token is for: its claim purpose_of_use, or
// that of the extensions of IHE IUA and UDAP.
// https://profiles.ihe.net/ITI/IUA/ https://hl7.org/fhir/us/udap-security/b2b.html
func purposesOf(claims *token.Claims) []string {
	all := textsOf(claims.Extra["purpose_of_use"])
	extensions, _ := claims.Extra["extensions"].(map[string]any)
	for _, name := range []string{"ihe_iua", "hl7-b2b"} {
		if extension, ok := extensions[name].(map[string]any); ok {
			all = append(all, textsOf(extension["purpose_of_use"])...)
		}
	}
	for i, text := range all {
		all[i] = codeOf(text)
	}
	return all
}

// clearanceOf is the claim clearance, a code of v3-Confidentiality, and
// security_labels, each "system|code".
func clearanceOf(claims *token.Claims) (level string, labels []string) {
	level, _ = claims.Extra["clearance"].(string)
	return level, textsOf(claims.Extra["security_labels"])
}

// textsOf are the texts of a claim: one, several, or those of codings.
func textsOf(claim any) []string {
	switch claim := claim.(type) {
	case string:
		return strings.Fields(claim)
	case []any:
		var all []string
		for _, one := range claim {
			all = append(all, textsOf(one)...)
		}
		return all
	case map[string]any:
		system, _ := claim["system"].(string)
		if code, ok := claim["code"].(string); ok {
			return []string{system + "|" + code}
		}
	}
	return nil
}

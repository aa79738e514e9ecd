package rest

import (
	"regexp"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// keyHeaders name a create, so that a client which did not get the answer can
// send it again: HealthLake's header, and the one that the IETF drafts.
var keyHeaders = []string{"X-Amz-Fhir-Idempotency-Key", "Idempotency-Key"}

var validKey = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

// idempotencyKey is the key of a request, "" for none.
func (r *request) idempotencyKey() (string, error) {
	for _, name := range keyHeaders {
		// The draft writes it as a string of a structured field, in quotes; and a
		// UUID is the same in capitals. https://www.rfc-editor.org/rfc/rfc9562#section-4
		key := strings.ToLower(strings.Trim(r.header.Get(name), `"`))
		if key == "" {
			continue
		}
		if !validKey.MatchString(key) {
			return "", fhir.Errorf(fhir.KindInvalid, "%s %q is not a UUID, such as 4f0c2d7e-53b1-4f6c-9a51-0d6a1c2b3e4f", name, key).At("http." + name)
		}
		return key, nil
	}
	return "", nil
}

// refuseKey refuses a key where it would not be honoured.
func (r *request) refuseKey() error {
	for _, name := range keyHeaders {
		if r.header.Get(name) != "" {
			return fhir.Errorf(fhir.KindNotSupported, "%s belongs to a create; in a Bundle use conditional creates (ifNoneExist) or updates", name).At("http." + name)
		}
	}
	return nil
}

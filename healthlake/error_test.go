package healthlake_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/sigv4"
)

// TestErrorsOfOthers are those of what lies below, without their causes.
func TestErrorsOfOthers(t *testing.T) {
	var fault error
	s := start(t, func(c *healthlake.Config) {
		c.Authenticate = func(*http.Request) (sigv4.Key, error) { return sigv4.Key{}, fault }
	})
	caller := s.caller(sigv4.Key{Role: sigv4.RoleAdmin})
	for _, test := range []struct {
		fault  error
		status int
		code   string
		told   string
	}{
		{fhir.Errorf(fhir.KindUnavailable, "told").Because(errors.New("hidden")), 503, "ServiceUnavailableException", "told"},
		{fhir.Errorf(fhir.KindConflict, "told").Because(errors.New("hidden")), 400, "ConflictException", "told"},
		{fhir.Errorf(fhir.KindInternal, "hidden"), 500, "InternalServerException", "request id"},
		{errors.New("hidden"), 500, "InternalServerException", "request id"},
	} {
		fault = test.fault
		a := caller.do("ListFHIRDatastores", `{}`)
		if a.status != test.status || a.code != test.code || !strings.Contains(a.message, test.told) || strings.Contains(a.body, "hidden") {
			t.Errorf("%v: %d %s", test.fault, a.status, a.body)
		}
		if (a.header.Get("Retry-After") != "") != (test.status == 503) {
			t.Errorf("%v: Retry-After %q", test.fault, a.header.Get("Retry-After"))
		}
	}
}

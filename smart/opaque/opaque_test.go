package opaque_test

import (
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/smart/opaque"
)

func TestSecrets(t *testing.T) {
	a, b := opaque.New(), opaque.New()
	if a == b || len(a) != 43 {
		t.Errorf("secrets %q and %q", a, b)
	}
	if !opaque.Same(a, opaque.Key(a)) || opaque.Same(a, opaque.Key(b)) || opaque.Same("", "") {
		t.Error("secrets are compared wrongly")
	}
}

// The example of RFC 7636 appendix B, and what is not one.
func TestPKCE(t *testing.T) {
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	if !opaque.Verifies(verifier, challenge) {
		t.Error("the example of RFC 7636 does not verify")
	}
	for _, wrong := range []string{"", challenge, verifier[1:], verifier + "=", strings.Repeat("a", 129)} {
		if opaque.Verifies(wrong, challenge) {
			t.Errorf("%q verifies", wrong)
		}
	}
	for _, c := range []struct{ challenge, method, problem string }{
		{challenge, "S256", ""}, {"", "S256", "missing"}, {challenge, "plain", "S256"}, {challenge, "", "S256"}, {challenge + "=", "S256", "43"},
	} {
		got := opaque.CheckChallenge(c.challenge, c.method)
		if (got == "") != (c.problem == "") || !strings.Contains(got, c.problem) {
			t.Errorf("%q %q: %q", c.challenge, c.method, got)
		}
	}
}

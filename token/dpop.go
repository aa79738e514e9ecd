package token

import (
	"net/http"
	"time"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/kv"
)

// ProofsConfig for NewProofs.
type ProofsConfig struct {
	DB  kv.DB
	Box *crypt.Box
	// BaseURL is the server's, "https://fhir.example.org": what proofs must
	// name is its scheme and host and the path of the request.
	BaseURL string
	// RequireNonce asks for a nonce of this server in every proof.
	RequireNonce bool
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// Proofs checks DPoP proofs. https://www.rfc-editor.org/rfc/rfc9449
type Proofs struct{ cfg ProofsConfig }

// NewProofs makes the checker of a server.
func NewProofs(cfg ProofsConfig) *Proofs { return &Proofs{cfg} }

// CheckProof checks the DPoP header of a request and returns the thumbprint of
// the key it was made with, "" and no error where there is no such header.
// accessToken is the token that the request presents, which the proof must
// name; "" at the token endpoint. A refused proof is an *Error with the code
// InvalidProof, or UseNonce: then the answer carries Nonce in its DPoP-Nonce
// header.
func (p *Proofs) CheckProof(r *http.Request, accessToken string) (thumbprint string, err error) {
	return "", errLater
}

// Nonce is what the next proofs may hold, for the DPoP-Nonce header of answers.
// It is good for several minutes, in every process with the same master key.
func (p *Proofs) Nonce() string { return "" }

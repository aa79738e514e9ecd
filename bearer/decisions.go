package bearer

import (
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/recall"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/token"
)

// A basis is what a decision is made on. A Verifier gives the same claims for a
// token as long as they say the same; where it does not, the decision is only
// made again. None of it holds the token.
type basis struct {
	claims   *token.Claims
	store    *datastore.Store
	policy   *authz.Policy
	purpose  string
	registry *search.Registry
	identity *datastore.IdentityProvider
}

// decisions remembers what was decided.
type decisions = recall.Cache[basis, authz.Access]

package smart

import (
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/recall"
	"github.com/tarnhealth/tarn/token"
)

// verified remembers which tokens were not revoked, and after how many changes
// of the records that was so: any change may be a revocation.
type verified struct {
	known *recall.Cache[*token.Claims, uint64]
	// records is nil where others change them too.
	records kv.Counter
}

// maxVerified is how many tokens are remembered, at least.
const maxVerified = 10_000

func newVerified(db kv.DB) *verified {
	v := &verified{known: recall.New[*token.Claims, uint64](maxVerified)}
	v.records, _ = db.(kv.Counter)
	return v
}

// check asks whether a token is good where that is not known: look returns nil
// where it is. A token with these claims must be verified already.
func (v *verified) check(claims *token.Claims, look func() error) error {
	if v.records == nil {
		return look()
	}
	changes := v.records.Changes()
	if at, ok := v.known.Get(claims); ok && at == changes {
		return nil
	}
	err := look()
	if err == nil {
		v.known.Put(claims, changes)
	}
	return err
}

package bearer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/sigv4"
	"github.com/tarnhealth/tarn/throttle"
	"github.com/tarnhealth/tarn/token"
)

// Failures limits requests whose credentials are wrong. Whoever has good ones is
// not held back by what others at the same address do: what this server can
// check by itself it does check, and only the refusal turns from 401 into 429.
// What it has to ask another server about it does not ask any more, but for
// credentials that were good a short time ago.
type Failures struct {
	// Address is the network address of a request's client.
	Address func(*http.Request) string
	// Of are the failures of each network, Store those of each data store that
	// took a question to another server. nil sets no limit.
	Of, Store *throttle.Failures
}

// gate is asked before another server is asked about a credential.
func (f *Failures) gate(r *http.Request, ds *datastore.Store) func() error {
	return func() error {
		wait := max(f.Of.Wait(throttle.Network(f.Address(r))), f.Store.Wait(ds.Record().ID))
		if wait == 0 {
			return nil
		}
		return &token.Error{Code: token.SlowDown, Description: "too many", Wait: wait}
	}
}

// counted is the answer to a request that was refused because of its
// credential: the refusal, or a request to wait.
func (f *Failures) counted(r *http.Request, ds *datastore.Store, cause, refusal error) error {
	var refused *token.Error
	known := errors.As(cause, &refused)
	switch {
	case f == nil, fhir.KindOf(refusal) != fhir.KindUnauthenticated, errors.Is(cause, errMissing), known && refused.Code == token.UseNonce:
		return refusal
	case known && refused.Genuine:
		// A client that goes on with a token of yesterday is no guesser, and
		// must learn that it needs another.
		return slowed(f.Of.Count("credential "+credentialKey(r)), refusal)
	}
	wait := f.Of.Count(throttle.Network(f.Address(r)))
	if wait == 0 && known && asksOthers(ds) {
		f.Store.Count(ds.Record().ID)
	}
	return slowed(wait, refusal)
}

// countKey counts a request whose API key is wrong, by the client that sends it.
func (f *Failures) countKey(r *http.Request, client string, refusal error) error {
	if f == nil || fhir.KindOf(refusal) != fhir.KindForbidden || len(r.Header["X-Api-Key"]) == 0 {
		return refusal
	}
	return slowed(f.Of.Count("key "+throttle.Network(f.Address(r))+" "+client), refusal)
}

// Signed limits how often signatures may be wrong that verify checks, where that
// is no request to a data store.
func (f *Failures) Signed(verify func(*http.Request) (sigv4.Key, error)) func(*http.Request) (sigv4.Key, error) {
	return func(r *http.Request) (sigv4.Key, error) {
		key, err := verify(r)
		var refused *sigv4.Error
		if !errors.As(err, &refused) || refused.Code == sigv4.CodeMissing || refused.Code == sigv4.CodeTooLarge {
			return key, err
		}
		return key, slowed(f.Of.Count(throttle.Network(f.Address(r))), err)
	}
}

// asksOthers reports whether other servers decide about tokens of a data store.
func asksOthers(ds *datastore.Store) bool {
	p := ds.Identity()
	if p == nil {
		return false
	}
	if p.Function != "" {
		return true
	}
	for _, x := range p.Externals() {
		if x.IntrospectionURL != "" {
			return true
		}
	}
	return false
}

func credentialKey(r *http.Request) string {
	sum := sha256.Sum256([]byte(r.Header.Get("Authorization")))
	return hex.EncodeToString(sum[:])
}

// slowed is the refusal, or a request to wait for some time.
func slowed(wait time.Duration, refusal error) error {
	if wait == 0 {
		return refusal
	}
	seconds := max(1, int(math.Ceil(wait.Seconds())))
	return fhir.Errorf(fhir.KindThrottled, "too many requests with wrong credentials came from here; wait %s before the next, and send good ones", time.Duration(seconds)*time.Second).
		With("Retry-After", strconv.Itoa(seconds))
}

package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/kv"
)

// JWKSMaxAge is how long others may cache Keys.JWKS: less than
// KeysConfig.Ahead, so that nobody misses a key.
const JWKSMaxAge = 5 * time.Minute

// purpose is what private keys are sealed for.
const purpose = "token signing key"

// A keyRecord is a signing key in kv.
type keyRecord struct {
	KeyInfo
	// Sealed is the private key in PKCS #8, sealed.
	Sealed []byte `json:"sealed"`
}

var keyTable = kv.NewTable[keyRecord]("token.keys")

// A signingKey is a key in memory.
type signingKey struct {
	KeyInfo
	public jose.JSONWebKey
	// signers are by the header typ.
	signers map[string]jose.Signer
}

// A keyState is what kv held at a time. It is immutable.
type keyState struct {
	at   time.Time
	keys []*signingKey // by Active
	jwks []byte
}

// reload is how old a state may be: other processes' rotations are seen in time
// before the new keys sign.
func (k *Keys) reload() time.Duration { return min(k.cfg.Ahead/4, time.Minute) }

// state is what kv holds, or held a short time ago.
func (k *Keys) state(ctx context.Context) (*keyState, error) {
	state := k.current.Load()
	if age := k.cfg.Now().Sub(state.at); age >= 0 && age < k.reload() {
		return state, nil
	}
	if !k.loading.TryLock() {
		return state, nil // somebody else is at it
	}
	k.loading.Unlock()
	return k.load(ctx)
}

func (k *Keys) load(ctx context.Context) (*keyState, error) {
	k.loading.Lock()
	defer k.loading.Unlock()
	state := &keyState{at: k.cfg.Now()}
	known := k.current.Load()
	err := k.cfg.DB.View(ctx, func(tx kv.Tx) error {
		state.keys = nil
		for record, err := range keyTable.All(tx) {
			if err != nil {
				return err
			}
			key, err := k.open(known, record.Value)
			if err != nil {
				return err
			}
			state.keys = append(state.keys, key)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("token: reading the signing keys: %w", err)
	}
	slices.SortFunc(state.keys, func(a, b *signingKey) int { return a.Active.Compare(b.Active) })
	if state.jwks, err = state.marshal(); err != nil {
		return nil, err
	}
	k.current.Store(state)
	return state, nil
}

// open unseals a key, unless it is in memory already.
func (k *Keys) open(known *keyState, r keyRecord) (*signingKey, error) {
	if known != nil {
		if key := known.key(r.ID); key != nil {
			again := *key
			again.KeyInfo = r.KeyInfo
			return &again, nil
		}
	}
	der, err := k.cfg.Box.Open(purpose, r.Sealed)
	if err != nil {
		return nil, fmt.Errorf("the signing key %s: %w", r.ID, err)
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("the signing key %s: %w", r.ID, err)
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the signing key %s cannot sign", r.ID)
	}
	key := &signingKey{KeyInfo: r.KeyInfo, signers: map[string]jose.Signer{}}
	key.public = jose.JSONWebKey{Key: signer.Public(), KeyID: r.ID, Algorithm: r.Algorithm, Use: "sig"}
	for _, typ := range []string{typeAccess, typeID} {
		with := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(r.Algorithm), Key: jose.JSONWebKey{Key: private, KeyID: r.ID}}
		if key.signers[typ], err = jose.NewSigner(with, (&jose.SignerOptions{}).WithType(jose.ContentType(typ))); err != nil {
			return nil, fmt.Errorf("the signing key %s: %w", r.ID, err)
		}
	}
	return key, nil
}

func (s *keyState) key(id string) *signingKey {
	for _, key := range s.keys {
		if key.ID == id {
			return key
		}
	}
	return nil
}

// signing is the newest key of an algorithm that is active.
func (s *keyState) signing(algorithm string, now time.Time) *signingKey {
	var found *signingKey
	for _, key := range s.keys {
		if key.Algorithm == algorithm && !key.Active.After(now) {
			found = key
		}
	}
	return found
}

// missing are the algorithms that no key is for.
func (s *keyState) missing() []string {
	return slices.DeleteFunc(slices.Clone(ownAlgorithms), func(algorithm string) bool {
		return slices.ContainsFunc(s.keys, func(key *signingKey) bool { return key.Algorithm == algorithm })
	})
}

func (s *keyState) marshal() ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range s.keys {
		set.Keys = append(set.Keys, key.public)
	}
	return json.Marshal(set)
}

// JWKS is the public key set as JSON: the keys that sign, those that will next,
// and those that signed tokens that may still be valid. It may be cached for
// JWKSMaxAge.
func (k *Keys) JWKS(ctx context.Context) ([]byte, error) {
	state, err := k.state(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(state.jwks), nil
}

// List tells the signing keys, the oldest first.
func (k *Keys) List(ctx context.Context) ([]KeyInfo, error) {
	state, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	var list []KeyInfo
	for _, key := range state.keys {
		list = append(list, key.KeyInfo)
	}
	return list, nil
}

// Rotate makes new keys. They are published at once and sign after
// KeysConfig.Ahead; the old ones verify until all that they signed has expired.
func (k *Keys) Rotate(ctx context.Context) error {
	return k.replace(ctx, k.cfg.Ahead, func(tx kv.Tx, old keyRecord, at time.Time) error {
		if old.Retired.IsZero() || old.Retired.After(at) {
			old.Retired = at
			old.Expires = at.Add(MaxLifetime + Leeway)
		}
		return keyTable.Put(tx, old.ID, old, old.Expires)
	})
}

// RotateIfOlder rotates where the newest keys are older than age, for calling
// now and then. Two processes that do so at once make one set of keys too many,
// which does no harm.
func (k *Keys) RotateIfOlder(ctx context.Context, age time.Duration) (rotated bool, err error) {
	state, err := k.load(ctx)
	if err != nil {
		return false, err
	}
	for _, key := range state.keys {
		if k.cfg.Now().Sub(key.Created) < age {
			return false, nil
		}
	}
	return true, k.Rotate(ctx)
}

// Revoke replaces the keys at once, for when a private key may have leaked:
// whatever the old keys signed is refused, in other processes within a minute.
func (k *Keys) Revoke(ctx context.Context) error {
	return k.replace(ctx, 0, func(tx kv.Tx, old keyRecord, _ time.Time) error { return keyTable.Delete(tx, old.ID) })
}

// replace adds keys that begin to sign after ahead, and hands the others to
// retire.
func (k *Keys) replace(ctx context.Context, ahead time.Duration, retire func(tx kv.Tx, old keyRecord, at time.Time) error) error {
	now := k.cfg.Now().UTC()
	fresh, err := k.makeKeys(ownAlgorithms, now, now.Add(ahead))
	if err != nil {
		return err
	}
	err = k.cfg.DB.Update(ctx, func(tx kv.Tx) error {
		var old []keyRecord
		for record, err := range keyTable.All(tx) {
			if err != nil {
				return err
			}
			old = append(old, record.Value)
		}
		for _, record := range old {
			if err := retire(tx, record, now.Add(ahead)); err != nil {
				return err
			}
		}
		return putKeys(tx, fresh)
	})
	if err != nil {
		return fmt.Errorf("token: replacing the signing keys: %w", err)
	}
	_, err = k.load(ctx)
	return err
}

func putKeys(tx kv.Tx, records []keyRecord) error {
	for _, r := range records {
		if err := keyTable.Put(tx, r.ID, r, r.Expires); err != nil {
			return err
		}
	}
	return nil
}

// makeMissing makes keys for algorithms that have none, unless another process
// is faster.
func (k *Keys) makeMissing(ctx context.Context, algorithms []string) error {
	now := k.cfg.Now().UTC()
	fresh, err := k.makeKeys(algorithms, now, now)
	if err != nil {
		return err
	}
	err = k.cfg.DB.Update(ctx, func(tx kv.Tx) error {
		var wanted []keyRecord
		have := map[string]bool{}
		for record, err := range keyTable.All(tx) {
			if err != nil {
				return err
			}
			have[record.Value.Algorithm] = true
		}
		for _, r := range fresh {
			if !have[r.Algorithm] {
				wanted = append(wanted, r)
			}
		}
		return putKeys(tx, wanted)
	})
	if err != nil {
		return fmt.Errorf("token: making the signing keys: %w", err)
	}
	return nil
}

func (k *Keys) makeKeys(algorithms []string, created, active time.Time) ([]keyRecord, error) {
	var records []keyRecord
	for _, algorithm := range algorithms {
		der, err := generate(algorithm)
		if err != nil {
			return nil, fmt.Errorf("token: making a key for %s: %w", algorithm, err)
		}
		info := KeyInfo{ID: rand.Text(), Algorithm: algorithm, Created: created, Active: active}
		records = append(records, keyRecord{KeyInfo: info, Sealed: k.cfg.Box.Seal(purpose, der)})
	}
	return records, nil
}

// generate makes a private key, in PKCS #8.
func generate(algorithm string) ([]byte, error) {
	var private any
	var err error
	switch algorithm {
	case ES384:
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RS256, RS384:
		private, err = rsa.GenerateKey(rand.Reader, minRSA)
	default:
		err = errors.New("the algorithm is not known")
	}
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(private)
}

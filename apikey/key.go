package apikey

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
)

// A Key is an API key, without its secret.
type Key struct {
	// ID is 16 characters of a-z and 2-7.
	ID string `json:"id"`
	// Name is for people; it may be "".
	Name string `json:"name,omitempty"`
	// Client is the id of the only client that may use it; "" for any.
	Client string `json:"client,omitempty"`
	// DataStores are the ids of the data stores it is for; empty for all.
	DataStores []string `json:"dataStores,omitempty"`
	Plan
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created"`
}

// A Plan is how much a key may be used.
type Plan struct {
	// Rate is how many requests a second are allowed in the long run, Burst how
	// many may come at once; a Rate of 0 is no limit.
	Rate  float64 `json:"rate,omitempty"`
	Burst int     `json:"burst,omitempty"`
	// Quota is how many requests are allowed in a Period; 0 is no limit.
	Quota  int64  `json:"quota,omitempty"`
	Period Period `json:"period,omitempty"`
}

// A Period is what a quota is for. Periods begin at midnight UTC: a week on
// Monday, a month on its first day.
type Period string

// The periods.
const (
	Day   Period = "day"
	Week  Period = "week"
	Month Period = "month"
)

// bounds are the beginning and the end of the period that a time is in.
func (p Period) bounds(at time.Time) (from, to time.Time) {
	year, month, day := at.UTC().Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	switch p {
	case Week:
		from = midnight.AddDate(0, 0, -int(midnight.Weekday()+6)%7)
		return from, from.AddDate(0, 0, 7)
	case Month:
		from = midnight.AddDate(0, 0, 1-day)
		return from, from.AddDate(0, 1, 0)
	}
	return midnight, midnight.AddDate(0, 0, 1)
}

// hashedKey is a key as stored. Hash is the SHA-256 of its secret, which is
// random and too long to be guessed.
type hashedKey struct {
	Key
	Hash []byte `json:"hash"`
}

// Keys are the API keys of a server. It is safe for concurrent use. Every
// request looks its key up, so that a change counts at once.
type Keys struct {
	db    kv.DB
	now   func() time.Time
	table kv.Table[hashedKey]
	usage kv.Table[int64]

	mu     sync.Mutex
	meters map[string]*meter
}

// NewKeys opens the keys in a DB. now is the clock; nil for time.Now.
func NewKeys(db kv.DB, now func() time.Time) *Keys {
	if now == nil {
		now = time.Now
	}
	return &Keys{db: db, now: now, table: kv.NewTable[hashedKey]("api-key"), usage: kv.NewTable[int64]("api-key-usage"), meters: map[string]*meter{}}
}

var validStore = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// Greatest numbers of a plan.
const (
	maxRate  = 1_000_000
	maxQuota = 1_000_000_000_000
)

func (k Key) check() error {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case len(k.Name) > 256 || strings.ContainsFunc(k.Name, unprintable):
		return fhir.Errorf(fhir.KindInvalid, "the name of an API key must be at most 256 bytes of printable text")
	case len(k.Client) > 256 || strings.ContainsFunc(k.Client, unprintable):
		return fhir.Errorf(fhir.KindInvalid, "the client of an API key must be the id of one")
	case len(k.DataStores) > 100:
		return fhir.Errorf(fhir.KindInvalid, "an API key may name at most 100 data stores")
	}
	for _, id := range k.DataStores {
		if !validStore.MatchString(id) {
			return fhir.Errorf(fhir.KindInvalid, "%q is not the id of a data store", id)
		}
	}
	return k.Plan.check()
}

func (p Plan) check() error {
	switch {
	case !(p.Rate >= 0 && p.Rate <= maxRate) || p.Burst < 0 || p.Burst > maxRate:
		return fhir.Errorf(fhir.KindInvalid, "the rate and the burst of an API key must be numbers from 0 to %d", maxRate)
	case (p.Rate > 0) != (p.Burst > 0):
		return fhir.Errorf(fhir.KindInvalid, "an API key has a rate and a burst, or neither")
	case p.Quota < 0 || p.Quota > maxQuota:
		return fhir.Errorf(fhir.KindInvalid, "the quota of an API key must be a number from 0 to %d", int64(maxQuota))
	case p.Quota > 0 && p.Period != Day && p.Period != Week && p.Period != Month:
		return fhir.Errorf(fhir.KindInvalid, "the quota of an API key is for a %s, a %s or a %s", Day, Week, Month)
	case p.Quota == 0 && p.Period != "":
		return fhir.Errorf(fhir.KindInvalid, "an API key without a quota has no period")
	}
	return nil
}

// Create makes a key with everything but an ID and the time. Its value, for the
// header X-Api-Key, is not to be had again.
func (k *Keys) Create(ctx context.Context, asked Key) (made Key, value string, err error) {
	if err := asked.check(); err != nil {
		return Key{}, "", err
	}
	random := make([]byte, 10+30)
	rand.Read(random) // never fails
	made = asked
	made.ID = strings.ToLower(base32.StdEncoding.EncodeToString(random[:10]))
	made.Created, made.Disabled = k.now().UTC(), false
	secret := base64.RawURLEncoding.EncodeToString(random[10:])
	err = k.db.Update(ctx, func(tx kv.Tx) error {
		return k.table.Put(tx, made.ID, hashedKey{made, hash(secret)}, time.Time{})
	})
	return made, made.ID + "." + secret, err
}

func hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// List returns all keys, oldest first.
func (k *Keys) List(ctx context.Context) ([]Key, error) {
	var list []Key
	err := k.db.View(ctx, func(tx kv.Tx) error {
		list = nil
		for r, err := range k.table.All(tx) {
			if err != nil {
				return err
			}
			list = append(list, r.Value.Key)
		}
		return nil
	})
	slices.SortStableFunc(list, func(a, b Key) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// Change gives a key another plan, disables it, or enables it again; the rest of
// it stays. KindNotFound where it is not there.
func (k *Keys) Change(ctx context.Context, id string, plan Plan, disabled bool) (Key, error) {
	if err := plan.check(); err != nil {
		return Key{}, err
	}
	return k.change(ctx, id, func(tx kv.Tx, key *hashedKey) error {
		key.Plan, key.Disabled = plan, disabled
		return k.table.Put(tx, id, *key, time.Time{})
	})
}

// Delete forgets a key; KindNotFound where it is not there.
func (k *Keys) Delete(ctx context.Context, id string) (Key, error) {
	key, err := k.change(ctx, id, func(tx kv.Tx, _ *hashedKey) error { return k.table.Delete(tx, id) })
	if err == nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.meters, id)
	}
	return key, err
}

func (k *Keys) change(ctx context.Context, id string, change func(kv.Tx, *hashedKey) error) (Key, error) {
	var key hashedKey
	err := k.db.Update(ctx, func(tx kv.Tx) (err error) {
		if key, err = k.table.Get(tx, id); err != nil {
			return err
		}
		return change(tx, &key)
	})
	if errors.Is(err, kv.ErrNotFound) {
		err = fhir.Errorf(fhir.KindNotFound, "there is no API key %q", id)
	}
	return key.Key, err
}

// Check counts a request with the values of its headers X-Api-Key, by a client
// at a data store. The error is a *fhir.Error: KindForbidden where the key is
// missing, not known, or for others; KindThrottled, with Retry-After, where it
// is used up.
func (k *Keys) Check(ctx context.Context, values []string, client, store string) (Key, error) {
	if len(values) != 1 {
		return Key{}, fhir.Errorf(fhir.KindForbidden, "this request needs one header X-Api-Key; it has %d", len(values))
	}
	id, secret, _ := strings.Cut(values[0], ".")
	var key hashedKey
	err := k.db.View(ctx, func(tx kv.Tx) (err error) {
		key, err = k.table.Get(tx, id)
		return err
	})
	known := err == nil && subtle.ConstantTimeCompare(key.Hash, hash(secret)) == 1
	switch {
	case err != nil && !errors.Is(err, kv.ErrNotFound):
		return Key{}, err
	case !known || key.Disabled:
		return Key{}, fhir.Errorf(fhir.KindForbidden, "the API key is not known, or disabled")
	case key.Client != "" && key.Client != client, len(key.DataStores) > 0 && !slices.Contains(key.DataStores, store):
		return Key{}, fhir.Errorf(fhir.KindForbidden, "the API key is for another client or another data store")
	}
	return key.Key, k.count(ctx, key.Key)
}

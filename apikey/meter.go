package apikey

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
)

// A meter is what is known of the use of one key, in this process.
type meter struct {
	plan    Plan
	limiter *rate.Limiter
	// used are the requests since from, fresh those of them that are not stored
	// yet.
	from        time.Time
	used, fresh int64
}

// keepUsage is how long the counts of past periods are kept.
const keepUsage = 400 * 24 * time.Hour

// count takes a request of a key into account, or refuses it. Refused requests
// are not counted.
func (k *Keys) count(ctx context.Context, key Key) error {
	now := k.now()
	from, to := key.Period.bounds(now)
	k.mu.Lock()
	defer k.mu.Unlock()
	m, err := k.meter(ctx, key, from)
	if err != nil {
		return err
	}
	if key.Quota > 0 && m.used >= key.Quota {
		return throttled(to.Sub(now), "the quota of the API key, %d requests a %s, is used up; each entry of a Bundle counts", key.Quota, key.Period)
	}
	if m.limiter != nil {
		reserved := m.limiter.ReserveN(now, 1)
		if wait := reserved.DelayFrom(now); wait > 0 {
			reserved.CancelAt(now)
			return throttled(wait, "the API key allows %g requests a second, and %d at once; each entry of a Bundle counts", key.Rate, key.Burst)
		}
	}
	m.used++
	m.fresh++
	return nil
}

// Charge counts a request with a key that Check let in as n more, as for the
// entries of a Bundle. What the plan has no room for is a debt: later requests
// wait for it, and count towards the quota all the same.
func (k *Keys) Charge(ctx context.Context, key Key, n int) error {
	now := k.now()
	from, _ := key.Period.bounds(now)
	k.mu.Lock()
	defer k.mu.Unlock()
	m, err := k.meter(ctx, key, from)
	if err != nil {
		return err
	}
	m.used += int64(n)
	m.fresh += int64(n)
	if m.limiter == nil {
		return nil
	}
	for left := n; left > 0; left -= key.Burst {
		m.limiter.ReserveN(now, min(left, key.Burst))
	}
	return nil
}

func throttled(wait time.Duration, format string, args ...any) error {
	seconds := strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
	return fhir.Errorf(fhir.KindThrottled, format, args...).With("Retry-After", seconds)
}

// meter is that of a key in a period, begun where what is stored ends.
func (k *Keys) meter(ctx context.Context, key Key, from time.Time) (*meter, error) {
	m := k.meters[key.ID]
	if m == nil {
		m = &meter{}
	}
	if m.plan.Rate != key.Rate || m.plan.Burst != key.Burst {
		m.limiter = nil
		if key.Rate > 0 {
			m.limiter = rate.NewLimiter(rate.Limit(key.Rate), key.Burst)
		}
	}
	if m.from != from || m.plan.Period != key.Period {
		if err := k.store(ctx, map[string]*meter{key.ID: m}); err != nil {
			return nil, err
		}
		used, err := k.stored(ctx, key.ID, key.Period, from)
		if err != nil {
			return nil, err
		}
		m.from, m.used = from, used
	}
	m.plan = key.Plan
	k.meters[key.ID] = m
	return m, nil
}

func usageKey(id string, period Period, from time.Time) string {
	if period == "" {
		period = Day
	}
	return id + " " + string(period) + " " + from.Format(time.DateOnly)
}

func (k *Keys) stored(ctx context.Context, id string, period Period, from time.Time) (used int64, err error) {
	err = k.db.View(ctx, func(tx kv.Tx) (err error) {
		used, err = k.usage.Get(tx, usageKey(id, period, from))
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	}
	return used, err
}

// Usage is how many requests a key made in the period that a time is in: of its
// quota, or a day where it has none.
func (k *Keys) Usage(ctx context.Context, key Key, at time.Time) (int64, error) {
	from, _ := key.Period.bounds(at)
	k.mu.Lock()
	defer k.mu.Unlock()
	if m := k.meters[key.ID]; m != nil && m.from == from && m.plan.Period == key.Period {
		return m.used, nil
	}
	return k.stored(ctx, key.ID, key.Period, from)
}

// Flush stores what was counted since the last time. Call it every few seconds,
// and before the DB is closed: a crash loses what was not stored, so that a
// quota allows as much more.
func (k *Keys) Flush(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.store(ctx, k.meters)
}

func (k *Keys) store(ctx context.Context, meters map[string]*meter) error {
	dirty := false
	for _, m := range meters {
		dirty = dirty || m.fresh > 0
	}
	if !dirty {
		return nil
	}
	err := k.db.Update(ctx, func(tx kv.Tx) error {
		for id, m := range meters {
			if m.fresh == 0 {
				continue
			}
			name := usageKey(id, m.plan.Period, m.from)
			used, err := k.usage.Get(tx, name)
			if err == nil || errors.Is(err, kv.ErrNotFound) {
				err = k.usage.Put(tx, name, used+m.fresh, m.from.Add(keepUsage))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, m := range meters {
		m.fresh = 0
	}
	return nil
}

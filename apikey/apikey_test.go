package apikey_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/still"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble"
)

var ctx = context.Background()

// A Thursday.
var begin = time.Date(2026, 1, 29, 22, 30, 0, 0, time.UTC)

type clock = still.Clock

func open(t *testing.T) (kv.DB, *clock) {
	t.Helper()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	return folder.Records(), still.At(begin)
}

func create(t *testing.T, keys *apikey.Keys, key apikey.Key) (apikey.Key, []string) {
	t.Helper()
	made, value, err := keys.Create(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	return made, []string{value}
}

// wantRefused checks the kind of an error, and its Retry-After.
func wantRefused(t *testing.T, err error, kind fhir.Kind, retry string) {
	t.Helper()
	var e *fhir.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Errorf("error %v, want kind %v", err, kind)
		return
	}
	got := ""
	for _, h := range e.Headers {
		got += h.Name + ": " + h.Value
	}
	if retry != "" && got != "Retry-After: "+retry {
		t.Errorf("%v: %q, want %s seconds", err, got, retry)
	}
}

func TestLifeOfAKey(t *testing.T) {
	db, c := open(t)
	keys := apikey.NewKeys(db, c.Now)
	key, value := create(t, keys, apikey.Key{Name: "the app", Client: "app", DataStores: []string{"a"}})
	check := func(values []string, client, store string) error {
		_, err := keys.Check(ctx, values, client, store)
		return err
	}
	if err := check(value, "app", "a"); err != nil {
		t.Fatal(err)
	}
	id, secret, _ := strings.Cut(value[0], ".")
	if id != key.ID || len(secret) != 40 {
		t.Errorf("the value is %s, the id %s", value[0], key.ID)
	}
	for name, err := range map[string]error{
		"another client":     check(value, "other", "a"),
		"another data store": check(value, "app", "b"),
		"none":               check(nil, "app", "a"),
		"two":                check([]string{value[0], value[0]}, "app", "a"),
		"another secret":     check([]string{id + "." + strings.Repeat("a", 40)}, "app", "a"),
		"no secret":          check([]string{id}, "app", "a"),
		"unknown":            check([]string{"aaaa." + secret}, "app", "a"),
		"empty":              check([]string{""}, "app", "a"),
	} {
		if fhir.KindOf(err) != fhir.KindForbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
	if changed, err := keys.Change(ctx, id, apikey.Plan{}, true); err != nil || !changed.Disabled || changed.Name != "the app" {
		t.Errorf("Change = %+v, %v", changed, err)
	}
	wantRefused(t, check(value, "app", "a"), fhir.KindForbidden, "")
	if _, err := keys.Change(ctx, id, apikey.Plan{}, false); err != nil || check(value, "app", "a") != nil {
		t.Errorf("enabled again: %v", err)
	}
	if list, err := keys.List(ctx); err != nil || len(list) != 1 || list[0].ID != id {
		t.Errorf("List = %+v, %v", list, err)
	}
	if _, err := keys.Delete(ctx, id); err != nil {
		t.Error(err)
	}
	wantRefused(t, check(value, "app", "a"), fhir.KindForbidden, "")
	_, err := keys.Delete(ctx, id)
	wantRefused(t, err, fhir.KindNotFound, "")
}

func TestRateAndBurst(t *testing.T) {
	db, c := open(t)
	keys := apikey.NewKeys(db, c.Now)
	key, value := create(t, keys, apikey.Key{Plan: apikey.Plan{Rate: 0.5, Burst: 3}})
	take := func() error {
		_, err := keys.Check(ctx, value, "", "a")
		return err
	}
	for i := range 3 {
		if err := take(); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
	wantRefused(t, take(), fhir.KindThrottled, "2")
	c.Pass(time.Second)
	wantRefused(t, take(), fhir.KindThrottled, "1")
	c.Pass(time.Second)
	if err := take(); err != nil {
		t.Error(err)
	}
	wantRefused(t, take(), fhir.KindThrottled, "2")
	if _, err := keys.Change(ctx, key.ID, apikey.Plan{Rate: 1, Burst: 1}, false); err != nil || take() != nil {
		t.Errorf("with another plan: %v", err)
	}
	wantRefused(t, take(), fhir.KindThrottled, "1")
	if used, err := keys.Usage(ctx, key, c.Now()); err != nil || used != 5 {
		t.Errorf("used %d, %v", used, err)
	}
}

func TestQuotas(t *testing.T) {
	for period, test := range map[apikey.Period]struct{ left time.Duration }{
		apikey.Day: {90 * time.Minute}, apikey.Week: {3*24*time.Hour + 90*time.Minute}, apikey.Month: {2*24*time.Hour + 90*time.Minute},
	} {
		db, c := open(t)
		keys := apikey.NewKeys(db, c.Now)
		_, value := create(t, keys, apikey.Key{Plan: apikey.Plan{Quota: 3, Period: period}})
		take := func() error {
			_, err := keys.Check(ctx, value, "", "a")
			return err
		}
		for i := range 2 {
			if err := take(); err != nil {
				t.Errorf("%s, request %d: %v", period, i, err)
			}
		}
		// A process that ends in order has stored the count.
		if err := keys.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		keys = apikey.NewKeys(db, c.Now)
		if err := take(); err != nil {
			t.Errorf("%s, in another process: %v", period, err)
		}
		wantRefused(t, take(), fhir.KindThrottled, "")
		c.Pass(test.left - time.Second)
		wantRefused(t, take(), fhir.KindThrottled, "1")
		c.Pass(time.Second)
		if err := take(); err != nil {
			t.Errorf("%s, the next one: %v", period, err)
		}
	}
}

// TestUsageOfThePast is stored when the period ends.
func TestUsageOfThePast(t *testing.T) {
	db, c := open(t)
	keys := apikey.NewKeys(db, c.Now)
	key, value := create(t, keys, apikey.Key{})
	for i := range 6 {
		if i == 4 {
			c.Pass(24 * time.Hour)
		}
		if _, err := keys.Check(ctx, value, "", "a"); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[time.Time]int64{begin: 4, c.Now(): 2, begin.Add(-24 * time.Hour): 0} {
		if used, err := keys.Usage(ctx, key, at); err != nil || used != want {
			t.Errorf("at %v: %d, %v; want %d", at, used, err, want)
		}
	}
}

// TestManyAtOnce counts every request once.
func TestManyAtOnce(t *testing.T) {
	db, c := open(t)
	keys := apikey.NewKeys(db, c.Now)
	key, value := create(t, keys, apikey.Key{Plan: apikey.Plan{Quota: 100, Period: apikey.Day}})
	var wait sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 8 {
		wait.Go(func() {
			for range 25 {
				_, err := keys.Check(ctx, value, "", "a")
				mu.Lock()
				if err == nil {
					taken++
				}
				mu.Unlock()
				if err := keys.Flush(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	other := apikey.NewKeys(db, c.Now)
	if used, err := other.Usage(ctx, key, c.Now()); err != nil || used != 100 || taken != 100 {
		t.Errorf("%d taken, %d stored, %v", taken, used, err)
	}
}

func TestKeysThatCannotBeMade(t *testing.T) {
	db, c := open(t)
	keys := apikey.NewKeys(db, c.Now)
	for _, key := range []apikey.Key{
		{Name: "a\nb"}, {Name: strings.Repeat("a", 257)}, {Client: "\x00"}, {DataStores: []string{"A"}}, {DataStores: make([]string, 101)},
		{Plan: apikey.Plan{Rate: -1, Burst: 1}}, {Plan: apikey.Plan{Rate: 1}}, {Plan: apikey.Plan{Burst: 1}}, {Plan: apikey.Plan{Rate: 1e9, Burst: 1}},
		{Plan: apikey.Plan{Quota: 1}}, {Plan: apikey.Plan{Quota: -1, Period: apikey.Day}}, {Plan: apikey.Plan{Period: apikey.Day}}, {Plan: apikey.Plan{Quota: 1, Period: "year"}},
	} {
		if _, _, err := keys.Create(ctx, key); fhir.KindOf(err) != fhir.KindInvalid || err == nil {
			t.Errorf("Create(%+v) = %v", key, err)
		}
	}
}

func TestSecretsAreHashed(t *testing.T) {
	db, c := open(t)
	keys := apikey.NewKeys(db, c.Now)
	_, value := create(t, keys, apikey.Key{})
	_, secret, _ := strings.Cut(value[0], ".")
	err := db.View(ctx, func(tx kv.Tx) error {
		for r, err := range tx.Scan(nil, nil) {
			if err != nil || bytes.Contains(r.Value, []byte(secret)) {
				t.Errorf("the secret is stored: %v", err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCharge: a Bundle is let in while there is room for one, and what it costs
// above that is paid off before the next request.
func TestCharge(t *testing.T) {
	db, c := open(t)
	keys := apikey.NewKeys(db, c.Now)
	take := func(value []string, entries int) error {
		key, err := keys.Check(ctx, value, "", "a")
		if err == nil {
			err = keys.Charge(ctx, key, entries-1)
		}
		return err
	}
	fast, value := create(t, keys, apikey.Key{Plan: apikey.Plan{Rate: 2, Burst: 5}})
	if err := take(value, 25); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, take(value, 1), fhir.KindThrottled, "11") // (25 - 5 + 1) / 2
	c.Pass(10 * time.Second)
	wantRefused(t, take(value, 1), fhir.KindThrottled, "1")
	c.Pass(time.Second)
	if err := take(value, 1); err != nil {
		t.Error(err)
	}
	if used, err := keys.Usage(ctx, fast, c.Now()); err != nil || used != 26 {
		t.Errorf("used %d, %v", used, err)
	}
	_, value = create(t, keys, apikey.Key{Plan: apikey.Plan{Quota: 10, Period: apikey.Month}})
	if err := errors.Join(take(value, 9), take(value, 100)); err != nil {
		t.Error(err)
	}
	wantRefused(t, take(value, 1), fhir.KindThrottled, "")
}

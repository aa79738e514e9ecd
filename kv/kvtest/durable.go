package kvtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

func testReopen(t *testing.T, disk Disk) {
	var pairs []string
	for i := range 5 {
		db := disk.Open(t, newClock().now)
		want(t, db, pairs...)
		pairs = append(pairs, "key"+strconv.Itoa(i), "value")
		put(t, db, pairs[len(pairs)-2:]...)
		if err := db.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
}

func testExpiry(t *testing.T, disk Disk) {
	c := newClock()
	db := disk.Open(t, c.now)
	soon, later := c.at.Add(time.Second), c.at.Add(time.Hour)
	update(t, db, func(tx kv.Tx) error {
		err := errors.Join(
			tx.Set([]byte("for ever"), []byte("1"), time.Time{}),
			tx.Set([]byte("gone"), []byte("2"), c.at.Add(-time.Second)),
			tx.Set([]byte("later"), []byte("3"), later),
			tx.Set([]byte("soon"), []byte("4"), soon))
		wantTx(t, tx, "for ever", "1", "later", "3", "soon", "4")
		return err
	})
	want(t, db, "for ever", "1", "later", "3", "soon", "4")
	c.at = soon
	want(t, db, "for ever", "1", "later", "3")
	view(t, db, func(tx kv.Tx) error {
		if _, err := tx.Get([]byte("soon")); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("Get at the time of expiry: %v, want ErrNotFound", err)
		}
		return nil
	})
	put(t, db, "more", "5") // removes what expired
	want(t, db, "for ever", "1", "later", "3", "more", "5")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	c.at = later
	db = disk.Open(t, c.now)
	defer db.Close()
	want(t, db, "for ever", "1", "more", "5")
}

// testExpiryChanged writes records again under another expiry; the old one
// must not take them away.
func testExpiryChanged(t *testing.T, disk Disk) {
	c := newClock()
	db := disk.Open(t, c.now)
	defer db.Close()
	set := func(key string, expires time.Time) {
		update(t, db, func(tx kv.Tx) error { return tx.Set([]byte(key), []byte("v"), expires) })
	}
	start := c.at
	for _, key := range []string{"kept", "longer", "shorter", "again"} {
		set(key, start.Add(time.Minute))
	}
	set("kept", time.Time{})
	set("longer", start.Add(time.Hour))
	set("shorter", start.Add(time.Second))
	update(t, db, func(tx kv.Tx) error { return tx.Delete([]byte("again")) })
	set("again", time.Time{})

	c.at = start.Add(time.Second)
	want(t, db, "again", "v", "kept", "v", "longer", "v")
	c.at = start.Add(time.Minute)
	for range 3 {
		put(t, db, "other", "v")
	}
	want(t, db, "again", "v", "kept", "v", "longer", "v", "other", "v")
	c.at = start.Add(time.Hour)
	want(t, db, "again", "v", "kept", "v", "other", "v")
	set("longer", time.Time{}) // an expired record may be made anew
	put(t, db, "other", "w")
	want(t, db, "again", "v", "kept", "v", "longer", "v", "other", "w")
}

// testCrash loses power while writers run: every acknowledged update must be
// there, and each update wholly or not at all.
func testCrash(t *testing.T, disk Disk) {
	const writers, rounds = 4, 25
	db := disk.Open(t, newClock().now)
	defer db.Close()
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	var group sync.WaitGroup
	half := make(chan bool, writers)
	for w := range writers {
		group.Go(func() {
			for i := range rounds {
				name := fmt.Sprintf("%d.%d", w, i)
				if err := db.Update(context.Background(), pair(name)); err != nil {
					t.Errorf("Update: %v", err)
				}
				mu.Lock()
				acknowledged[name] = true
				mu.Unlock()
				if i == rounds/2 {
					half <- true
				}
			}
		})
	}
	<-half
	mu.Lock()
	before := maps.Clone(acknowledged)
	mu.Unlock()
	crashed := disk.Crash(t)
	group.Wait()

	after := open(t, crashed)
	view(t, after, func(tx kv.Tx) error {
		for name := range before {
			if _, err := tx.Get([]byte("a" + name)); err != nil {
				t.Errorf("update %s was acknowledged and is lost: %v", name, err)
			}
		}
		for record, err := range tx.Scan(nil, nil) {
			if err != nil {
				return err
			}
			if _, err := tx.Get(record.Value); err != nil {
				t.Errorf("%s is there without %s: %v", record.Key, record.Value, err)
			}
		}
		return nil
	})
	put(t, after, "a", "b", "b", "a")
}

// pair writes two records that name each other.
func pair(name string) func(kv.Tx) error {
	return func(tx kv.Tx) error {
		a, b := []byte("a"+name), []byte("b"+name)
		return errors.Join(tx.Set(a, b, time.Time{}), tx.Set(b, a, time.Time{}))
	}
}

// testModel compares random updates, clock steps and reopenings with a map.
func testModel(t *testing.T, disk Disk) {
	type entry struct {
		value   string
		expires time.Time
	}
	c := newClock()
	random := rand.New(rand.NewPCG(1, 2))
	model := map[string]entry{}
	db := disk.Open(t, c.now)
	defer func() { db.Close() }()
	for step := range 300 {
		switch random.IntN(20) {
		case 0:
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = disk.Open(t, c.now)
		case 1, 2:
			c.at = c.at.Add(time.Duration(random.IntN(20)) * time.Second)
		}
		update(t, db, func(tx kv.Tx) error {
			for range random.IntN(4) {
				key := strconv.Itoa(random.IntN(30))
				e := entry{value: strconv.Itoa(step)}
				if random.IntN(2) == 0 {
					e.expires = c.at.Add(time.Duration(random.IntN(60)) * time.Second)
				}
				if random.IntN(4) == 0 {
					delete(model, key)
					if err := tx.Delete([]byte(key)); err != nil {
						return err
					}
					continue
				}
				model[key] = e
				if err := tx.Set([]byte(key), []byte(e.value), e.expires); err != nil {
					return err
				}
			}
			return nil
		})
		var pairs []string
		for _, key := range slices.Sorted(maps.Keys(model)) {
			if e := model[key]; e.expires.IsZero() || c.at.Before(e.expires) {
				pairs = append(pairs, key, e.value)
			}
		}
		want(t, db, pairs...)
	}
}

type person struct {
	Name string `json:"name"`
	Age  int    `json:"age"`
}

func testTable(t *testing.T, disk Disk) {
	c := newClock()
	db := disk.Open(t, c.now)
	defer db.Close()
	people, peoples := kv.NewTable[person]("people"), kv.NewTable[int]("people2")
	update(t, db, func(tx kv.Tx) error {
		return errors.Join(
			people.Put(tx, "b", person{"Berta", 30}, time.Time{}),
			people.Put(tx, "a", person{"Anton", 40}, time.Time{}),
			people.Put(tx, "c", person{"Caesar", 50}, c.at.Add(time.Second)),
			peoples.Put(tx, "a", 7, time.Time{}))
	})
	names := func(tx kv.Tx) (got []string) {
		for p, err := range people.All(tx) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p.Value.Name)
		}
		return got
	}
	view(t, db, func(tx kv.Tx) error {
		if got := names(tx); !equal(got, []string{"Anton", "Berta", "Caesar"}) {
			t.Errorf("All yields %q", got)
		}
		if p, err := people.Get(tx, "a"); err != nil || p != (person{"Anton", 40}) {
			t.Errorf("Get = %v, %v", p, err)
		}
		if _, err := people.Get(tx, "d"); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("Get of a missing record: %v, want ErrNotFound", err)
		}
		return nil
	})
	c.at = c.at.Add(time.Second)
	update(t, db, func(tx kv.Tx) error {
		err := people.Delete(tx, "a")
		if got := names(tx); !equal(got, []string{"Berta"}) {
			t.Errorf("All yields %q, want only Berta", got)
		}
		if n, _ := peoples.Get(tx, "a"); n != 7 {
			t.Errorf("another table's record is %d, want 7", n)
		}
		return err
	})
	update(t, db, func(tx kv.Tx) error { return tx.Set([]byte("people\x00b"), []byte("{"), time.Time{}) })
	view(t, db, func(tx kv.Tx) error {
		if _, err := people.Get(tx, "b"); err == nil || errors.Is(err, kv.ErrNotFound) {
			t.Errorf("Get of a broken record: %v, want an error that says so", err)
		}
		return nil
	})
}

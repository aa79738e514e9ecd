// Package kvtest is the conformance suite of kv.DB: a backend passes Test, or
// it is no backend.
package kvtest

import (
	"context"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

// A Disk is where one test's database lives while it is opened and closed.
type Disk interface {
	// Open opens the database on the disk, by the given clock. The test closes
	// it.
	Open(t *testing.T, now func() time.Time) kv.DB
	// Crash returns a disk with what would be left if the machine lost power
	// now: all that was made durable, and anything of the rest.
	Crash(t *testing.T) Disk
}

// Test runs the suite. newDisk makes an empty disk.
func Test(t *testing.T, newDisk func(t *testing.T) Disk) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, disk Disk)
	}{
		{"Records", testRecords},
		{"OwnWrites", testOwnWrites},
		{"Scan", testScan},
		{"CallersKeep", testCallersKeep},
		{"Rollback", testRollback},
		{"ReadOnly", testReadOnly},
		{"Ended", testEnded},
		{"Snapshot", testSnapshot},
		{"Serializable", testSerializable},
		{"Context", testContext},
		{"Close", testClose},
		{"Reopen", testReopen},
		{"Expiry", testExpiry},
		{"ExpiryChanged", testExpiryChanged},
		{"Crash", testCrash},
		{"Model", testModel},
		{"Table", testTable},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, newDisk(t)) })
	}
}

// A clock stands still until it is told to go.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.at }

func open(t *testing.T, disk Disk) kv.DB {
	t.Helper()
	db := disk.Open(t, newClock().now)
	t.Cleanup(func() { db.Close() }) // a test that closed it already gets ErrClosed here
	return db
}

func update(t *testing.T, db kv.DB, fn func(tx kv.Tx) error) {
	t.Helper()
	if err := db.Update(context.Background(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t *testing.T, db kv.DB, fn func(tx kv.Tx) error) {
	t.Helper()
	if err := db.View(context.Background(), fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

// put stores pairs key, value, key, value …
func put(t *testing.T, db kv.DB, pairs ...string) {
	t.Helper()
	update(t, db, func(tx kv.Tx) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := tx.Set([]byte(pairs[i]), []byte(pairs[i+1]), time.Time{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// want checks that the whole database is the pairs.
func want(t *testing.T, db kv.DB, pairs ...string) {
	t.Helper()
	view(t, db, func(tx kv.Tx) error {
		wantTx(t, tx, pairs...)
		return nil
	})
}

// wantTx checks by Scan and by Get.
func wantTx(t *testing.T, tx kv.Tx, pairs ...string) {
	t.Helper()
	got := scan(t, tx, nil, nil)
	if !equal(got, pairs) {
		t.Fatalf("Scan yields %q, want %q", got, pairs)
	}
	for i := 0; i < len(pairs); i += 2 {
		value, err := tx.Get([]byte(pairs[i]))
		if err != nil || string(value) != pairs[i+1] {
			t.Fatalf("Get(%q) = %q, %v; want %q", pairs[i], value, err, pairs[i+1])
		}
	}
}

func scan(t *testing.T, tx kv.Tx, from, to []byte) []string {
	t.Helper()
	var got []string
	for record, err := range tx.Scan(from, to) {
		if err != nil {
			t.Fatalf("Scan: %v", err)
		}
		got = append(got, string(record.Key), string(record.Value))
	}
	return got
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

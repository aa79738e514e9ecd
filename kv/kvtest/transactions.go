package kvtest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

func testRecords(t *testing.T, disk Disk) {
	db := open(t, disk)
	want(t, db)
	put(t, db, "b", "2", "a", "1", "", "empty key", "c", "")
	want(t, db, "", "empty key", "a", "1", "b", "2", "c", "")
	put(t, db, "a", "changed")
	update(t, db, func(tx kv.Tx) error {
		return errors.Join(tx.Delete([]byte("b")), tx.Delete([]byte("never there")))
	})
	want(t, db, "", "empty key", "a", "changed", "c", "")
	view(t, db, func(tx kv.Tx) error {
		for _, key := range []string{"b", "never there", "aa"} {
			if value, err := tx.Get([]byte(key)); !errors.Is(err, kv.ErrNotFound) {
				t.Errorf("Get(%q) = %q, %v; want ErrNotFound", key, value, err)
			}
		}
		return nil
	})
}

func testOwnWrites(t *testing.T, disk Disk) {
	db := open(t, disk)
	put(t, db, "a", "1", "b", "2", "c", "3")
	update(t, db, func(tx kv.Tx) error {
		err := errors.Join(
			tx.Set([]byte("aa"), []byte("new"), time.Time{}),
			tx.Set([]byte("b"), []byte("changed"), time.Time{}),
			tx.Delete([]byte("c")))
		wantTx(t, tx, "a", "1", "aa", "new", "b", "changed")
		if _, err := tx.Get([]byte("c")); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("Get of a record deleted in the transaction: %v, want ErrNotFound", err)
		}
		return err
	})
	want(t, db, "a", "1", "aa", "new", "b", "changed")
}

func testScan(t *testing.T, disk Disk) {
	db := open(t, disk)
	put(t, db, "a", "1", "b", "2", "b\x00", "3", "b\xff\xff", "4", "c", "5", "\xff\xff", "6")
	view(t, db, func(tx kv.Tx) error {
		for _, c := range []struct {
			from, to string
			want     []string
		}{
			{"", "a", nil},
			{"a", "b", []string{"a", "1"}},
			{"b", "b", nil},
			{"c", "b", nil},
			{"b", "c", []string{"b", "2", "b\x00", "3", "b\xff\xff", "4"}},
			{"bb", "c", []string{"b\xff\xff", "4"}},
			{"d", "\xff\xff\xff", []string{"\xff\xff", "6"}},
		} {
			if got := scan(t, tx, []byte(c.from), []byte(c.to)); !equal(got, c.want) {
				t.Errorf("Scan(%q, %q) yields %q, want %q", c.from, c.to, got, c.want)
			}
		}
		if got := scan(t, tx, []byte("c"), nil); !equal(got, []string{"c", "5", "\xff\xff", "6"}) {
			t.Errorf("Scan without an end yields %q", got)
		}
		for record := range tx.Scan(nil, nil) {
			if string(record.Key) != "a" {
				t.Errorf("after a break, Scan went on to %q", record.Key)
			}
			break
		}
		return nil
	})
}

func testCallersKeep(t *testing.T, disk Disk) {
	db := open(t, disk)
	key, value := []byte("key"), []byte("value")
	var got []byte
	update(t, db, func(tx kv.Tx) error {
		if err := tx.Set(key, value, time.Time{}); err != nil {
			return err
		}
		copy(key, "xxx")
		copy(value, "xxxxx")
		var err error
		got, err = tx.Get([]byte("key"))
		return err
	})
	copy(got, "yyyyy")
	want(t, db, "key", "value")
	var record kv.Record
	view(t, db, func(tx kv.Tx) error {
		for r := range tx.Scan(nil, nil) {
			record = r
		}
		return nil
	})
	copy(record.Value, "zzzzz")
	copy(record.Key, "zzz")
	want(t, db, "key", "value")
}

func testRollback(t *testing.T, disk Disk) {
	db := open(t, disk)
	put(t, db, "a", "1")
	stop := errors.New("stop")
	err := db.Update(context.Background(), func(tx kv.Tx) error {
		return errors.Join(tx.Set([]byte("a"), []byte("2"), time.Time{}), tx.Set([]byte("b"), nil, time.Time{}), stop)
	})
	if !errors.Is(err, stop) {
		t.Errorf("Update returns %v, want the function's own error", err)
	}
	want(t, db, "a", "1")

	func() {
		defer func() { _ = recover() }()
		update(t, db, func(tx kv.Tx) error { panic("stop") })
	}()
	put(t, db, "b", "2") // the panic left no lock behind
	want(t, db, "a", "1", "b", "2")
}

func testReadOnly(t *testing.T, disk Disk) {
	db := open(t, disk)
	view(t, db, func(tx kv.Tx) error {
		if err := tx.Set([]byte("a"), nil, time.Time{}); !errors.Is(err, kv.ErrReadOnly) {
			t.Errorf("Set in a view: %v, want ErrReadOnly", err)
		}
		if err := tx.Delete([]byte("a")); !errors.Is(err, kv.ErrReadOnly) {
			t.Errorf("Delete in a view: %v, want ErrReadOnly", err)
		}
		return nil
	})
	want(t, db)
}

func testEnded(t *testing.T, disk Disk) {
	db := open(t, disk)
	var kept []kv.Tx
	keep := func(tx kv.Tx) error { kept = append(kept, tx); return nil }
	update(t, db, keep)
	view(t, db, keep)
	for _, tx := range kept {
		if _, err := tx.Get([]byte("a")); !errors.Is(err, kv.ErrClosed) {
			t.Errorf("Get after the end: %v, want ErrClosed", err)
		}
		if err := tx.Set([]byte("a"), nil, time.Time{}); !errors.Is(err, kv.ErrClosed) {
			t.Errorf("Set after the end: %v, want ErrClosed", err)
		}
		for _, err := range tx.Scan(nil, nil) {
			if !errors.Is(err, kv.ErrClosed) {
				t.Errorf("Scan after the end: %v, want ErrClosed", err)
			}
		}
	}
	want(t, db)
}

func testSnapshot(t *testing.T, disk Disk) {
	db := open(t, disk)
	put(t, db, "a", "1", "b", "1")
	view(t, db, func(tx kv.Tx) error {
		put(t, db, "a", "2", "c", "2")
		wantTx(t, tx, "a", "1", "b", "1")
		return nil
	})
	want(t, db, "a", "2", "b", "1", "c", "2")
}

// testSerializable adds one to a counter from many goroutines, and keeps two
// records equal that every update changes together.
func testSerializable(t *testing.T, disk Disk) {
	const writers, rounds = 8, 20
	db := open(t, disk)
	put(t, db, "x", "0", "y", "0")
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range rounds {
				if err := db.Update(context.Background(), increment); err != nil {
					t.Errorf("Update: %v", err)
				}
				if err := db.View(context.Background(), func(tx kv.Tx) error { return same(tx) }); err != nil {
					t.Errorf("View: %v", err)
				}
			}
		})
	}
	group.Wait()
	total := strconv.Itoa(writers * rounds)
	want(t, db, "x", total, "y", total)
}

func increment(tx kv.Tx) error {
	for _, key := range []string{"x", "y"} {
		value, err := tx.Get([]byte(key))
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(value))
		if err != nil {
			return err
		}
		if err := tx.Set([]byte(key), []byte(strconv.Itoa(n+1)), time.Time{}); err != nil {
			return err
		}
	}
	return same(tx)
}

func same(tx kv.Tx) error {
	x, errX := tx.Get([]byte("x"))
	y, errY := tx.Get([]byte("y"))
	if string(x) != string(y) {
		return errors.New("x is " + string(x) + " while y is " + string(y))
	}
	return errors.Join(errX, errY)
}

func testContext(t *testing.T, disk Disk) {
	db := open(t, disk)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	never := func(kv.Tx) error { t.Error("ran under a cancelled context"); return nil }
	if err := db.Update(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("Update: %v, want context.Canceled", err)
	}
	if err := db.View(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("View: %v, want context.Canceled", err)
	}
}

func testClose(t *testing.T, disk Disk) {
	db := disk.Open(t, newClock().now)
	inside, leave, left := make(chan bool), make(chan bool), make(chan error)
	go func() {
		left <- db.Update(context.Background(), func(tx kv.Tx) error {
			inside <- true
			<-leave
			return tx.Set([]byte("a"), []byte("1"), time.Time{})
		})
	}()
	<-inside
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	leave <- true
	if err := <-left; err != nil {
		t.Errorf("the running Update: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	nothing := func(kv.Tx) error { return nil }
	if err := db.Update(context.Background(), nothing); !errors.Is(err, kv.ErrClosed) {
		t.Errorf("Update after Close: %v, want ErrClosed", err)
	}
	if err := db.View(context.Background(), nothing); !errors.Is(err, kv.ErrClosed) {
		t.Errorf("View after Close: %v, want ErrClosed", err)
	}
	want(t, open(t, disk), "a", "1")
}

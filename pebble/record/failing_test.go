package record

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble/internal/halt/faulty"
)

// put writes record n, of 20 KB, so that the log is rotated soon.
func put(d *DB, n int) error {
	table := kv.NewTable[string]("t")
	return d.Update(context.Background(), func(tx kv.Tx) error {
		return table.Put(tx, fmt.Sprint(n), strings.Repeat(fmt.Sprint(n), 20_000/len(fmt.Sprint(n))), time.Time{})
	})
}

// wantRecords checks that what was acknowledged is there.
func wantRecords(t *testing.T, what string, d *DB, acknowledged []int) {
	t.Helper()
	table := kv.NewTable[string]("t")
	err := d.View(context.Background(), func(tx kv.Tx) error {
		for _, n := range acknowledged {
			if _, err := table.Get(tx, fmt.Sprint(n)); err != nil {
				return fmt.Errorf("record %d: %w", n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// TestEveryFailure lets each change of the disk fail in turn, alone and with all
// later ones: what was acknowledged is read meanwhile, is there after a power
// cut, and when the disk is well; and where it was full, it can be written then
// without being opened again. TARN_FAILURES=all tries each, otherwise each 11th.
func TestEveryFailure(t *testing.T) { faulty.Each(t, "kv", 11, failOnce) }

func failOnce(t *testing.T, disk *faulty.Disk) (failed bool) {
	t.Helper()
	mem := crashing.New()
	d, err := Open("kv", Options{FS: disk.Wrap(mem)})
	if err != nil {
		t.Fatal(err)
	}
	d.tried = time.Now().Add(time.Hour) // not before the disk is well
	disk.Arm(true)
	var acknowledged []int
	for n := range 60 {
		switch err := put(d, n); {
		case err == nil && failed:
			t.Errorf("failing at %d: record %d was taken after a failure", disk.At, n)
		case err == nil:
			acknowledged = append(acknowledged, n)
		case fhir.KindOf(err) != fhir.KindUnavailable || !strings.Contains(err.Error(), "what to do"):
			t.Errorf("failing at %d: %v", disk.At, err)
		default:
			failed = true
		}
	}
	if d.Failed() == nil && failed {
		t.Errorf("failing at %d: it does not say so", disk.At)
	}
	wantRecords(t, fmt.Sprintf("failing at %d", disk.At), d, acknowledged)
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	disk.Arm(false)
	// The engine may have failed since, where it wrote out its memory beside the
	// updates.
	failed = failed || d.Failed() != nil
	d.tried = time.Time{}
	switch err := put(d, 100); {
	case err == nil && failed && !disk.Forever:
		t.Errorf("failing at %d, when the disk is well: a record was taken after a failure", disk.At)
	case err != nil && (failed && disk.Forever || d.Failed() == nil):
		t.Errorf("failing at %d, when the disk is well: %v", disk.At, err)
	}
	wantRecords(t, fmt.Sprintf("failing at %d, when the disk is well", disk.At), d, acknowledged)
	_ = d.Close() // a disk that broke has nothing more to say
	for what, fs := range map[string]vfs.FS{"after a power cut": crashed, "opened again": disk.Wrap(mem)} {
		again, err := Open("kv", Options{FS: fs})
		if err != nil {
			t.Errorf("failing at %d, %s: %v", disk.At, what, err)
			continue
		}
		wantRecords(t, fmt.Sprintf("failing at %d, %s", disk.At, what), again, acknowledged)
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
	return failed
}

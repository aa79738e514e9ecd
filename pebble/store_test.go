package pebble

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/store/storetest"
)

// A storeDisk is a storetest.Disk.
type storeDisk struct {
	fs  vfs.FS
	dir string
	// seal, byEntries, walkSteps and factSteps are in Options.
	seal, byEntries, walkSteps, factSteps int
	joinBack                              bool
	bulkOps                               int
	windowCost, windowDocs                int
}

func (d storeDisk) Open(t *testing.T, opt storetest.Options) store.Store {
	t.Helper()
	s, err := Open(d.dir, Options{FS: d.fs, Extract: opt.Extract, Now: opt.Now, Retention: opt.Retention, SealDocs: d.seal, byEntries: d.byEntries, walkSteps: d.walkSteps, factSteps: d.factSteps, joinBack: d.joinBack, bulkOps: d.bulkOps,
		windowCost: d.windowCost, windowDocs: d.windowDocs})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (d storeDisk) Crash(t *testing.T) storetest.Disk {
	fs, ok := d.fs.(*crashing.Disk)
	if !ok {
		return nil
	}
	d.fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 2))})
	return d
}

// TestStore runs the suite in memory: sealing rarely, and all the time with
// every sort and reverse chain by the index, loads past the log, and pages in
// windows; and with every sort and range of dates by facts.
func TestStore(t *testing.T) {
	for name, disk := range map[string]storeDisk{"head": {walkSteps: 1}, "seals": {seal: 7, byEntries: 1, bulkOps: 1, windowCost: -1, windowDocs: 8}, "facts": {seal: 7, factSteps: -1 << 40, joinBack: true}} {
		t.Run(name, func(t *testing.T) {
			storetest.Test(t, func(*testing.T) storetest.Disk {
				disk.fs, disk.dir = crashing.New(), "store"
				return disk
			})
		})
	}
}

func TestStoreOnDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	storetest.Test(t, func(t *testing.T) storetest.Disk {
		return storeDisk{fs: vfs.Default, dir: t.TempDir(), seal: 100}
	})
}

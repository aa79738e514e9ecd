package pebble

import (
	"testing"

	"github.com/tarnhealth/tarn/crypt/seal/sealtest"
	"github.com/tarnhealth/tarn/crypt/sealfs"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/store/storetest"
)

// A sealedDisk is a storeDisk whose files are sealed.
type sealedDisk struct{ storeDisk }

func (d sealedDisk) Open(t *testing.T, opt storetest.Options) store.Store {
	t.Helper()
	disk := d.storeDisk
	disk.fs = sealfs.New(d.fs, sealfs.Options{Keys: sealtest.Of(0)})
	return disk.Open(t, opt)
}

func (d sealedDisk) Crash(t *testing.T) storetest.Disk {
	return sealedDisk{d.storeDisk.Crash(t).(storeDisk)}
}

// TestSealedStore runs the suite on a disk that is sealed, with its power
// failures.
func TestSealedStore(t *testing.T) {
	storetest.Test(t, func(*testing.T) storetest.Disk {
		return sealedDisk{storeDisk{fs: crashing.New(), dir: "store", seal: 7}}
	})
}

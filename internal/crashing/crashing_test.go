package crashing

import (
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestCopiesWhileUsed copies a disk whose files get other names meanwhile.
func TestCopiesWhileUsed(t *testing.T) {
	d := New()
	f, err := d.Create("a", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var users sync.WaitGroup
	users.Go(func() {
		for range 2000 {
			for _, names := range [][2]string{{"a", "b"}, {"b", "a"}} {
				f, err := d.ReuseForWrite(names[0], names[1], vfs.WriteCategoryUnspecified)
				if err == nil {
					err = f.Close()
				}
				if err == nil {
					err = d.Link(names[1], "c")
				}
				if err == nil {
					err = d.Remove("c")
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for range 2000 {
		d.CrashClone(vfs.CrashCloneCfg{})
	}
	users.Wait()
}

package kv_test

import (
	"testing"

	"github.com/tarnhealth/tarn/kv"
)

func TestNewTablePanics(t *testing.T) {
	for _, name := range []string{"", "a\x00b"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewTable(%q) does not panic", name)
				}
			}()
			kv.NewTable[int](name)
		}()
	}
}

package keyring_test

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"
)

// TestAdopt gives an owner the keys of one in another folder, with another master
// key: the same keys, which the old folder's master key does not open.
func TestAdopt(t *testing.T) {
	ctx := context.Background()
	old := folder(filepath.Join(t.TempDir(), "keys"), local(t, 1))
	ring, err := old.Create(ctx, "a", master)
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Rotate(ctx); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "keys")
	recent := folder(dir, local(t, 2))
	if err := recent.Adopt(ctx, "b", ring); err != nil {
		t.Fatal(err)
	}
	if err := recent.Adopt(ctx, "b", ring); err == nil {
		t.Error("keys were made over keys")
	}
	b, err := folder(dir, local(t, 2)).Open(ctx, "b")
	if err != nil {
		t.Fatal(err)
	}
	for number := uint32(1); number <= 2; number++ {
		want, _ := ring.Key(number)
		if got, ok := b.Key(number); !ok || !bytes.Equal(got, want) {
			t.Errorf("key %d is another one", number)
		}
	}
	if _, err := folder(dir, local(t, 1)).Open(ctx, "b"); err == nil {
		t.Error("the old master key opens the new owner's keys")
	}
	ring.Forget()
	if err := recent.Adopt(ctx, "c", ring); err == nil || recent.Has("c") {
		t.Errorf("keys that were destroyed are adopted: %v", err)
	}
}

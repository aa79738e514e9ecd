package keyring_test

import (
	"context"
	"testing"

	"github.com/tarnhealth/tarn/crypt/keyring"
)

// slow is a Provider that answers when it is let.
type slow struct {
	keyring.Provider
	asked chan struct{}
	let   chan struct{}
}

func (s *slow) wait() {
	s.asked <- struct{}{}
	<-s.let
}

func (s *slow) Wrap(ctx context.Context, key []byte, purpose string) ([]byte, error) {
	s.wait()
	return s.Provider.Wrap(ctx, key, purpose)
}

func (s *slow) Unwrap(ctx context.Context, wrapped []byte, purpose string) ([]byte, error) {
	s.wait()
	return s.Provider.Unwrap(ctx, wrapped, purpose)
}

// TestOneIsSlow has the service of one owner's key not answer, while that owner
// is opened and while its key is replaced: others are opened and made, and what
// is open is used.
func TestOneIsSlow(t *testing.T) {
	ctx := context.Background()
	master := local(t, 1)
	away := &slow{master, make(chan struct{}), make(chan struct{})}
	dir := t.TempDir()
	if _, err := folder(dir, master).Create(ctx, "slow", keyring.Spec{Kind: keyring.Customer, KeyID: "slow"}); err != nil {
		t.Fatal(err)
	}
	f := &keyring.Folder{Dir: dir, Provider: func(kind keyring.Kind, _ string) (keyring.Provider, error) {
		if kind == keyring.Customer {
			return away, nil
		}
		return master, nil
	}}
	others := func(name string) {
		t.Helper()
		if _, err := f.Create(ctx, name, keyring.Spec{Kind: keyring.Master}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Open(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	var ring *keyring.Ring
	done := make(chan error)
	go func() {
		var err error
		ring, err = f.Open(ctx, "slow")
		done <- err
	}()
	<-away.asked
	others("quick")
	away.let <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	go func() { done <- ring.Rotate(ctx) }()
	<-away.asked
	others("quicker")
	before, _ := ring.Current()
	if _, ok := ring.Key(before); !ok {
		t.Error("the open key cannot be used while another one is made")
	}
	away.let <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if now, _ := ring.Current(); now == before {
		t.Errorf("the key is still number %d", now)
	}
}

package keyring

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/tarnhealth/tarn/crypt"
)

// NewLocal makes a Provider of a master key: AES-256-GCM with keys derived from
// it.
func NewLocal(master []byte) (Provider, error) {
	box, err := crypt.NewBox(master)
	if err != nil {
		return nil, err
	}
	return &local{box, "master:" + hex.EncodeToString(box.Key("name of the master key")[:8])}, nil
}

type local struct {
	box  *crypt.Box
	name string
}

func (l *local) Name() string { return l.name }

// wrapPurpose is the purpose of the Box: its purposes are constants. That of
// the key is sealed with it.
const wrapPurpose = "data keys"

func (l *local) Wrap(_ context.Context, key []byte, purpose string) ([]byte, error) {
	return l.box.Seal(wrapPurpose, append(append([]byte(nil), key...), purpose...)), nil
}

func (l *local) Unwrap(_ context.Context, wrapped []byte, purpose string) ([]byte, error) {
	plain, err := l.box.Open(wrapPurpose, wrapped)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if len(plain) < crypt.KeySize || string(plain[crypt.KeySize:]) != purpose {
		return nil, fmt.Errorf("keyring: the wrapped key is another owner's: %w", crypt.ErrOpen)
	}
	return plain[:crypt.KeySize:crypt.KeySize], nil
}

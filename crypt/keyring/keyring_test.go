package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/crypt/awskms"
	"github.com/tarnhealth/tarn/crypt/awskms/kmstest"
	"github.com/tarnhealth/tarn/crypt/keyring"
)

func local(t *testing.T, b byte) keyring.Provider {
	t.Helper()
	p, err := keyring.NewLocal(bytes.Repeat([]byte{b}, crypt.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func folder(dir string, p keyring.Provider) *keyring.Folder {
	return &keyring.Folder{Dir: dir, Provider: func(keyring.Kind, string) (keyring.Provider, error) { return p, nil }}
}

var master = keyring.Spec{Kind: keyring.Master}

func TestKeysLastAndDiffer(t *testing.T) {
	ctx, dir := context.Background(), filepath.Join(t.TempDir(), "keys")
	f := folder(dir, local(t, 1))
	if _, err := f.Open(ctx, "a"); !errors.Is(err, keyring.ErrNone) {
		t.Errorf("before there are keys: %v", err)
	}
	a, err := f.Create(ctx, "a", master)
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Create(ctx, "b", master)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Create(ctx, "a", master); err == nil {
		t.Error("keys were made over keys")
	}
	_, keyA := a.Current()
	if _, keyB := b.Current(); bytes.Equal(keyA, keyB) {
		t.Error("two owners have one key")
	}
	again, err := folder(dir, local(t, 1)).Open(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if number, key := again.Current(); number != 1 || !bytes.Equal(key, keyA) {
		t.Errorf("key %d is another one when opened again", number)
	}
	text, err := os.ReadFile(filepath.Join(dir, "a.json"))
	if err != nil || bytes.Contains(text, keyA) {
		t.Errorf("the file holds the key as it is, or %v", err)
	}
	if _, err := folder(dir, local(t, 2)).Open(ctx, "a"); !errors.Is(err, keyring.ErrWrong) {
		t.Errorf("with another master key: %v", err)
	}
	if owners, err := f.Owners(); err != nil || strings.Join(owners, " ") != "a b" {
		t.Errorf("%v, %v", owners, err)
	}
}

// TestWrappedKeyOfAnotherOwner puts the file of one owner in the place of
// another's.
func TestWrappedKeyOfAnotherOwner(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	if _, err := folder(dir, local(t, 1)).Create(ctx, "a", master); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "a.json"))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`"owner": "a"`), []byte(`"owner": "b"`), 1)
	if err := os.WriteFile(filepath.Join(dir, "b.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := folder(dir, local(t, 1)).Open(ctx, "b"); !errors.Is(err, crypt.ErrOpen) {
		t.Errorf("%v", err)
	}
}

func TestRotateAndRetire(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	r, err := folder(dir, local(t, 1)).Create(ctx, "a", master)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Rotate(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if number, _ := r.Current(); number != 3 {
		t.Errorf("key %d is current", number)
	}
	gone, err := r.Retire(func(n uint32) bool { return n == 2 })
	if err != nil || len(gone) != 1 || gone[0] != 1 {
		t.Errorf("retired %v, %v", gone, err)
	}
	again, err := folder(dir, local(t, 1)).Open(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	_, one := again.Key(1)
	_, two := again.Key(2)
	if one || !two {
		t.Errorf("key 1 is there: %v; key 2: %v", one, two)
	}
}

// TestMasterKeyChanges wraps with a new master key in two steps, after each of
// which a crash leaves keys that a master key opens.
func TestMasterKeyChanges(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	old, recent := local(t, 1), local(t, 2)
	f := folder(dir, old)
	r, err := f.Create(ctx, "a", master)
	if err != nil {
		t.Fatal(err)
	}
	_, key := r.Current()
	opens := func(p keyring.Provider) bool {
		t.Helper()
		other, err := folder(dir, p).Open(ctx, "a")
		if err != nil {
			return false
		}
		_, got := other.Current()
		return bytes.Equal(got, key)
	}
	if err := f.Rewrap(ctx, recent); err != nil || !opens(old) || !opens(recent) {
		t.Errorf("after the first step: %v, %v, %v", err, opens(old), opens(recent))
	}
	if err := f.Unwrap(ctx, recent); err != nil || opens(old) || !opens(recent) {
		t.Errorf("after the second step: %v, %v, %v", err, opens(old), opens(recent))
	}
	if err := errors.Join(r.Rotate(ctx), r.Check(ctx)); err != nil {
		t.Errorf("the open keys: %v", err)
	}
}

func TestDestroy(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	f := folder(dir, local(t, 1))
	r, err := f.Create(ctx, "a", master)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Destroy("a"), f.Destroy("a")); err != nil {
		t.Fatal(err)
	}
	if _, key := r.Current(); key != nil {
		t.Error("the key is still in memory")
	}
	if err := r.Rotate(ctx); !errors.Is(err, keyring.ErrNone) {
		t.Errorf("a new key for a ring that was destroyed: %v", err)
	}
	if _, err := f.Open(ctx, "a"); !errors.Is(err, keyring.ErrNone) {
		t.Errorf("%v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("the folder holds %v", left)
	}
}

func TestDamagedFile(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	for _, text := range []string{"", "{}", `{"version":1,"owner":"a"}`, `{"version":2,"owner":"a","keys":[{}]}`} {
		if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := folder(dir, local(t, 1)).Open(ctx, "a"); err == nil || errors.Is(err, keyring.ErrNone) || !strings.Contains(err.Error(), "restore") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCustomerKey(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	kms := kmstest.New(t)
	kms.Make("1234abcd", "alias/clinic")
	service, err := awskms.New(ctx, awskms.Config{Endpoint: kms.URL})
	if err != nil {
		t.Fatal(err)
	}
	open := func() *keyring.Folder {
		return &keyring.Folder{Dir: dir, Provider: func(_ keyring.Kind, id string) (keyring.Provider, error) { return service.Provider(id), nil }}
	}
	r, err := open().Create(ctx, "a", keyring.Spec{Kind: keyring.Customer, KeyID: "alias/clinic"})
	if err != nil {
		t.Fatal(err)
	}
	_, key := r.Current()
	again, err := open().Open(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, got := again.Current(); !bytes.Equal(got, key) {
		t.Error("the key is another one when opened again")
	}
	for _, code := range []string{"DisabledException", "KMSInvalidStateException", "AccessDeniedException"} {
		kms.Refuse("1234abcd", code)
		if err := r.Check(ctx); !errors.Is(err, keyring.ErrDisabled) || !strings.Contains(err.Error(), "alias/clinic") {
			t.Errorf("%s: %v", code, err)
		}
		if _, err := open().Open(ctx, "a"); !errors.Is(err, keyring.ErrDisabled) {
			t.Errorf("%s: opening: %v", code, err)
		}
	}
	kms.Refuse("1234abcd", "KMSInternalException")
	if err := r.Check(ctx); !errors.Is(err, keyring.ErrUnreachable) {
		t.Errorf("a service that fails: %v", err)
	}
	kms.Refuse("1234abcd", "")
	if err := r.Check(ctx); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	if _, err := open().Create(ctx, "b", keyring.Spec{Kind: keyring.Customer, KeyID: "alias/none"}); !errors.Is(err, keyring.ErrDisabled) {
		t.Errorf("a key that is not there: %v", err)
	}
	if open().Has("b") {
		t.Error("a file was left for keys that were not made")
	}
}

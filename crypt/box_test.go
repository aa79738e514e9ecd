package crypt_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tarnhealth/tarn/crypt"
)

func newBox(t *testing.T) *crypt.Box {
	t.Helper()
	master := make([]byte, crypt.KeySize)
	rand.Read(master)
	box, err := crypt.NewBox(master)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func TestSealAndOpen(t *testing.T) {
	box := newBox(t)
	for _, plain := range []string{"", "a", strings.Repeat("secret ", 1000)} {
		sealed := box.Seal("purpose", []byte(plain))
		if len(plain) > 100 && bytes.Contains(sealed, []byte("secret ")) {
			t.Errorf("%q can be read in what was sealed", plain)
		}
		if bytes.Equal(sealed, box.Seal("purpose", []byte(plain))) {
			t.Errorf("%q sealed twice is the same", plain)
		}
		got, err := box.Open("purpose", sealed)
		if err != nil || string(got) != plain {
			t.Errorf("Open = %q, %v; want %q", got, err, plain)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	box := newBox(t)
	sealed := box.Seal("purpose", []byte("secret"))
	refused := func(name string, box *crypt.Box, purpose string, sealed []byte) {
		t.Helper()
		if got, err := box.Open(purpose, sealed); !errors.Is(err, crypt.ErrOpen) || got != nil {
			t.Errorf("%s: Open = %q, %v; want ErrOpen", name, got, err)
		}
	}
	refused("another purpose", box, "purpose2", sealed)
	refused("no purpose", box, "", sealed)
	refused("another master key", newBox(t), "purpose", sealed)
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		refused("an altered bit", box, "purpose", altered)
		refused("a cut end", box, "purpose", sealed[:i])
	}
	refused("more bytes", box, "purpose", append(bytes.Clone(sealed), 0))
}

func TestNewBoxChecksTheSize(t *testing.T) {
	for _, size := range []int{0, 16, 31, 33, 64} {
		if _, err := crypt.NewBox(make([]byte, size)); err == nil {
			t.Errorf("a master key of %d bytes is taken", size)
		}
	}
}

func TestKeysDifferByPurpose(t *testing.T) {
	box := newBox(t)
	a, b := box.Key("a"), box.Key("b")
	if len(a) != crypt.KeySize || bytes.Equal(a, b) || !bytes.Equal(a, box.Key("a")) {
		t.Errorf("Key(a) = %x, Key(b) = %x", a, b)
	}
	if bytes.Equal(a, newBox(t).Key("a")) {
		t.Error("two master keys give one key")
	}
}

func TestMasterKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	key, err := crypt.MasterKey(path)
	if err != nil || len(key) != crypt.KeySize {
		t.Fatalf("MasterKey = %d bytes, %v", len(key), err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	if again, err := crypt.MasterKey(path); err != nil || !bytes.Equal(again, key) {
		t.Errorf("read again: %v", err)
	}
	if others, _ := os.ReadDir(filepath.Dir(path)); len(others) != 1 {
		t.Errorf("the folder holds %v", others)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o622} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := crypt.MasterKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}

func TestMasterKeyOfManyProcessesIsOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	keys := make([][]byte, 20)
	var wait sync.WaitGroup
	for i := range keys {
		wait.Go(func() {
			key, err := crypt.MasterKey(path)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	wait.Wait()
	for _, key := range keys {
		if !bytes.Equal(key, keys[0]) {
			t.Fatal("two keys were made")
		}
	}
}

func TestMasterKeyFromTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	want := bytes.Repeat([]byte{0xfb}, crypt.KeySize)
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
		t.Setenv(crypt.MasterKeyVariable, e.EncodeToString(want)+"\n")
		if got, err := crypt.MasterKey(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("MasterKey = %x, %v", got, err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was made all the same")
	}
	for _, text := range []string{"short", base64.StdEncoding.EncodeToString(want[1:]), "not base64!"} {
		t.Setenv(crypt.MasterKeyVariable, text)
		if _, err := crypt.MasterKey(path); err == nil || strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v; want an error without the text", text, err)
		}
	}
}

func TestMasterKeyFileThatHoldsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	for _, text := range []string{"", "abc\n", strings.Repeat("A", 100)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := crypt.MasterKey(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := crypt.MasterKey(filepath.Join(path, "nowhere")); err == nil {
		t.Error("a path inside a file is taken")
	}
}

func BenchmarkSealAndOpen(b *testing.B) {
	box, err := crypt.NewBox(make([]byte, crypt.KeySize))
	if err != nil {
		b.Fatal(err)
	}
	plain := make([]byte, 256)
	for b.Loop() {
		if _, err := box.Open("purpose", box.Seal("purpose", plain)); err != nil {
			b.Fatal(err)
		}
	}
}

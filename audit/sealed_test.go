package audit

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tarnhealth/tarn/crypt/seal/sealtest"
)

// TestSealedLog writes records with two keys after one that is not sealed, and
// reads and verifies them with and without the keys.
func TestSealedLog(t *testing.T) {
	dir := t.TempDir()
	key := Key(make([]byte, 32))
	keys := sealtest.Of(1, 2)
	for i, use := range []sealtest.Keys{nil, keys[:1], keys} {
		opt := Options{Dir: dir, Key: key}
		if use != nil {
			opt.Keys, opt.Durability = use, Process
		}
		l, err := Open(opt)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Append(Record{Action: "read", Query: "Wolfeschlegelstein", Status: i + 1}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(filepath.Join(dir, segmentName(1)))
	if n := bytes.Count(file, []byte("Wolfe")); err != nil || n != 1 {
		t.Errorf("the file shows %d records, %v; want the one from before", n, err)
	}
	public := []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}
	var statuses []int
	sealed := Folder{Dir: dir, Keys: keys}
	err = sealed.Each(func(s Stored) error {
		if s.Query == "Wolfeschlegelstein" {
			statuses = append(statuses, s.Status)
		}
		return nil
	})
	if err != nil || len(statuses) != 3 || statuses[2] != 3 {
		t.Errorf("%v, %v", statuses, err)
	}
	if v, err := sealed.Verify(public); err != nil || v.Last != 3 {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := Verify(dir, "", public); err != nil || v.Last != 3 {
		t.Errorf("without the keys: %+v, %v", v, err)
	}
	if err := Each(dir, "", func(Stored) error { return nil }); !errors.Is(err, ErrSealed) {
		t.Errorf("read without the keys: %v", err)
	}
	wrong := Folder{Dir: dir, Keys: sealtest.Keys{keys[1], keys[0]}}
	if err := wrong.Each(func(Stored) error { return nil }); err == nil {
		t.Error("read with other keys")
	}
	at := bytes.LastIndex(file, []byte(magic+string(byte(kindSealed))))
	file[at+headSize+sealedHead+3] ^= 1
	if err := os.WriteFile(filepath.Join(dir, segmentName(1)), file, 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *Damage
	if _, err := Verify(dir, "", public); !errors.As(err, &damage) {
		t.Errorf("an altered byte: %v", err)
	}
}

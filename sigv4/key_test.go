package sigv4_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/sigv4"
)

func TestLifeOfAKey(t *testing.T) {
	c := &clock{exampleTime}
	keys := newKeys(t, c)
	key, secret, err := keys.Create(ctx, sigv4.Key{Name: "the pipeline", Role: sigv4.RoleReadOnly, DataStores: []string{"a"}})
	if err != nil || len(secret) != 40 || !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(key.ID) {
		t.Fatalf("Create = %+v, %d characters, %v", key, len(secret), err)
	}
	if !key.For("a") || key.For("b") || !(sigv4.Key{}).For("b") {
		t.Error("For is wrong")
	}
	v := newVerifier(t, sigv4.Config{Keys: keys, Service: service, Now: c.now})
	use := func() error {
		r := request("GET", "/", "")
		err := v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: secret}, r, hash(""), service, "x", c.at)
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(r)
		return err
	}
	used := func() time.Time {
		list, err := keys.List(ctx)
		if err != nil || len(list) != 1 || list[0].ID != key.ID || list[0].Name != "the pipeline" {
			t.Fatalf("List = %+v, %v", list, err)
		}
		return list[0].LastUsed
	}
	if !used().IsZero() {
		t.Error("used before it was used")
	}
	for _, step := range []struct{ wait, want time.Duration }{{0, 0}, {59 * time.Second, 0}, {time.Second, time.Minute}} {
		c.at = c.at.Add(step.wait)
		if err := use(); err != nil || !used().Equal(exampleTime.Add(step.want)) {
			t.Errorf("last used %v, %v; want %v", used(), err, exampleTime.Add(step.want))
		}
	}
	if changed, err := keys.SetDisabled(ctx, key.ID, true); err != nil || !changed.Disabled || changed.LastUsed.IsZero() {
		t.Errorf("SetDisabled = %+v, %v", changed, err)
	}
	wantRefused(t, use(), sigv4.CodeUnknownKey, "disabled")
	if _, err := keys.SetDisabled(ctx, key.ID, false); err != nil || use() != nil {
		t.Errorf("enabled again: %v", err)
	}
	if _, err := keys.Delete(ctx, key.ID); err != nil {
		t.Error(err)
	}
	wantRefused(t, use(), sigv4.CodeUnknownKey, "not known")
	_, again := keys.Delete(ctx, key.ID)
	_, disable := keys.SetDisabled(ctx, key.ID, true)
	if !errors.Is(again, sigv4.ErrNotFound) || !errors.Is(disable, sigv4.ErrNotFound) {
		t.Errorf("a key that is gone: %v, %v", again, disable)
	}
}

func TestKeysThatCannotBeMade(t *testing.T) {
	keys := newKeys(t, &clock{exampleTime})
	for _, key := range []sigv4.Key{
		{}, {Role: "Admin"}, {Role: "a b"}, {Role: "admin", Name: "a\nb"}, {Role: "admin", Name: strings.Repeat("a", 257)},
		{Role: "admin", DataStores: []string{""}}, {Role: "admin", DataStores: []string{"A/B"}}, {Role: "admin", DataStores: make([]string, 101)},
	} {
		if _, _, err := keys.Create(ctx, key); !errors.Is(err, sigv4.ErrInvalid) {
			t.Errorf("Create(%+v) = %v", key, err)
		}
	}
	for id, secret := range map[string]string{"short": exampleSecret, exampleID: "short", "AKIA/NOT/ALLOWED": exampleSecret, exampleID + "X": "with spaces in it, many"} {
		if err := keys.Import(ctx, sigv4.Key{ID: id, Role: "admin"}, secret); !errors.Is(err, sigv4.ErrInvalid) {
			t.Errorf("Import(%s) = %v", id, err)
		}
	}
}

// TestSecretsAreSealed looks for a secret in everything that is stored, and
// puts it under another key.
func TestSecretsAreSealed(t *testing.T) {
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	box, _ := crypt.NewBox(make([]byte, crypt.KeySize))
	c := &clock{exampleTime}
	keys := sigv4.NewKeys(folder.Records(), box, c.now)
	one, secret, err := keys.Create(ctx, sigv4.Key{Role: sigv4.RoleReadOnly})
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := keys.Create(ctx, sigv4.Key{Role: sigv4.RoleAdmin})
	if err != nil {
		t.Fatal(err)
	}
	type stored map[string]any
	table := kv.NewTable[stored]("access-key")
	err = folder.Records().Update(ctx, func(tx kv.Tx) error {
		for r, err := range tx.Scan(nil, nil) {
			if err != nil || bytes.Contains(r.Value, []byte(secret)) {
				t.Errorf("the secret is stored as it is: %v", err)
			}
		}
		mine, err := table.Get(tx, one.ID)
		theirs, err2 := table.Get(tx, other.ID)
		theirs["sealed"] = mine["sealed"]
		return errors.Join(err, err2, table.Put(tx, other.ID, theirs, time.Time{}))
	})
	if err != nil {
		t.Fatal(err)
	}
	r := request("GET", "/", "")
	if err := v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: other.ID, SecretAccessKey: secret}, r, hash(""), service, "x", c.at); err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, sigv4.Config{Keys: keys, Service: service, Now: c.now})
	if _, err := v.Verify(r); !errors.Is(err, crypt.ErrOpen) {
		t.Errorf("a secret moved to another key: %v", err)
	}
}

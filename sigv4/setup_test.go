package sigv4_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/sigv4"
)

var ctx = context.Background()

// The credentials of AWS's published examples.
const (
	exampleID     = "AKIDEXAMPLE12345"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var exampleTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

// A clock stands still until it is moved.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newKeys(t *testing.T, c *clock) *sigv4.Keys {
	t.Helper()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	box, err := crypt.NewBox(bytes.Repeat([]byte{7}, crypt.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return sigv4.NewKeys(folder.Records(), box, c.now)
}

func newVerifier(t *testing.T, cfg sigv4.Config) *sigv4.Verifier {
	t.Helper()
	v, err := sigv4.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// exampleVerifier knows the example key, at the example time.
func exampleVerifier(t *testing.T, service string) (*sigv4.Verifier, *clock) {
	t.Helper()
	c := &clock{exampleTime}
	keys := newKeys(t, c)
	if err := keys.Import(ctx, sigv4.Key{ID: exampleID, Role: sigv4.RoleAdmin}, exampleSecret); err != nil {
		t.Fatal(err)
	}
	return newVerifier(t, sigv4.Config{Keys: keys, Service: service, Now: c.now}), c
}

// wantRefused checks the code of a refusal, and that its message has a text.
func wantRefused(t *testing.T, err error, code, text string) {
	t.Helper()
	var e *sigv4.Error
	switch {
	case !errors.As(err, &e):
		t.Errorf("not refused: %v", err)
	case e.Code != code || !strings.Contains(e.Message, text):
		t.Errorf("refused with %s: %s; want %s with %q", e.Code, e.Message, code, text)
	case e.Status != http.StatusForbidden && e.Code != sigv4.CodeTooLarge:
		t.Errorf("status %d", e.Status)
	}
}

package smart

import (
	"errors"
	"testing"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/token"
)

// counted is a DB that counts its changes and nothing else.
type counted struct {
	kv.DB
	changes uint64
}

func (c *counted) Changes() uint64 { return c.changes }

func TestTokensAreCheckedAfterEachChange(t *testing.T) {
	db := &counted{}
	v, claims := newVerified(db), &token.Claims{ID: "1"}
	looks := 0
	var answer error
	check := func(want int, wanted error) {
		t.Helper()
		err := v.check(claims, func() error { looks++; return answer })
		if looks != want || !errors.Is(err, wanted) {
			t.Errorf("looked %d times, want %d; %v, want %v", looks, want, err, wanted)
		}
	}
	check(1, nil)
	check(1, nil)
	db.changes++ // it may have been revoked
	check(2, nil)
	check(2, nil)
	db.changes++
	answer = errRevoked
	check(3, errRevoked)
	check(4, errRevoked) // a refusal is not remembered
	if err := v.check(&token.Claims{ID: "2"}, func() error { return errRevoked }); !errors.Is(err, errRevoked) {
		t.Errorf("another token: %v", err)
	}
	// What changes while a token is looked up makes the answer old.
	answer = nil
	if err := v.check(claims, func() error { looks++; db.changes++; return nil }); err != nil {
		t.Error(err)
	}
	check(6, nil)
}

func TestOthersRecordsAreAskedEachTime(t *testing.T) {
	v, looks := newVerified(struct{ kv.DB }{}), 0
	for range 3 {
		if err := v.check(&token.Claims{}, func() error { looks++; return nil }); err != nil {
			t.Error(err)
		}
	}
	if looks != 3 {
		t.Errorf("looked %d times, want 3", looks)
	}
}

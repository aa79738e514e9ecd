package limits_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/still"
	"github.com/tarnhealth/tarn/server/limits"
)

func address(r *http.Request) string { return r.RemoteAddr }

// TestLimitsOfClients counts a client for all its users, and everybody together.
func TestLimitsOfClients(t *testing.T) {
	c := limits.Default()
	c.ClientRates.PerSecond, c.ClientRates.Burst, c.Served = 0.001, 3, 2
	limit := c.Requests(address, nil).Enter
	r := httptest.NewRequest("GET", "/", nil)
	as := func(client, user string) (func(), int) {
		leave, err := limit(r, authz.Caller{Client: client, Subject: user})
		if err == nil {
			return leave, 200
		}
		var e *fhir.Error
		if !errors.As(err, &e) || len(e.Headers) != 1 || e.Headers[0].Name != "Retry-After" || leave != nil {
			t.Errorf("refused with %+v", err)
		}
		return nil, fhir.KindOf(err).Status()
	}
	first, _ := as("app", "a")
	second, _ := as("app", "b")
	if first == nil || second == nil {
		t.Fatal("within the limits, and refused")
	}
	if _, status := as("other", "c"); status != 503 {
		t.Errorf("with two being served: %d", status)
	}
	first()
	third, status := as("app", "c")
	if status != 200 {
		t.Errorf("with room again: %d", status)
	}
	second()
	third()
	if _, status := as("app", "d"); status != 429 {
		t.Errorf("the fourth of a client: %d", status)
	}
	for range 5 { // who was refused is not inside
		if leave, status := as("", ""); status != 200 {
			t.Errorf("nobody: %d", status)
		} else {
			leave()
		}
	}
}

// TestCharge: what a Bundle has more than there is room for is a debt, of the
// client too, and of nobody else.
func TestCharge(t *testing.T) {
	c, clock := limits.Default(), still.At(time.Unix(0, 0))
	c.Rates.PerSecond, c.Rates.Burst = 2, 5
	c.ClientRates.PerSecond, c.ClientRates.Burst = 100, 1000
	requests := c.Requests(address, clock.Now)
	r := httptest.NewRequest("POST", "/", nil)
	enter := func(caller authz.Caller) string {
		leave, err := requests.Enter(r, caller)
		if err == nil {
			leave()
			return ""
		}
		var e *fhir.Error
		if !errors.As(err, &e) || e.Kind != fhir.KindThrottled {
			t.Fatal(err)
		}
		return e.Headers[0].Value
	}
	ann := authz.Caller{Client: "app", Subject: "ann"}
	if wait := enter(ann); wait != "" {
		t.Fatalf("the first: wait %s", wait)
	}
	requests.Charge(r, ann, 24)
	if wait := enter(ann); wait != "11" { // (25 - 5 + 1) / 2
		t.Errorf("after a Bundle of 25: wait %q", wait)
	}
	if wait := enter(authz.Caller{Client: "app", Subject: "bob"}); wait != "" {
		t.Errorf("another user: wait %s", wait)
	}
	clock.Pass(11 * time.Second)
	if wait := enter(ann); wait != "" {
		t.Errorf("when it is paid off: wait %s", wait)
	}
	requests.Charge(r, authz.Caller{Client: "app", Subject: "carl"}, 10_000)
	if wait := enter(authz.Caller{Client: "app", Subject: "dora"}); wait == "" {
		t.Error("a client is let in whose users have spent too much")
	}
	none := limits.Default()
	unlimited := none.Requests(address, nil)
	for range 1000 {
		unlimited.Charge(r, ann, 1000)
		if leave, err := unlimited.Enter(r, ann); err != nil {
			t.Fatal(err)
		} else {
			leave()
		}
	}
}

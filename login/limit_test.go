package login

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"
)

func TestAccountLocksAndBacksOff(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	for range 5 {
		p.signIn("ana", "wrong").want(422, "")
	}
	// Now it costs time, the right password too, and the e-mail address is no
	// second door.
	for i, wait := range []int{30, 60, 120, 240, 480, 960, 1920, 3600, 3600} {
		for _, name := range []string{"ana", "ana@example.org"} {
			p.signIn(name, good).want(429, "Too many attempts")
			if got := p.head.Get("Retry-After"); got != strconv.Itoa(wait) {
				t.Fatalf("after %d failures: Retry-After %s, want %d", 5+i, got, wait)
			}
		}
		w.clock.Pass(time.Duration(wait)*time.Second - 1)
		p.signIn("ana", good).want(429, "Wait 1 s")
		w.clock.Pass(1)
		p.signIn("ana", "wrong").want(422, "")
	}
	w.person().signIn("somebody else", "x").want(422, "")
	w.clock.Pass(time.Hour)
	p.signIn("ana", good).wantRedirect("/account")
	// A sign-in forgets the failures.
	q := w.person()
	for range 5 {
		q.signIn("ana", "wrong").want(422, "")
	}
	q.signIn("ana", good).want(429, "Wait 30 s")
	if err := w.s.Directory().Unlock(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	q.signIn("ana", good).wantRedirect("/account")
}

// TestHundredFailures: no account, known or not, takes more in a row.
func TestHundredFailures(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	for _, name := range []string{"ana", "nobody"} {
		p := w.person()
		for i := range 100 {
			p.header.Set("Test-Address", fmt.Sprintf("192.0.2.%d", i))
			p.signIn(name, "wrong").want(422, "")
			w.clock.Pass(time.Hour)
		}
		w.clock.Pass(20 * time.Hour)
		p.signIn(name, good).want(429, "Wait 24 h")
	}
	password, err := w.s.Directory().ResetPassword(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.person().signIn("ana", password).wantRedirect("/login/password")
}

func TestNetworkLimit(t *testing.T) {
	w := newWorld(t)
	w.add("ana")
	p := w.person()
	for i := range networkRule.free {
		p.header.Set("Test-Address", fmt.Sprintf("2001:db8::%x", i)) // one customer's
		p.signIn(fmt.Sprintf("user-%d", i), "x").want(422, "")
	}
	p.signIn("ana", good).want(429, "Too many attempts")
	p.header.Set("Test-Address", "2001:db8:0:1::1")
	p.signIn("ana", good).wantRedirect("/account")
	w.clock.Pass(30 * time.Second)
	q := w.person()
	q.header.Set("Test-Address", "2001:db8::ffff")
	q.signIn("ana", good).wantRedirect("/account") // right: it does not count
	q.get("/logout").submit("/logout")
	q.signIn("ana", good).wantRedirect("/account")
}

// TestManyAtOnce sends many guesses at once: they are not more than one after
// another.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	w.add("ana")
	people := make([]*person, 20)
	for i := range people {
		people[i] = w.person().get("/login")
	}
	var wait sync.WaitGroup
	for _, p := range people {
		wait.Go(func() { p.submit("/login", "username", "ana", "password", "guess") })
	}
	wait.Wait()
	tried := 0
	for _, p := range people {
		if p.status == 422 {
			tried++
		}
	}
	if tried != accountRule.free {
		t.Errorf("%d guesses were tried", tried)
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "": "unknown", "@": "unknown", " 192.0.2.1 ": "192.0.2.1",
	} {
		if got := network(address); got != want {
			t.Errorf("%q: %s, want %s", address, got, want)
		}
	}
}

func TestShortTime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Millisecond: "1 s", 90 * time.Second: "90 s", 5*time.Minute + 1: "6 min", time.Hour: "60 min", 24 * time.Hour: "24 h",
	} {
		if got := shortTime(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

package login

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tarnhealth/tarn/kv"
)

func TestDirectoryNames(t *testing.T) {
	w := newWorld(t)
	d, ctx := w.s.Directory(), t.Context()
	ana := w.add("ana")
	for _, n := range []NewUser{
		{Username: "ANA"}, {Username: "ana@example.org"}, {Username: "x", Email: "Ana@Example.org"}, {Username: "ａｎａ"}, {Username: "y", Email: "y@example.org", Password: good},
		{Username: "Y@EXAMPLE.org"},
	} {
		_, err := d.Add(ctx, n)
		if n.Username == "y" {
			if err != nil {
				t.Errorf("%+v: %v", n, err)
			}
		} else if !errors.Is(err, ErrTaken) {
			t.Errorf("%+v: %v, want ErrTaken", n, err)
		}
	}
	for field, n := range map[string]NewUser{
		"username": {Username: ""}, "username ": {Username: "a b"}, "username  ": {Username: "a\n"}, "username   ": {Username: strings.Repeat("a", 129)},
		"email": {Username: "z", Email: "not an address"}, "email ": {Username: "z", Email: "Zed <z@example.org>"},
		"name": {Username: "z", Name: "a\nb"}, "name ": {Username: "z", Name: strings.Repeat("é", 201)},
		"role": {Username: "z", Roles: []string{"two words"}}, "password": {Username: "z", Password: "short"},
		"profile":  {Username: "z", Profiles: []Profile{{DataStore: "d"}, {DataStore: "d"}}},
		"fhirUser": {Username: "z", Profiles: []Profile{{DataStore: "d", FHIRUser: "Device/1"}}}, "fhirUser ": {Username: "z", Profiles: []Profile{{DataStore: "d", FHIRUser: "Patient/a b"}}},
		"patient": {Username: "z", Profiles: []Profile{{DataStore: "d", Patients: []string{"Patient/1"}}}},
	} {
		_, err := d.Add(ctx, n)
		var bad *Error
		if !errors.As(err, &bad) || bad.Field != strings.TrimSpace(field) || !strings.HasPrefix(err.Error(), bad.Field+": ") {
			t.Errorf("%+v: %v, want an error of %s", n, err, field)
		}
	}
	if _, err := d.Find(ctx, "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Find: %v", err)
	}
	// A name that was given up is free for others.
	if _, err := d.Update(ctx, ana.ID, func(u *User) error {
		u.Username, u.ID = "anna", "other"
		u.Profiles = []Profile{{DataStore: "*", FHIRUser: "Person/1"}, {DataStore: "d1", FHIRUser: "Practitioner/7"}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if u, err := d.Find(ctx, "Anna"); err != nil || u.ID != ana.ID {
		t.Errorf("Find: %+v, %v", u, err)
	} else if p, ok := u.Profile("d1"); !ok || p.FHIRUser != "Practitioner/7" {
		t.Errorf("Profile: %+v", p)
	} else if p, ok := u.Profile("d2"); !ok || p.FHIRUser != "Person/1" {
		t.Errorf("Profile: %+v", p)
	}
	second, err := d.Add(ctx, NewUser{Username: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(ctx, second.ID); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(ctx, second.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("Delete again: %v", err)
	}
	list, err := d.List(ctx)
	var names []string
	for _, u := range list {
		names = append(names, u.Username)
	}
	if err != nil || !slices.Equal(names, []string{"anna", "y"}) {
		t.Errorf("List: %v, %v", names, err)
	}
}

func TestSameNameAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	var wait sync.WaitGroup
	results := make([]error, 8)
	for i := range results {
		wait.Go(func() {
			_, results[i] = w.s.Directory().Add(t.Context(), NewUser{Username: "ana", Password: good})
		})
	}
	wait.Wait()
	made := 0
	for _, err := range results {
		if err == nil {
			made++
		} else if !errors.Is(err, ErrTaken) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d users of one name", made)
	}
}

func TestPasswordPolicy(t *testing.T) {
	u := &User{Name: "Grace Hopper", Username: "ghopper", Email: "amazing@example.org"}
	for password, key := range map[string]string{
		good: "", better: "", "ünïcödé wörds ärë fine": "", "漢字漢字漢字漢字漢字漢字": "password.common", "一二三四五六七八九十百千": "", "correct horse ghopper staple": "",
		"k7#mQ2!xW9z$": "", "elevenchars": "password.short", "": "password.short", strings.Repeat("long sentence ", 30): "password.long",
		"password1234": "password.common", "Passwordpassword": "password.common", "P@ssw0rd2026!": "password.common", "123456789012": "password.common",
		"210987654321": "password.common", "qwertyuiopas": "password.common", "lkjhgfdsapoi": "password.common", "aaaaaaaaaaaa": "password.common", "abcabcabcabc": "password.common",
		"Welcome2026!!": "password.common", "administrator": "password.common", "1q2w3e4r5t6y": "password.common", "Healthcare123": "password.common",
		"hopperhopper": "password.common", "GraceHopper1!": "password.name", "ghopper12345": "password.name", "amazing@example.org": "password.name", "xx-amazing-xx": "password.name",
		"with\x00control characters": "password.characters", "bad \xff utf-8 bytes": "password.characters",
	} {
		got := ""
		var bad *Error
		if err := checkPassword(password, u); errors.As(err, &bad) {
			got = bad.Message.Key
		}
		if got != key {
			t.Errorf("%q: %q, want %q", password, got, key)
		}
	}
}

func TestHasher(t *testing.T) {
	h, err := newHasher(cheap)
	if err != nil {
		t.Fatal(err)
	}
	a, b := h.hash(good), h.hash(good)
	if a == b || !strings.HasPrefix(a, "$argon2id$v=19$m=8,t=1,p=1$") || strings.Contains(a, good) {
		t.Errorf("hashes %s and %s", a, b)
	}
	// The same word typed on two keyboards: composed and not.
	if ok, _ := h.verify(h.hash("caf\u00e9 olé olé"), "cafe\u0301 olé olé"); !ok {
		t.Error("a password in another normal form is wrong")
	}
	for hash, ok := range map[string]bool{a: true, b: true, "": false, h.dummy: false, "$argon2id$v=19$m=8,t=1,p=1$x": false, "plain": false, strings.Replace(a, "v=19", "v=16", 1): false} {
		if got, again := h.verify(hash, good); got != ok || again {
			t.Errorf("%s: %v, %v", hash, got, again)
		}
	}
	if _, again := h.verify(a, "wrong"); again {
		t.Error("a wrong password is hashed again")
	}
	for _, cost := range []Cost{{Time: 1}, {Time: 1, Memory: 8}, {Memory: 8, Threads: 1}, {Time: 1, Memory: 8, Threads: 2}, {Time: 1, Memory: 5 << 20, Threads: 1}} {
		if _, err := newHasher(cost); err == nil {
			t.Errorf("cost %+v is taken", cost)
		}
	}
	if h, err := newHasher(Cost{}); err != nil || h.cost != (Cost{3, 65536, 4}) {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestRehash(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	before, err := w.s.directory.get(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.serve(func(c *Config) { c.Cost = Cost{Time: 2, Memory: 16, Threads: 2} })
	w.person().signIn("ana", "wrong").want(422, "")
	w.person().signIn("ana", good).wantRedirect("/account")
	after, err := w.s.directory.get(t.Context(), u.ID)
	if err != nil || after.Password == before.Password || !strings.Contains(after.Password, "m=16,t=2,p=2") || after.Stamp != before.Stamp {
		t.Errorf("after a change of cost: %+v, %v", after, err)
	}
	w.person().signIn("ana", good).wantRedirect("/account")
}

// TestSecretsAreNotStored looks through all records for what must not be there.
func TestSecretsAreNotStored(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	secret, codes := p.addTOTP()
	var cookies []string
	for _, c := range p.client.Jar.Cookies(p.at) {
		_, rest, _ := strings.Cut(c.Value, ".")
		cookies = append(cookies, c.Value, rest)
	}
	err := w.db.View(t.Context(), func(tx kv.Tx) error {
		for r, err := range tx.Scan(nil, nil) {
			if err != nil {
				return err
			}
			for _, s := range append([]string{good, secret, codes[0], strings.ReplaceAll(codes[0], "-", "")}, cookies...) {
				if s != "" && strings.Contains(string(r.Key)+string(r.Value), s) {
					t.Errorf("record %q holds the secret %q", r.Key, s)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := w.s.directory.get(t.Context(), u.ID); err != nil || len(r.TOTP) == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestCrash pulls the plug after each step: users, sessions, lock-outs and
// used codes are there again.
func TestCrash(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	secret, _ := p.addTOTP()
	w.clock.Pass(totpPeriod * 1e9)
	q := w.person()
	q.signIn("ana", good).follow().submit("/login/second", "code", w.code(secret)).wantRedirect("/account")
	for range 5 {
		w.person().signIn("eve", "wrong")
	}
	w.fs = w.fs.CrashClone(vfsNothing)
	w.openDB()
	w.serve()
	p.wantUser(u.ID, "pwd")
	q.wantUser(u.ID, "pwd", "otp", "mfa")
	x := w.person()
	x.signIn("eve", "wrong").want(429, "Too many attempts")
	x.signIn("ana", good).follow().submit("/login/second", "code", w.code(secret)).want(422, "used before")
}

// TestLongerPasswords asks for more characters than usual.
func TestLongerPasswords(t *testing.T) {
	d := &Directory{least: 20}
	u := &User{Username: "ghopper"}
	var bad *Error
	if err := d.checkPassword("k7#mQ2!xW9z$k7#mQ2!", u); !errors.As(err, &bad) || bad.Message.Key != "password.short" || bad.Message.Args[0] != 20 {
		t.Errorf("19 characters: %v", err)
	}
	if err := d.checkPassword("k7#mQ2!xW9z$k7#mQ2!y", u); err != nil {
		t.Errorf("20 characters: %v", err)
	}
}

package login

import (
	"net/http/httptest"
	"testing"
)

// BenchmarkHash is what one sign-in costs at least, at the standard cost.
func BenchmarkHash(b *testing.B) {
	h, err := newHasher(Cost{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		h.hash(good)
	}
}

// BenchmarkSession is what every page and authorization costs to know who is
// there.
func BenchmarkSession(b *testing.B) {
	w := newWorld(b)
	w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	r := httptest.NewRequest("GET", home+"/account", nil)
	for _, c := range p.client.Jar.Cookies(p.at) {
		r.AddCookie(c)
	}
	for b.Loop() {
		if s, _, err := w.s.Session(r); s == nil || err != nil {
			b.Fatal(s, err)
		}
	}
}

package login

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/pquerna/otp/totp"
)

// vfsNothing loses all that was not made durable.
var vfsNothing = vfs.CrashCloneCfg{}

// code is what an authenticator app shows now.
func (w *world) code(secret string) string {
	w.t.Helper()
	code, err := totp.GenerateCode(secret, w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return code
}

// addTOTP adds an authenticator app to who is signed in, and returns its
// secret and the recovery codes.
func (p *person) addTOTP() (secret string, codes []string) {
	p.t.Helper()
	p.get("/account/totp").want(200, "Scan the picture")
	_, after, _ := strings.Cut(visible(p.body), "secret into the app:")
	secret = strings.ReplaceAll(strings.TrimSpace(after[:strings.Index(after, "Code from")]), " ", "")
	p.submit("/account/totp", "code", p.w.code(secret)).want(200, "from now on")
	return secret, p.codes()
}

// codes are the recovery codes of a page.
func (p *person) codes() []string {
	var codes []string
	for word := range strings.FieldsSeq(visible(p.body)) {
		if len(word) == 14 && strings.Count(word, "-") == 2 {
			codes = append(codes, word)
		}
	}
	return codes
}

func TestTOTP(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	p.get("/account/totp")
	if !strings.Contains(p.body, `src="data:image/png;base64,`) {
		t.Error("no QR code on the page")
	}
	shown := func() string {
		_, text, _ := strings.Cut(visible(p.body), "secret into the app:")
		return text[:40]
	}
	before := shown()
	if p.submit("/account/totp", "code", "000000").want(422, "This code is not right"); shown() != before {
		t.Error("a wrong code changes the secret on offer")
	}
	secret, codes := p.addTOTP()
	if len(codes) != recoveryCodes {
		t.Errorf("recovery codes %v", codes)
	}
	p.get("/account").want(200, "Authenticator app On").want(200, "10 left")

	q := w.person()
	second := func() *person {
		return q.signIn("ana", good).wantRedirect("/login/second").follow().want(200, "Second step")
	}
	second().submit("/login/second", "code", w.code(secret)).want(422, "used before") // at enrolment
	w.clock.Pass(time.Minute)
	code := w.code(secret)
	for _, wrong := range []string{"", "123", "abcdef", "0000000000"} {
		second().submit("/login/second", "code", wrong).want(422, "not right")
		if q.wantNobody(); w.lastEvent().Kind != "sign-in-failed" || w.lastEvent().UserID != u.ID {
			t.Errorf("event %+v", w.lastEvent())
		}
		if err := w.s.Directory().Unlock(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
	}
	second().submit("/login/second", "code", code[:3]+" "+code[3:]).wantRedirect("/account")
	q.wantUser(u.ID, "pwd", "otp", "mfa")
	q = w.person()
	second().submit("/login/second", "code", code).want(422, "used before")
	w.clock.Pass(totpPeriod * time.Second)
	q.submit("/login/second", "code", w.code(secret)).wantRedirect("/account")
	// The app's clock may be a step off, but no more.
	w.clock.Pass(3 * totpPeriod * time.Second)
	late := w.code(secret)
	w.clock.Pass(2 * totpPeriod * time.Second)
	q = w.person()
	second().submit("/login/second", "code", late).want(422, "not right")
	early, _ := totp.GenerateCode(secret, w.clock.Now().Add(totpPeriod*time.Second))
	q.submit("/login/second", "code", early).wantRedirect("/account")

	p.get("/account").submit("/account/totp/remove").wantRedirect("/account").follow().want(200, "Authenticator app Off")
	w.person().signIn("ana", good).wantRedirect("/account")
}

// TestOneCodeOnce sends one code many times at once.
func TestOneCodeOnce(t *testing.T) {
	w := newWorld(t)
	w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	secret, _ := p.addTOTP()
	w.clock.Pass(time.Minute)
	people := make([]*person, 4)
	for i := range people {
		people[i] = w.person()
		people[i].signIn("ana", good).follow()
	}
	var wait sync.WaitGroup
	for _, q := range people {
		wait.Go(func() { q.submit("/login/second", "code", w.code(secret)) })
	}
	wait.Wait()
	signedIn := 0
	for _, q := range people {
		if q.status == 303 {
			signedIn++
		}
	}
	if signedIn != 1 {
		t.Errorf("one code signed in %d times", signedIn)
	}
}

func TestRecoveryCodes(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	_, codes := p.addTOTP()
	use := func(code string) *person {
		q := w.person()
		q.signIn("ana", good).follow()
		q.get(q.link("/login/second?use=recovery")).want(200, "recovery codes that you kept")
		return q.submit("/login/second", "recovery", code)
	}
	use("aaaa-bbbb-cccc").want(422, "not right")
	use(" "+strings.ToUpper(codes[3])+" ").wantRedirect("/account").wantUser(u.ID, "pwd", "recovery", "mfa")
	use(codes[3]).want(422, "not right")
	use(strings.ReplaceAll(codes[4], "-", "")).wantRedirect("/account")
	p.get("/account").want(200, "8 left").submit("/account/recovery").want(200, "new recovery codes")
	fresh := p.codes()
	use(codes[5]).want(422, "not right")
	use(fresh[0]).wantRedirect("/account")
}

// TestPasswordDoesNotBuyTries signs in with the right password again and again
// to get more tries at the second factor.
func TestPasswordDoesNotBuyTries(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	p.addTOTP()
	q := w.person()
	tries := 0
	for range 12 {
		if q.signIn("ana", good); q.status != 303 {
			break
		}
		if q.follow().submit("/login/second", "code", "000000"); q.status == 429 {
			break
		}
		tries++
	}
	if tries != accountRule.free {
		t.Errorf("%d tries at the second factor", tries)
	}
	if w.lastEvent().Kind != "locked" || w.lastEvent().UserID != u.ID {
		t.Errorf("event %+v", w.lastEvent())
	}
}

// TestChangesEndSignIns goes on with a sign-in whose factor was changed.
func TestChangesEndSignIns(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	secret, _ := p.addTOTP()
	w.clock.Pass(time.Minute)
	q := w.person()
	q.signIn("ana", good).follow()
	if err := w.s.Directory().SetPassword(t.Context(), u.ID, better, false); err != nil {
		t.Fatal(err)
	}
	p.wantNobody()
	q.submit("/login/second", "code", w.code(secret)).want(400, "run out of time")
	q.signIn("ana", better).follow()
	w.clock.Pass(11 * time.Minute)
	q.submit("/login/second", "code", w.code(secret)).want(400, "run out of time")
	if err := w.s.Directory().RemoveFactors(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	q.signIn("ana", better).wantRedirect("/account")
}

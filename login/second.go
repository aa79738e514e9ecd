package login

import (
	"context"
	"crypto/hmac"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/tarnhealth/tarn/page"
)

// secondPage is what the page for the second factor shows.
type secondPage struct {
	Flow     string
	TOTP     bool
	Recovery bool // ask for a recovery code
	Codes    bool // there are recovery codes
	Passkey  *ceremony
}

func (s *Service) showSecond(w http.ResponseWriter, r *http.Request) {
	if f, user := s.step(w, r, "second"); f != nil {
		s.secondForm(w, r, http.StatusOK, f, user)
	}
}

func (s *Service) secondForm(w http.ResponseWriter, r *http.Request, status int, f *flow, user *record, options ...page.Option) {
	q := r.URL.Query()
	p := secondPage{Flow: q.Get("flow"), Recovery: q.Get("use") == "recovery", TOTP: len(user.TOTP) > 0, Codes: len(user.Recovery) > 0}
	options = append(options, page.FormAction(f.FormAction...))
	if s.passkeys != nil && len(user.Passkeys) > 0 && !p.Recovery {
		var err error
		if p.Passkey, err = s.offerPasskey(w, r, user); err != nil {
			s.broken(w, r, err)
			return
		}
		options = append(options, page.Script("/login/passkey.js"))
	}
	s.pages.Render(w, r, status, "second", p, options...)
}

// second takes a code of the authenticator app, a recovery code, or a passkey.
func (s *Service) second(w http.ResponseWriter, r *http.Request) {
	f, user := s.step(w, r, "second")
	if f == nil {
		return
	}
	user, amr, field, err := s.proveSecond(w, r, user)
	if err != nil {
		if status, option := s.trouble(w, r, field, err); status != 0 {
			s.secondForm(w, r, status, f, user, option)
		}
		return
	}
	f.AMR = append(f.AMR, amr...)
	f.Stamp = user.Stamp
	s.advance(w, r, f, user)
}

// proveSecond checks what a form proves, and counts the attempt on the
// account. field is where the form has it.
func (s *Service) proveSecond(w http.ResponseWriter, r *http.Request, user *record) (proved *record, amr []string, field string, err error) {
	try, err := s.begin(r, user.ID, accountKey(user.ID))
	if err != nil {
		return user, nil, "", err
	}
	switch {
	case r.PostForm.Get("credential") != "":
		proved, err = s.provePasskey(w, r, user)
		amr = []string{"hwk", "mfa"}
	case r.PostForm.Has("recovery"):
		field, amr = "recovery", []string{"recovery", "mfa"}
		proved, err = s.directory.useRecovery(r.Context(), user, r.PostForm.Get("recovery"))
	default:
		field, amr = "code", []string{"otp", "mfa"}
		proved, err = s.directory.useTOTP(r.Context(), user, r.PostForm.Get("code"))
	}
	if err != nil {
		var bad *Error
		if errors.As(err, &bad) {
			s.event(r, Event{Kind: "sign-in-failed", UserID: user.ID, AMR: amr[:1]})
		}
		return user, nil, field, err
	}
	return proved, amr, field, try.right(r.Context())
}

// totpPeriod is the time step of RFC 6238, in seconds.
const totpPeriod = 30

// totpStep finds the time step of a code: now, the one before or the one
// after, as clocks differ (RFC 6238 section 5.2). 0 is none.
func totpStep(secret, code string, now time.Time) (int64, error) {
	found := int64(0)
	for _, skew := range []int64{-1, 0, 1} {
		step := now.Unix()/totpPeriod + skew
		want, err := totp.GenerateCode(secret, time.Unix(step*totpPeriod, 0))
		if err != nil {
			return 0, fmt.Errorf("login: the TOTP secret: %w", err)
		}
		if hmac.Equal([]byte(want), []byte(code)) {
			found = step
		}
	}
	return found, nil
}

// useTOTP checks a code and uses it up: neither it nor an earlier one is right
// again (RFC 6238 section 5.2).
func (d *Directory) useTOTP(ctx context.Context, user *record, code string) (*record, error) {
	code = strings.Join(strings.Fields(code), "")
	return d.update(ctx, user.ID, func(r *record) error {
		if len(r.TOTP) == 0 || r.Stamp != user.Stamp {
			return wrong("code", "second.wrong")
		}
		secret, err := d.openTOTP(r)
		if err != nil {
			return err
		}
		step, err := totpStep(secret, code, d.now())
		if err != nil {
			return err
		}
		if step <= r.TOTPStep { // or 0, for a code that is of no step
			return wrong("code", "second.wrong")
		}
		r.TOTPStep = step
		return nil
	})
}

const totpPurpose = "login totp"

// sealTOTP seals a secret with its owner, so that it does not work with
// another record.
func (d *Directory) sealTOTP(userID, secret string) []byte {
	return d.box.Seal(totpPurpose, []byte(userID+" "+secret))
}

func (d *Directory) openTOTP(r *record) (string, error) {
	plain, err := d.box.Open(totpPurpose, r.TOTP)
	if err != nil {
		return "", fmt.Errorf("login: the TOTP secret of a user: %w", err)
	}
	secret, ok := strings.CutPrefix(string(plain), r.ID+" ")
	if !ok {
		return "", errors.New("login: the TOTP secret is another user's")
	}
	return secret, nil
}

const recoveryCodes = 10

// newRecovery makes recovery codes of 60 bits, and what is stored of them.
func (d *Directory) newRecovery(userID string) (codes, digests []string) {
	for range recoveryCodes {
		code := grouped(12, 4)
		codes = append(codes, code)
		digests = append(digests, d.recoverySum(userID, code))
	}
	return codes, digests
}

func (d *Directory) recoverySum(userID, code string) string {
	code = strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(code))
	return d.sum("recovery "+userID, code)
}

// useRecovery checks a recovery code and uses it up.
func (d *Directory) useRecovery(ctx context.Context, user *record, code string) (*record, error) {
	sum := d.recoverySum(user.ID, code)
	return d.update(ctx, user.ID, func(r *record) error {
		i := slices.Index(r.Recovery, sum)
		if i < 0 || r.Stamp != user.Stamp {
			return wrong("recovery", "second.wrong")
		}
		r.Recovery = slices.Delete(r.Recovery, i, i+1)
		return nil
	})
}

// decode32 reads a TOTP secret as it is written for people.
func decode32(secret string) []byte {
	b, _ := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	return b
}

package login

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/tarnhealth/tarn/kv"
)

// passkeys are the WebAuthn ceremonies of one relying party, this server.
// https://www.w3.org/TR/webauthn-3/
type passkeys struct{ party *webauthn.WebAuthn }

// newPasskeys returns nil where browsers do not offer passkeys: a relying
// party has a domain name, and https unless it is localhost.
func newPasskeys(cfg Config) (*passkeys, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	host := base.Hostname()
	_, ip := netip.ParseAddr(strings.Trim(host, "[]"))
	if ip == nil || base.Scheme != "https" && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
		return nil, nil
	}
	name := cfg.Product
	if name == "" {
		name = "Tarn"
	}
	party, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: name, RPOrigins: []string{base.Scheme + "://" + base.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("login: passkeys: %w", err)
	}
	return &passkeys{party}, nil
}

// passkeyUser is a record as the WebAuthn library wants it.
type passkeyUser struct{ *record }

// WebAuthnID is the user handle: the ID, which is random.
func (u passkeyUser) WebAuthnID() []byte { return []byte(u.ID) }

// WebAuthnName is the name of the account.
func (u passkeyUser) WebAuthnName() string { return u.Username }

// WebAuthnDisplayName is the name of the person.
func (u passkeyUser) WebAuthnDisplayName() string {
	if u.Name == "" {
		return u.Username
	}
	return u.Name
}

// WebAuthnCredentials are the passkeys.
func (u passkeyUser) WebAuthnCredentials() []webauthn.Credential {
	var list []webauthn.Credential
	for _, p := range u.Passkeys {
		list = append(list, p.Credential)
	}
	return list
}

// A ceremony is what a page gives its script, and gets back with the answer.
type ceremony struct {
	Options string // JSON of navigator.credentials.get or create
	State   string // sealed challenge
}

// offerPasskey begins a sign-in with a passkey: of any user where user is nil,
// and then one that verifies who holds it.
func (s *Service) offerPasskey(w http.ResponseWriter, r *http.Request, user *record) (*ceremony, error) {
	var options *protocol.CredentialAssertion
	var session *webauthn.SessionData
	var err error
	if user == nil {
		options, session, err = s.passkeys.party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	} else {
		options, session, err = s.passkeys.party.BeginLogin(passkeyUser{user})
	}
	if err != nil {
		return nil, fmt.Errorf("login: passkey: %w", err)
	}
	return s.ceremony(w, r, options, session)
}

func (s *Service) ceremony(w http.ResponseWriter, r *http.Request, options any, session *webauthn.SessionData) (*ceremony, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	state, err := s.seal(w, r, "passkey", flow{Ceremony: session}, stepTime)
	return &ceremony{Options: string(text), State: state}, err
}

// openCeremony takes back the challenge of a form, once.
func (s *Service) openCeremony(w http.ResponseWriter, r *http.Request) (*webauthn.SessionData, error) {
	f, err := s.open(w, r, "passkey", r.PostForm.Get("ceremony"))
	if err != nil {
		return nil, err
	}
	if f.Ceremony == nil {
		return nil, errFlow
	}
	return f.Ceremony, s.once(r, "challenge", f.Ceremony.Challenge, f.Expires)
}

func (s *Service) signInByPasskey(w http.ResponseWriter, r *http.Request) {
	f, text, err := s.startFlow(w, r)
	if err != nil || s.passkeys == nil {
		s.broken(w, r, errors.Join(errFlow, err))
		return
	}
	user, err := s.provePasskey(w, r, nil)
	if err != nil {
		if errors.Is(err, errWrong) {
			s.event(r, Event{Kind: "sign-in-failed", AMR: []string{"hwk"}})
		}
		if status, option := s.trouble(w, r, "", err); status != 0 {
			s.signInForm(w, r, status, f, signInPage{Flow: text}, option)
		}
		return
	}
	f.UserID, f.Stamp, f.AMR = user.ID, user.Stamp, []string{"hwk", "user", "mfa"}
	s.advance(w, r, f, user)
}

// provePasskey checks the answer of an authenticator, of user or, where that
// is nil, of whoever it says. It fails with errWrong whatever is wrong.
func (s *Service) provePasskey(w http.ResponseWriter, r *http.Request, user *record) (*record, error) {
	if s.passkeys == nil {
		return nil, errFlow
	}
	session, err := s.openCeremony(w, r)
	if err != nil {
		return nil, err
	}
	answer, err := protocol.ParseCredentialRequestResponseBytes([]byte(r.PostForm.Get("credential")))
	if err != nil {
		return nil, errWrong
	}
	var used *webauthn.Credential
	if user != nil {
		used, err = s.passkeys.party.ValidateLogin(passkeyUser{user}, *session, answer)
	} else {
		used, err = s.passkeys.party.ValidateDiscoverableLogin(func(_, handle []byte) (webauthn.User, error) {
			user, err = s.directory.get(r.Context(), string(handle))
			return passkeyUser{user}, err
		}, *session, answer)
	}
	if err != nil || used.Authenticator.CloneWarning || user.Disabled {
		return nil, errWrong
	}
	return s.directory.usePasskey(r.Context(), user, used)
}

// usePasskey stores the counter of a passkey. One that did not go up while it
// was checked is a copy's (WebAuthn section 7.2 step 22).
func (d *Directory) usePasskey(ctx context.Context, user *record, used *webauthn.Credential) (*record, error) {
	return d.update(ctx, user.ID, func(r *record) error {
		i := r.passkey(used.ID)
		if i < 0 || r.Stamp != user.Stamp {
			return errWrong
		}
		if count := used.Authenticator.SignCount; count != 0 && count <= r.Passkeys[i].Credential.Authenticator.SignCount {
			return errWrong
		}
		r.Passkeys[i].Credential, r.Passkeys[i].Used = *used, d.now().UTC()
		return nil
	})
}

func (r *record) passkey(id []byte) int {
	return slices.IndexFunc(r.Passkeys, func(p passkey) bool { return string(p.Credential.ID) == string(id) })
}

const maxPasskeys = 20

// addPasskeyTo stores a new passkey of a user; first codes come with the
// first factor.
func (d *Directory) addPasskeyTo(ctx context.Context, userID, name string, credential *webauthn.Credential) (codes []string, err error) {
	err = d.db.Update(ctx, func(tx kv.Tx) error {
		codes = nil
		_, err := updateUser(tx, userID, func(r *record) error {
			if len(r.Passkeys) >= maxPasskeys {
				return wrong("name", "passkey.many", maxPasskeys)
			}
			r.Passkeys = append(r.Passkeys, passkey{Credential: *credential, Name: name, Created: d.now().UTC()})
			r.Stamp++
			codes = d.firstRecovery(r)
			return nil
		})
		return err
	})
	return codes, err
}

// firstRecovery gives recovery codes to a user who has none.
func (d *Directory) firstRecovery(r *record) []string {
	if len(r.Recovery) > 0 {
		return nil
	}
	var codes []string
	codes, r.Recovery = d.newRecovery(r.ID)
	return codes
}

//go:embed passkey.js
var passkeyJS []byte

func passkeyScript(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(passkeyJS)))
}

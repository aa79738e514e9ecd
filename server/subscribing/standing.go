package subscribing

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bearer"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/sigv4"
	"github.com/tarnhealth/tarn/smart"
)

// Standing keeps the access of those who ask for Subscriptions, for as long as
// they have any.
type Standing struct {
	// Restore makes an access of what bearer.Kept kept.
	Restore func(ctx context.Context, ds *datastore.Store, kept []byte) (authz.Access, error)
	// SMART and Users know the callers of the server's own authorization server,
	// whose tokens have the issuer OwnIssuer; AccessKeys those of signed
	// requests, whose issuer is KeyIssuer.
	SMART                *smart.Service
	Users                *login.Directory
	AccessKeys           *sigv4.Keys
	OwnIssuer, KeyIssuer string
	Now                  func() time.Time
}

// kept is an access as it is kept.
type kept struct {
	Access json.RawMessage
	Time   time.Time
	// Granted is set where a user had given the app something then.
	Granted bool `json:",omitempty"`
}

// Keep keeps an access.
func (s *Standing) Keep(access authz.Access) ([]byte, error) {
	_, text, err := bearer.Kept(access)
	if err != nil {
		return nil, err
	}
	k := kept{Access: text, Time: s.Now().UTC()}
	if c := access.Caller(); c.Issuer == s.OwnIssuer && c.Subject != c.Client {
		if k.Granted, err = s.SMART.Granted(context.Background(), c.Subject, c.Client); err != nil {
			return nil, err
		}
	}
	return json.Marshal(k)
}

// Access makes an access again of what was kept, by the rules as they are now. The
// error is of KindForbidden where the caller has none any more.
func (s *Standing) Access(ctx context.Context, ds *datastore.Store, text []byte) (authz.Access, error) {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return authz.Access{}, err
	}
	access, err := s.Restore(ctx, ds, k.Access)
	if err != nil {
		return authz.Access{}, err
	}
	c := access.Caller()
	switch c.Issuer {
	case s.OwnIssuer:
		err = s.checkOwn(ctx, &c, &k)
	case s.KeyIssuer:
		err = s.checkKey(ctx, &c, ds.Record().ID)
	}
	if err != nil {
		return authz.Access{}, err
	}
	return access, nil
}

// checkOwn checks a caller of the server's own authorization server.
func (s *Standing) checkOwn(ctx context.Context, c *authz.Caller, k *kept) error {
	if _, err := s.SMART.Clients().Record(ctx, c.Client); err != nil {
		if fhir.KindOf(err) == fhir.KindNotFound {
			return fhir.Errorf(fhir.KindForbidden, "the client is not registered any more")
		}
		return err
	}
	if revoked, err := s.SMART.RevokedSince(ctx, c.Subject, c.Client, k.Time); revoked || err != nil {
		return refusal(err, "its access was revoked")
	}
	if c.Subject == c.Client || c.Subject == "" {
		return nil
	}
	user, err := s.Users.Get(ctx, c.Subject)
	if errors.Is(err, login.ErrNotFound) || err == nil && user.Disabled {
		return refusal(nil, "the user cannot sign in any more")
	}
	if err != nil || !k.Granted {
		return err
	}
	if granted, err := s.SMART.Granted(ctx, c.Subject, c.Client); !granted || err != nil {
		return refusal(err, "what the user gave to the app was taken back, or has expired")
	}
	return nil
}

// checkKey checks the holder of an access key.
func (s *Standing) checkKey(ctx context.Context, c *authz.Caller, store string) error {
	keys, err := s.AccessKeys.List(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(k sigv4.Key) bool { return k.ID == c.Client })
	if i < 0 || keys[i].Disabled || !keys[i].For(store) {
		return refusal(nil, "the access key is not good for this data store any more")
	}
	return nil
}

// refusal is err or, where that is nil, the refusal with a reason.
func refusal(err error, why string) error {
	if err != nil {
		return err
	}
	return fhir.Errorf(fhir.KindForbidden, "%s", why)
}

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/smart"
)

// Paths of the authorization server.
const (
	tokenPath      = "/auth/token"
	introspectPath = "/auth/introspect"
)

// runToken asks an authorization server for access tokens, by a client secret
// and by signed assertions, and for what is behind one token. The limit of the
// first two is the cryptography alone, on all cores.
func runToken(ctx context.Context, b *bench) (err error) {
	s, err := b.tokenServer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	for _, one := range []func(context.Context, *bench) (result, error){s.bySecret, s.byAssertion, s.introspect} {
		r, err := one(ctx, b)
		if err != nil {
			return err
		}
		if err := b.report.print(r); err != nil {
			return err
		}
	}
	return nil
}

// A tokenServer is a server that wants tokens, with two clients of it.
type tokenServer struct {
	*instance
	secret string
	signer *ecdsa.PrivateKey
	// last numbers the assertions, which are good once.
	last atomic.Int64
	end  func() error
}

// The clients of a tokenServer.
const (
	secretClient = "bench-secret"
	signedClient = "bench-signed"
)

func (b *bench) tokenServer(ctx context.Context) (*tokenServer, error) {
	dir := b.newFolder()
	in, err := b.launch(ctx, dir, "TARN_AUTH="+server.AuthSMART)
	if err != nil {
		return nil, err
	}
	s := &tokenServer{instance: in, end: func() error { return errors.Join(in.stop(), os.RemoveAll(dir)) }}
	if err := s.register(ctx); err != nil {
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

// register makes the clients.
func (s *tokenServer) register(ctx context.Context) (err error) {
	if s.signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		return err
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.signer.Public(), KeyID: "bench", Algorithm: "ES384", Use: "sig"}}})
	if err != nil {
		return err
	}
	admin, err := server.OpenAdmin(ctx, s.dir)
	if err != nil {
		return err
	}
	defer admin.Close()
	c := smart.Client{Scopes: "system/*.rs", Grants: []string{"client_credentials"}, DataStores: []string{server.DefaultStore}}
	symmetric, asymmetric := c, c
	symmetric.ID, symmetric.Type, symmetric.MayIntrospect = secretClient, smart.Symmetric, true
	asymmetric.ID, asymmetric.Type, asymmetric.JWKS = signedClient, smart.Asymmetric, keys
	added, err := admin.AddClient(ctx, symmetric)
	if err != nil {
		return err
	}
	s.secret = added.Secret
	_, err = admin.AddClient(ctx, asymmetric)
	return err
}

// form is a whole request, as it goes over the wire.
func (s *tokenServer) form(path string, values url.Values) []byte {
	body := values.Encode()
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// asked are the parameters of a request by the client with a secret.
func (s *tokenServer) asked() url.Values {
	return url.Values{"client_id": {secretClient}, "client_secret": {s.secret}}
}

func (s *tokenServer) bySecret(ctx context.Context, b *bench) (result, error) {
	values := s.asked()
	values.Set("grant_type", "client_credentials")
	values.Set("scope", "system/*.rs")
	request := s.form(tokenPath, values)
	r, _, err := b.measure(ctx, "token/secret", "tokens/s", s.instance, b.tokenWork(func(u *user) (answer, error) {
		status, body, err := u.send(request)
		return expect(0, 1, 200, status, body), err
	}))
	if err == nil {
		err = onAllCores(ctx, b, &r, "ES384 signatures", s.sign)
	}
	return r, err
}

func (s *tokenServer) byAssertion(ctx context.Context, b *bench) (result, error) {
	values := url.Values{
		"grant_type": {"client_credentials"}, "scope": {"system/*.rs"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	audience := "http://" + s.addr + tokenPath
	signing, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES384, Key: jose.JSONWebKey{Key: s.signer, KeyID: "bench"}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return result{}, err
	}
	r, _, err := b.measure(ctx, "token/assertion", "tokens/s", s.instance, b.tokenWork(func(u *user) (answer, error) {
		assertion, err := s.assert(signing, audience)
		if err != nil {
			return answer{}, err
		}
		own := url.Values{"client_assertion": {assertion}}
		for name, value := range values {
			own[name] = value
		}
		status, body, err := u.send(s.form(tokenPath, own))
		return expect(0, 1, 200, status, body), err
	}))
	if err == nil {
		err = onAllCores(ctx, b, &r, "ES384 signatures, each with a check of one", s.signAndCheck)
		r.Note += "; the generator signs too"
	}
	return r, err
}

// assert makes a client assertion. RFC 7523 section 3
func (s *tokenServer) assert(signing jose.Signer, audience string) (string, error) {
	now := time.Now().Unix()
	claims := fmt.Appendf(nil, `{"iss":%q,"sub":%q,"aud":%q,"iat":%d,"exp":%d,"jti":"%d"}`, signedClient, signedClient, audience, now, now+240, s.last.Add(1))
	signed, err := signing.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func (s *tokenServer) introspect(ctx context.Context, b *bench) (result, error) {
	conn, err := dial(s.addr)
	if err != nil {
		return result{}, err
	}
	defer conn.close()
	values := s.asked()
	values.Set("grant_type", "client_credentials")
	values.Set("scope", "system/*.rs")
	status, body, err := conn.send(s.form(tokenPath, values))
	var token struct {
		Access string `json:"access_token"`
	}
	if err == nil {
		err = json.Unmarshal(body, &token)
	}
	if err != nil || status != 200 {
		return result{}, fmt.Errorf("no token to introspect: %d, %w", status, err)
	}
	values = s.asked()
	values.Set("token", token.Access)
	request := s.form(introspectPath, values)
	r, t, err := b.measure(ctx, "token/introspect", "requests/s", s.instance, b.tokenWork(func(u *user) (answer, error) {
		status, body, err := u.send(request)
		return expect(0, 1, 200, status, body), err
	}))
	if err != nil {
		return r, err
	}
	return r, b.answerLimit(ctx, &r, &t, kindBytes, 1)
}

func (b *bench) tokenClients() int { return b.opt.clientsOr(16)[0] }

func (b *bench) tokenWork(step func(u *user) (answer, error)) work {
	return work{clients: b.tokenClients(), length: b.seconds(1), step: step}
}

// sign makes the signature that each token costs.
func (s *tokenServer) sign() error {
	sum := sha512.Sum384([]byte(base))
	_, err := ecdsa.SignASN1(rand.Reader, s.signer, sum[:])
	return err
}

// signAndCheck does what a token for an assertion costs.
func (s *tokenServer) signAndCheck() error {
	sum := sha512.Sum384([]byte(base))
	signature, err := ecdsa.SignASN1(rand.Reader, s.signer, sum[:])
	if err == nil && !ecdsa.VerifyASN1(&s.signer.PublicKey, sum[:], signature) {
		err = errors.New("a signature is wrong")
	}
	return err
}

// onAllCores sets a result's limit to how often a second something is done in
// this process, by as many goroutines as there are clients.
func onAllCores(ctx context.Context, b *bench, r *result, what string, do func() error) error {
	var (
		group sync.WaitGroup
		done  atomic.Int64
		first error
		once  sync.Once
	)
	cpu, begin, length := ownCPU(), time.Now(), b.seconds(.4)
	for range b.tokenClients() {
		group.Go(func() {
			for n := 0; (n == 0 || time.Since(begin) < length) && ctx.Err() == nil; n++ {
				if err := do(); err != nil {
					once.Do(func() { first = err })
					return
				}
				done.Add(1)
			}
		})
	}
	group.Wait()
	if first == nil {
		first = ctx.Err()
	}
	r.limit(float64(done.Load())/time.Since(begin).Seconds(), "%s", what)
	r.Note = fmt.Sprintf("one of the limit takes %.0f µs of CPU", per(float64((ownCPU()-cpu).Microseconds()), done.Load()))
	return first
}

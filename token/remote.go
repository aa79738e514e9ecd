package token

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/tarnhealth/tarn/recall"
)

// A remote is what verifiers share that ask another server about every token:
// a time limit, a short memory, and a bound on how much is asked.
type remote struct {
	client  *http.Client
	timeout time.Duration
	// keep is how long an answer is remembered; 0 for not at all.
	keep time.Duration
	now  func() time.Time
	// answers are those of good tokens, refusals those of others: whatever is
	// tried, the good ones are not forgotten for it.
	answers, refusals *cache[remoteAnswer]
	// good says until when a token counts as known, for it was good.
	good *cache[time.Time]
	// known are the places of questions about known tokens, strange of others.
	known, strange chan struct{}
}

// A remoteAnswer is what the other server said, until it is to be asked again.
type remoteAnswer struct {
	claims *Claims
	err    error
	until  time.Time
}

const (
	// remembered is how many answers are kept, at least.
	remembered = 10_000
	// RefusalsKept is how long it is remembered, at least, that another server
	// said of a token that it is not good.
	RefusalsKept = 10 * time.Second
	// goodKept is how long a token counts as known after it was good.
	goodKept = time.Hour
	// DefaultCalls is how many questions are asked at a time.
	DefaultCalls = 64
)

func newRemote(client *http.Client, timeout, keep time.Duration, calls int, now func() time.Time) remote {
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if now == nil {
		now = time.Now
	}
	if calls <= 0 {
		calls = DefaultCalls
	}
	memory := recall.New[[sha256.Size]byte, remoteAnswer]
	return remote{
		client: client, timeout: timeout, keep: keep, now: now,
		answers: memory(remembered), refusals: memory(remembered), good: recall.New[[sha256.Size]byte, time.Time](remembered),
		known: make(chan struct{}, calls), strange: make(chan struct{}, max(1, calls/2)),
	}
}

type gateKey struct{}

// WithGate has a verifier ask gate before it asks another server about a token
// that was not good a short time ago; where gate returns an error, nobody is
// asked and that is the error.
func WithGate(ctx context.Context, gate func() error) context.Context {
	return context.WithValue(ctx, gateKey{}, gate)
}

// ask returns what ask says about a token, or said a short time ago to the
// question that key stands for. A failure to answer is not remembered.
func (r *remote) ask(ctx context.Context, key [32]byte, raw string, ask func(ctx context.Context) (*Claims, error)) (*Claims, error) {
	if a, ok := r.recall(key); ok {
		return a.claims, a.err
	}
	name := cacheKey(raw)
	until, _ := r.good.Get(name)
	places, known := r.strange, r.now().Before(until)
	if known {
		places = r.known
	} else if gate, ok := ctx.Value(gateKey{}).(func() error); ok {
		if err := gate(); err != nil {
			return nil, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
	case <-limited.Done():
		return nil, errorf(Unavailable, "whoever decides about tokens is asked about too many of them").because(ctx.Err())
	}
	if a, ok := r.recall(key); ok { // meanwhile another request asked
		return a.claims, a.err
	}
	claims, err := ask(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return nil, errorf(Unavailable, "whoever decides about the token did not answer within %v", r.timeout).because(err)
	}
	return claims, r.remember(key, name, known, claims, err)
}

// recall is what is remembered of a question.
func (r *remote) recall(key [32]byte) (remoteAnswer, bool) {
	now := r.now()
	for _, memory := range []*cache[remoteAnswer]{r.answers, r.refusals} {
		if a, ok := memory.Get(key); ok && now.Before(a.until) {
			return a, true
		}
	}
	return remoteAnswer{}, false
}

// remember keeps an answer to a question about a token, and returns its error.
// What has a cause is no refusal, but a failure of whoever was asked.
func (r *remote) remember(key, name [32]byte, known bool, claims *Claims, err error) error {
	now := r.now()
	var refused *Error
	switch {
	case err == nil:
		r.good.Put(name, now.Add(goodKept))
		if r.keep > 0 {
			r.answers.Put(key, remoteAnswer{claims, nil, now.Add(r.keep)})
		}
	case errors.As(err, &refused) && refused.Code == InvalidToken && refused.Cause == nil:
		if known {
			err = genuine(refused.Description)
		}
		r.refusals.Put(key, remoteAnswer{nil, err, now.Add(max(r.keep, RefusalsKept))})
	}
	return err
}

// send sends a request and gives its failure the code that it has for the
// caller: not one of the token.
func (r *remote) send(request *http.Request) ([]byte, http.Header, error) {
	body, header, err := exchange(r.client, request)
	if err != nil {
		return nil, nil, errNoAnswer.because(err)
	}
	return body, header, nil
}

var errNoAnswer = errorf(Unavailable, "whoever decides about the token does not answer")

// checkToken refuses what no server needs to be asked about.
func checkToken(raw string) error {
	if raw == "" || len(raw) > maxJWT {
		return errorf(InvalidToken, "a token has 1 to %d bytes", maxJWT)
	}
	for i := range len(raw) {
		if raw[i] <= ' ' || raw[i] >= 0x7f {
			return errorf(InvalidToken, "a token is printable ASCII without spaces")
		}
	}
	return nil
}

var errNoURL = errors.New("the URL of the server that decides about tokens must be https, or http on a loopback address")

// checkOperatorURL is for URLs in the configuration, which may lead into
// private networks but not send tokens in the clear.
func checkOperatorURL(uri string) error {
	if newFetcher(true, true, nil).checkURL(uri) != nil {
		return errNoURL
	}
	return nil
}

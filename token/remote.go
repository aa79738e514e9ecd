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
// a time limit, and a short memory.
type remote struct {
	client  *http.Client
	timeout time.Duration
	// keep is how long an answer is remembered; 0 for not at all.
	keep   time.Duration
	now    func() time.Time
	answer *cache[remoteAnswer]
}

// A remoteAnswer is what the other server said, until it is to be asked again.
type remoteAnswer struct {
	claims *Claims
	err    error
	until  time.Time
}

// remembered is how many answers are kept, at least.
const remembered = 10_000

func newRemote(client *http.Client, timeout, keep time.Duration, now func() time.Time) remote {
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if now == nil {
		now = time.Now
	}
	return remote{client, timeout, keep, now, recall.New[[sha256.Size]byte, remoteAnswer](remembered)}
}

// ask returns what ask says about a token, or said a short time ago. A failure
// to answer is not remembered.
func (r *remote) ask(ctx context.Context, key [32]byte, ask func(ctx context.Context) (*Claims, error)) (*Claims, error) {
	now := r.now()
	if a, ok := r.answer.Get(key); ok && now.Before(a.until) {
		return a.claims, a.err
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	claims, err := ask(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return nil, errorf(Unavailable, "whoever decides about the token did not answer within %v", r.timeout).because(err)
	}
	if r.keep > 0 && (err == nil || CodeOf(err) == InvalidToken) {
		r.answer.Put(key, remoteAnswer{claims, err, now.Add(r.keep)})
	}
	return claims, err
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

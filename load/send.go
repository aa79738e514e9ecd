package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// Waiting between attempts: it doubles from the first to the last.
const (
	firstDelay = 200 * time.Millisecond
	lastDelay  = 10 * time.Second
)

// lastAnswers is how long requests may go on after a load was stopped.
const lastAnswers = 30 * time.Second

// errUncertain says that nobody knows whether the server did what it was asked.
var errUncertain = errors.New("the connection broke before the answer; it may or may not be stored: look before loading the file again")

// An answer is an HTTP response.
type answer struct {
	status int
	body   []byte
}

// greet asks the server for its capabilities, so that a wrong address or path
// is known before anything is read.
func (r *run) greet(ctx context.Context) error {
	a, err := r.request(ctx, http.MethodGet, r.opt.To+"/metadata", nil, true)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("%s is not the base URL of a FHIR server: GET /metadata is answered with %d %s: %s", r.opt.To, a.status, http.StatusText(a.status), firstReason(a))
	}
	return nil
}

// send delivers a chunk. certain is false where it is not known whether the
// server stored it.
func (r *run) send(ctx context.Context, c *chunk) (certain bool, err error) {
	for _, refusal := range c.refused {
		r.report.reject(refusal)
	}
	if c.bundle != nil {
		return r.sendBundle(ctx, c)
	}
	certain = true
	for left := []portion{{kindTransaction, c.resources}}; len(left) > 0; {
		part := left[len(left)-1]
		left = left[:len(left)-1]
		if len(part.resources) == 0 {
			continue
		}
		again, sure, err := r.sendPortion(ctx, c.file, part)
		if err != nil {
			return false, err
		}
		left = append(left, again...)
		certain = certain && sure
	}
	return certain, nil
}

// A portion is resources that are sent as one Bundle: a transaction, which
// costs a server less, or where that was refused a batch, of which each entry
// stands for itself.
type portion struct {
	kind      string
	resources []resource
}

const (
	kindTransaction = "transaction"
	kindBatch       = "batch"
)

func (r *run) sendBundle(ctx context.Context, c *chunk) (certain bool, err error) {
	requests, err := requestsOf(c.bundle)
	if err != nil {
		r.report.reject(Rejection{File: c.file.path, Reason: err.Error()})
		return true, nil
	}
	a, err := r.request(ctx, http.MethodPost, r.opt.To, c.bundle, repeatable(requests))
	switch {
	case errors.Is(err, errUncertain):
		r.report.rejectAll(requests, []Rejection{{File: c.file.path, Reason: err.Error()}})
		return false, nil
	case err != nil:
		return false, err
	case a.status != http.StatusOK:
		r.report.rejectAll(requests, refusals(c.file, a, requests))
		return true, nil
	}
	r.report.answered(c.file, requests, a)
	return true, nil
}

// sendPortion sends resources. again are those to be sent once more: as a
// batch, and then in smaller ones, for a server may refuse a batch for one of
// its entries.
func (r *run) sendPortion(ctx context.Context, f *file, part portion) (again []portion, certain bool, err error) {
	requests := requestsFor(part.resources)
	a, err := r.request(ctx, http.MethodPost, r.opt.To, pack(part.kind, part.resources), repeatable(requests))
	switch {
	case errors.Is(err, errUncertain):
		r.report.rejectAll(requests, []Rejection{{File: f.path, Line: part.resources[0].line, Reason: err.Error()}})
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case a.status == http.StatusOK:
		r.report.answered(f, requests, a)
		return nil, true, nil
	case part.kind == kindTransaction:
		return []portion{{kindBatch, part.resources}}, true, nil
	case a.status >= 500 || a.status == http.StatusUnauthorized || a.status == http.StatusForbidden || a.status == http.StatusNotFound:
		r.report.rejectAll(requests, refusals(f, a, requests))
		return nil, true, nil
	case len(part.resources) == 1:
		r.report.rejectAll(requests, refusals(f, a, requests))
		return nil, true, nil
	}
	return r.without(f, part.resources, requests, a), true, nil
}

// without reports the entries that the answer blames and returns the others;
// where it blames none, the two halves.
func (r *run) without(f *file, part []resource, requests []request, a answer) []portion {
	blamed := map[int]bool{}
	for _, rejection := range refusals(f, a, requests) {
		if rejection.entry >= 0 && a.status != http.StatusRequestEntityTooLarge {
			if !blamed[rejection.entry] {
				r.report.rejectAll(requests[rejection.entry:rejection.entry+1], []Rejection{rejection})
			}
			blamed[rejection.entry] = true
		}
	}
	if len(blamed) == 0 {
		half := len(part) / 2
		return []portion{{kindBatch, part[half:]}, {kindBatch, part[:half]}}
	}
	rest := make([]resource, 0, len(part))
	for i := range part {
		if !blamed[i] {
			rest = append(rest, part[i])
		}
	}
	return []portion{{kindBatch, rest}}
}

// request sends one request until it is answered. repeatable says that doing
// it twice does no harm. It is sent once even where ctx has just ended: what
// comes after it in the file may be on its way already, and what is stored is
// remembered up to the first gap.
func (r *run) request(ctx context.Context, method, url string, body []byte, repeatable bool) (answer, error) {
	var waited time.Duration
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		a, after, err := r.attempt(ctx, method, url, body)
		why := ""
		switch {
		case err == nil && !busy(a.status):
			r.report.waiting("")
			return a, nil
		case ctx.Err() != nil:
			return a, ctx.Err()
		case err == nil:
			why = fmt.Sprintf("the server answers %d %s", a.status, http.StatusText(a.status))
		case errors.Is(err, syscall.ECONNREFUSED):
			why = "nothing listens there (connection refused)"
		case repeatable:
			why = err.Error()
		default:
			return a, fmt.Errorf("%w (%v)", errUncertain, err)
		}
		wait := max(after, delay/2+rand.N(delay))
		if waited += wait; waited > r.opt.Wait {
			return a, fmt.Errorf("gave up on %s after waiting for %s: %s; start the server and repeat the command to go on", r.opt.To, r.opt.Wait, why)
		}
		r.report.waiting(why)
		if err := r.opt.Sleep(ctx, wait); err != nil {
			return a, err
		}
	}
}

// busy reports whether the same request may succeed later.
func busy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// attempt sends a request once. after is what Retry-After asks for. A request
// that is on its way when ctx ends may still be answered for a while: cut off,
// nobody would know whether it was carried out.
func (r *run) attempt(ctx context.Context, method, url string, body []byte) (a answer, after time.Duration, err error) {
	ctx, cancel := outlive(ctx, lastAnswers)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return a, 0, err
	}
	req.Header.Set("Accept", "application/fhir+json")
	if body != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
		req.Header.Set("Prefer", "return=minimal")
	}
	res, err := r.opt.Client.Do(req)
	if err != nil {
		return a, 0, err
	}
	defer res.Body.Close()
	a.status = res.StatusCode
	if a.body, err = io.ReadAll(res.Body); err != nil {
		return a, 0, err
	}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		after = time.Duration(seconds) * time.Second
	}
	return a, after, nil
}

// outlive returns a context that ends some time after another.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(d, cancel)
		context.AfterFunc(longer, func() { timer.Stop() })
	})
	return longer, func() { stop(); cancel() }
}

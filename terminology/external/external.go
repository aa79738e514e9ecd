// Package external owns the asking of another terminology server about code
// systems that are not here. Answers are remembered for a while. A server that
// does not answer is left alone for a while; meanwhile every question fails, and
// says so: no code passes because nobody could be asked.
//
// It leaves to others: which code systems are here, and what answers mean
// (terminology).
//
// http://hl7.org/fhir/R4/terminology-service.html
package external

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/recall"
	"github.com/tarnhealth/tarn/terminology"
)

// Options say which server is asked, and how.
type Options struct {
	// URL is its FHIR base URL.
	URL string
	// Systems are the URLs of the code systems that it is asked about.
	Systems []string
	// Authorization is the value of the header of that name; "" for none.
	Authorization string
	// Timeout is how long one question may take; 0 is DefaultTimeout.
	Timeout time.Duration
	// Remember is how long answers hold; 0 is DefaultRemember.
	Remember time.Duration
	// Web sends the requests; nil for a client of its own.
	Web *http.Client
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// What is usual.
const (
	DefaultTimeout  = 5 * time.Second
	DefaultRemember = time.Hour
)

const (
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 32 << 20
	// maxKept bounds an answer that is remembered, and how many those are.
	maxKept, keptAnswers = 64 << 10, 5000
	// failures is after how many in a row the server is left alone, and rest for
	// how long.
	failures = 3
	rest     = 30 * time.Second
)

// A Client asks one server. It is safe for concurrent use.
type Client struct {
	opt   Options
	known *recall.Cache[[sha256.Size]byte, kept]

	mu     sync.Mutex
	failed int
	until  time.Time
}

// kept is an answer that is remembered.
type kept struct {
	at     time.Time
	status int
	body   []byte
}

// New makes a client.
func New(opt Options) *Client {
	opt.URL = strings.TrimSuffix(opt.URL, "/")
	if opt.Timeout == 0 {
		opt.Timeout = DefaultTimeout
	}
	if opt.Remember == 0 {
		opt.Remember = DefaultRemember
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Web == nil {
		opt.Web = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Client{opt: opt, known: recall.New[[sha256.Size]byte, kept](keptAnswers)}
}

// Systems are the code systems that the server is asked about.
func (c *Client) Systems() []string { return c.opt.Systems }

// For is the server as one request may ask it: no longer than ctx.
func (c *Client) For(ctx context.Context) terminology.Remote { return &remote{c, ctx} }

// ask calls an operation with parameters and returns what it answers with.
func (c *Client) ask(ctx context.Context, operation string, in []byte) (*fhir.Tree, error) {
	key := sha256.Sum256(append([]byte(operation+"\n"), in...))
	if found, ok := c.known.Get(key); ok && c.opt.Now().Sub(found.at) < c.opt.Remember {
		return c.read(found)
	}
	if wait := c.resting(); wait > 0 {
		return nil, c.silent("it did not answer before, and is asked again in " + wait.Round(time.Second).String())
	}
	answer, err := c.send(ctx, operation, in)
	if err == nil && answer.status >= 500 {
		err = fmt.Errorf("its answer is %d %s", answer.status, http.StatusText(answer.status))
	}
	// That the caller has gone says nothing of the server.
	c.count(err != nil && ctx.Err() == nil)
	if err != nil {
		return nil, c.silent(reason(err))
	}
	if lasting(answer.status) && len(answer.body) <= maxKept {
		c.known.Put(key, answer)
	}
	return c.read(answer)
}

// lasting reports whether the same question has the same answer for a while:
// not where it was about credentials or rates.
func lasting(status int) bool {
	return status == http.StatusOK || status == http.StatusNotFound || status == http.StatusBadRequest || status == http.StatusUnprocessableEntity
}

// reason says why there is no answer, without the URL, which may hold more than
// callers should see.
func reason(err error) string {
	var failed *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "it took too long"
	case errors.As(err, &failed):
		return failed.Err.Error()
	}
	return err.Error()
}

func (c *Client) silent(why string) error {
	return fhir.Errorf(fhir.KindUnavailable, "the terminology server that is asked about these codes did not answer: %s", why)
}

func (c *Client) send(ctx context.Context, operation string, in []byte) (kept, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.opt.URL+"/"+operation, bytes.NewReader(in))
	if err != nil {
		return kept{}, err
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	req.Header.Set("Accept", "application/fhir+json")
	if c.opt.Authorization != "" {
		req.Header.Set("Authorization", c.opt.Authorization)
	}
	res, err := c.opt.Web.Do(req)
	if err != nil {
		return kept{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("its answer has more than %d bytes", maxAnswer)
	}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); err == nil && res.StatusCode == http.StatusOK && !strings.HasSuffix(kind, "json") {
		err = fmt.Errorf("its answer is %q, no JSON", kind)
	}
	return kept{c.opt.Now(), res.StatusCode, body}, err
}

// read is what an answer says: a resource, or an error.
func (c *Client) read(a kept) (*fhir.Tree, error) {
	if a.status == http.StatusOK {
		tree, err := fhir.Parse(definition.R4().Schema, a.body, fhir.DefaultLimits)
		if err != nil {
			return nil, fhir.Errorf(fhir.KindUnavailable, "the answer of the terminology server cannot be read: %v", err)
		}
		return tree, nil
	}
	text, codes := outcome(a.body)
	kind := fhir.KindUnavailable
	switch {
	case a.status == http.StatusNotFound, slices.Contains(codes, "not-found"), slices.Contains(codes, "code-invalid"):
		kind = fhir.KindNotFound
	case a.status == http.StatusBadRequest, a.status == http.StatusUnprocessableEntity:
		kind = fhir.KindUnprocessable
	}
	return nil, fhir.Errorf(kind, "the terminology server that is asked about these codes says %d: %s", a.status, text)
}

// maxText bounds what is repeated of another server's words.
const maxText = 300

// outcome is what an OperationOutcome says, and its codes.
func outcome(body []byte) (text string, codes []string) {
	var o struct {
		Issue []struct {
			Code        string `json:"code"`
			Diagnostics string `json:"diagnostics"`
			Details     struct {
				Text string `json:"text"`
			} `json:"details"`
		} `json:"issue"`
	}
	if json.Unmarshal(body, &o) != nil {
		return "no more than that", nil
	}
	for _, issue := range o.Issue {
		codes = append(codes, issue.Code)
		if text == "" {
			if text = issue.Diagnostics; text == "" {
				text = issue.Details.Text
			}
		}
	}
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + " …"
	}
	return text, codes
}

// resting is how long the server is still left alone.
func (c *Client) resting() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait := c.until.Sub(c.opt.Now())
	if wait <= 0 && c.failed >= failures {
		// One question is let through; others wait for what comes of it.
		c.until = c.opt.Now().Add(c.opt.Timeout)
	}
	return wait
}

// count takes note of a question that failed, or did not.
func (c *Client) count(failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !failed {
		c.failed, c.until = 0, time.Time{}
		return
	}
	if c.failed++; c.failed >= failures {
		c.until = c.opt.Now().Add(rest)
	}
}

package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/token"
)

func (r *remoteTest) function(t *testing.T, change func(cfg *token.FunctionConfig)) *token.Function {
	t.Helper()
	cfg := token.FunctionConfig{URL: r.server.URL + "/check", Now: r.Now, Timeout: time.Minute}
	if change != nil {
		change(&cfg)
	}
	return must(token.NewFunction(cfg))
}

// payload is an answer of a function that allows access.
func (r *remoteTest) payload(pairs ...any) map[string]any {
	p := with(external(r.clock), "aud", audience+"/", "sub", nil, "uid", "u", "isAuthorized", true)
	return claims("authPayload", with(p, pairs...), "iamRoleARN", "arn:aws:iam::123456789012:role/read")
}

func TestFunction(t *testing.T) {
	r := newRemoteTest(t)
	v := r.function(t, nil)
	for _, authorized := range []any{true, "true", "True"} {
		r.answer = r.payload("isAuthorized", authorized)
		c, err := v.Verify(token.WithOperation(ctx, "ReadResource"), "a.b.c", audience)
		if err != nil {
			t.Fatal(err)
		}
		if c.Subject != "u" || c.Patient != "p1" || c.Extra["iamRoleARN"] != "arn:aws:iam::123456789012:role/read" || c.Extra["isAuthorized"] != nil {
			t.Errorf("%+v", c)
		}
	}
	if want := `POST /check {"datastoreEndpoint":"` + audience + `/","operationName":"ReadResource","bearerToken":"a.b.c"}`; r.question != want {
		t.Errorf("asked %s\nwant  %s", r.question, want)
	}
	r.server.want(t, 3)
}

func TestFunctionInvoked(t *testing.T) {
	r := newRemoteTest(t)
	r.answer = r.payload()
	failed, outage := "", error(nil)
	v := r.function(t, func(cfg *token.FunctionConfig) {
		cfg.URL = ""
		cfg.Invoke = func(_ context.Context, question []byte) ([]byte, string, error) {
			r.question = string(question)
			answer, err := json.Marshal(r.answer)
			return answer, failed, errors.Join(err, outage)
		}
	})
	if _, err := v.Verify(ctx, "a.b.c", audience); err != nil {
		t.Fatal(err)
	}
	if r.question != `{"datastoreEndpoint":"`+audience+`/","operationName":"","bearerToken":"a.b.c"}` {
		t.Errorf("asked %s", r.question)
	}
	failed = "Unhandled"
	_, err := v.Verify(ctx, "a.b.c", audience)
	wantError(t, "an exception", err, token.InvalidToken, "failed")
	failed, outage = "", errors.New("no route")
	_, err = v.Verify(ctx, "a.b.c", audience)
	wantError(t, "an outage", err, token.Unavailable, "does not answer")
}

func TestFunctionRefuses(t *testing.T) {
	r := newRemoteTest(t)
	v := r.function(t, nil)
	for name, c := range map[string]struct {
		answer any
		part   string
	}{
		"false":           {r.payload("isAuthorized", false), "denies"},
		"false as text":   {r.payload("isAuthorized", "false"), "denies"},
		"a number":        {r.payload("isAuthorized", 1), "denies"},
		"not said":        {r.payload("isAuthorized", nil), "denies"},
		"nothing":         {claims(), "denies"},
		"null":            {nil, "denies"},
		"payload is text": {claims("authPayload", "x"), "something else"},
		"a list":          {[]int{1}, "something else"},
		"no nbf":          {r.payload("nbf", nil), "no claim nbf"},
		"no exp":          {r.payload("exp", nil), "no claim exp"},
		"no aud":          {r.payload("aud", nil), "no claim aud"},
		"no scope":        {r.payload("scope", nil), "no claim scope"},
		"wrong audience":  {r.payload("aud", "https://other.example.org/"), "audience"},
		"expired":         {r.payload("exp", r.Now().Add(-2*time.Minute).Unix(), "iat", nil), "expired"},
		"not valid yet":   {r.payload("nbf", r.Now().Add(2*time.Minute).Unix()), "not valid yet"},
		"nbf is a text":   {r.payload("nbf", "now"), "nbf"},
	} {
		r.answer = c.answer
		_, err := v.Verify(ctx, strings.ReplaceAll(name, " ", "-"), audience)
		wantError(t, name, err, token.InvalidToken, c.part)
	}
}

// TestSlowFunction never answers; the test waits for the verifier's own limit.
func TestSlowFunction(t *testing.T) {
	r := newRemoteTest(t)
	release := make(chan struct{})
	r.server.handle(func(_ http.ResponseWriter, request *http.Request) {
		select {
		case <-request.Context().Done():
		case <-release:
		}
	})
	defer close(release)
	v := r.function(t, func(cfg *token.FunctionConfig) { cfg.Timeout = time.Millisecond })
	_, err := v.Verify(ctx, "a.b.c", audience)
	wantError(t, "slow", err, token.Unavailable, "within 1ms")
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := r.function(t, nil).Verify(gone, "a.b.c", audience); err == nil || strings.Contains(err.Error(), "within") {
		t.Errorf("the caller went away: %v", err)
	}
}

func TestFunctionCache(t *testing.T) {
	r := newRemoteTest(t)
	r.answer = r.payload()
	v := r.function(t, func(cfg *token.FunctionConfig) { cfg.Cache = time.Second })
	ask := func(operation, raw string) {
		t.Helper()
		if _, err := v.Verify(token.WithOperation(ctx, operation), raw, audience); err != nil {
			t.Error(err)
		}
	}
	ask("ReadResource", "a")
	ask("ReadResource", "a")
	r.server.want(t, 1)
	ask("SearchWithGet", "a")
	ask("ReadResource", "b")
	r.server.want(t, 3)
	r.answer = r.payload("aud", []string{audience, audience + "/other"})
	for range 2 { // what it says of one data store is nothing about another
		if _, err := v.Verify(token.WithOperation(ctx, "ReadResource"), "a", audience+"/other"); err != nil {
			t.Error(err)
		}
	}
	r.server.want(t, 4)
	ask("SearchWithGet", "b")
	if _, err := v.Verify(token.WithOperation(ctx, "SearchWithGet"), "b", audience+"/other"); err != nil {
		t.Error(err)
	}
	r.server.want(t, 6)
	r.Pass(time.Second)
	ask("ReadResource", "a")
	r.server.want(t, 7)
}

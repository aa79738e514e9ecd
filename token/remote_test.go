package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/token"
)

// errGate is what the gates of tests say.
var errGate = errors.New("shut")

// TestRefusalsAreRemembered: the same wrong token costs one question in ten
// seconds, and however many wrong ones come, good ones are not forgotten.
func TestRefusalsAreRemembered(t *testing.T) {
	r := newRemoteTest(t)
	wrong, right := claims("active", false), with(external(r.clock), "active", true)
	v := r.introspection(t, func(cfg *token.IntrospectionConfig) { cfg.Cache = 5 * time.Second })
	ask := func(raw string, code string) {
		t.Helper()
		if _, err := v.Verify(ctx, raw, audience); (code == "") != (err == nil) || err != nil && token.CodeOf(err) != code {
			t.Errorf("%s: %v, want %q", raw, err, code)
		}
	}
	r.answer = wrong
	for range 3 {
		ask("wrong", token.InvalidToken)
	}
	r.server.want(t, 1)
	r.Pass(token.RefusalsKept - 1)
	ask("wrong", token.InvalidToken)
	r.server.want(t, 1)
	r.answer = right
	r.Pass(1)
	ask("wrong", "") // it is another now
	ask("good", "")
	r.server.want(t, 3)
	r.answer = wrong
	r.server.handle(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"active":false}`)) })
	for i := range 300 {
		ask(fmt.Sprint("w", i), token.InvalidToken)
	}
	ask("good", "")
	r.server.want(t, 303)
}

// TestGate: nobody is asked about an unknown token where the gate is shut; one
// that was good a short time ago passes.
func TestGate(t *testing.T) {
	r := newRemoteTest(t)
	r.answer = with(external(r.clock), "active", true, "exp", r.Now().Add(4*time.Hour).Unix())
	v := r.introspection(t, nil) // remembers no answer
	shut := token.WithGate(ctx, func() error { return errGate })
	if _, err := v.Verify(shut, "a", audience); !errors.Is(err, errGate) {
		t.Errorf("an unknown token: %v", err)
	}
	r.server.want(t, 0)
	if _, err := v.Verify(token.WithGate(ctx, func() error { return nil }), "a", audience); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(shut, "a", audience); err != nil {
		t.Errorf("a known token: %v", err)
	}
	r.server.want(t, 2)
	r.answer = claims("active", false)
	_, err := v.Verify(shut, "a", audience)
	var refused *token.Error
	if !errors.As(err, &refused) || refused.Code != token.InvalidToken || !refused.Genuine {
		t.Errorf("revoked: %+v", err)
	}
	if _, err = v.Verify(ctx, "b", audience); !errors.As(err, &refused) || refused.Genuine {
		t.Errorf("guessed: %+v", err)
	}
	r.Pass(time.Hour)
	if _, err := v.Verify(shut, "a", audience); !errors.Is(err, errGate) {
		t.Errorf("a token that was good an hour ago: %v", err)
	}
}

// TestCallsAreBounded asks about many unknown tokens at once: so many questions
// are under way at a time as may be, and known tokens have places of their own.
func TestCallsAreBounded(t *testing.T) {
	r := newRemoteTest(t)
	answer := with(external(r.clock), "active", true)
	r.answer = answer
	v := r.introspection(t, func(cfg *token.IntrospectionConfig) { cfg.Calls = 4 })
	if _, err := v.Verify(ctx, "known", audience); err != nil {
		t.Fatal(err)
	}
	var inside atomic.Int64
	came, release := make(chan struct{}, 100), make(chan struct{})
	r.server.handle(func(w http.ResponseWriter, request *http.Request) {
		if request.PostFormValue("token") == "known" {
			_, _ = w.Write(must(json.Marshal(answer)))
			return
		}
		if inside.Add(1) > 2 {
			t.Error("more than two questions about unknown tokens at a time")
		}
		came <- struct{}{}
		<-release
		inside.Add(-1)
		_, _ = w.Write([]byte(`{"active":false}`))
	})
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() { _, _ = v.Verify(ctx, fmt.Sprint("strange", i), audience) })
	}
	<-came
	<-came
	if _, err := v.Verify(ctx, "known", audience); err != nil {
		t.Errorf("a known token while others wait: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := v.Verify(gone, "other", audience); token.CodeOf(err) != token.Unavailable {
		t.Errorf("one that waits no longer: %v", err)
	}
	close(release)
	all.Wait()
	r.server.want(t, 2+10)
}

// TestOneQuestionAboutAToken: of requests with one wrong token that come
// together, those that waited for a place take the answer to the first.
func TestOneQuestionAboutAToken(t *testing.T) {
	r := newRemoteTest(t)
	r.answer = claims("active", false)
	v := r.introspection(t, func(cfg *token.IntrospectionConfig) { cfg.Calls = 1 })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := v.Verify(ctx, "wrong", audience)
			wantError(t, "wrong", err, token.InvalidToken, "not active")
		})
	}
	all.Wait()
	r.server.want(t, 1)
}

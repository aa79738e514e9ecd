package event_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/event"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/internal/still"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble/record"
)

// A world is a disk, a clock that moves when it is told to, and an outbox whose
// only sink does what answer says.
type world struct {
	*testing.T
	*still.Clock
	disk   *crashing.Disk
	db     *record.DB
	outbox *event.Outbox
	// taken has the ids that the sink took, asked all that it was asked.
	taken, asked chan string
	answer       func(id string, attempt int) error
	attempts     map[string]int
	// slept has the pauses; each ends when rouse is sent to.
	slept chan time.Duration
	rouse chan time.Time
	// before is the last pause that idle waited for.
	before time.Duration
	stop   func()
	log    strings.Builder
}

func newWorld(t *testing.T) *world {
	w := &world{
		T: t, disk: crashing.New(), Clock: still.At(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)), stop: func() {},
		taken: make(chan string, 100), asked: make(chan string, 100), attempts: map[string]int{},
		slept: make(chan time.Duration, 100), rouse: make(chan time.Time),
		answer: func(string, int) error { return nil },
	}
	w.open()
	return w
}

// Deliver implements event.Sink.
func (w *world) Deliver(_ context.Context, id string, body []byte) error {
	var e event.Event
	if err := json.Unmarshal(body, &e); err != nil || e.ID != id || e.Version != "0" {
		w.Errorf("%s: %v", body, err)
	}
	w.attempts[id]++
	w.asked <- e.DetailType
	err := w.answer(e.DetailType, w.attempts[id])
	if err == nil {
		w.taken <- e.DetailType
	}
	return err
}

func (w *world) open() {
	var err error
	if w.db, err = record.Open("kv", record.Options{FS: w.disk, Now: w.Now}); err != nil {
		w.Fatal(err)
	}
	db := w.db
	w.Cleanup(func() { w.stop(); _ = db.Close() })
	w.outbox = event.New(event.Options{
		DB: w.db, Sinks: map[string]event.Sink{"test": w}, Now: w.Now, Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
		After: func(d time.Duration) <-chan time.Time { w.slept <- d; return w.rouse },
	})
}

func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	outbox := w.outbox
	go func() { defer close(ended); outbox.Run(ctx) }()
	w.stop = sync.OnceFunc(func() { cancel(); <-ended })
}

// crash stops everything, and leaves what the disk would have.
func (w *world) crash() {
	clone := w.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 2))})
	w.stop()
	_ = w.db.Close()
	w.disk = clone
	w.open()
}

func (w *world) put(types ...string) {
	w.Helper()
	for _, t := range types {
		err := w.db.Update(w.Context(), func(tx kv.Tx) error {
			return w.outbox.Put(tx, event.Event{DetailType: t, Source: "test", Detail: json.RawMessage(`{}`)})
		})
		if err != nil {
			w.Fatal(err)
		}
		w.Pass(time.Microsecond)
	}
}

// took waits until the sink has taken these, in this order.
func (w *world) took(want ...string) {
	w.Helper()
	for _, t := range want {
		if got := <-w.taken; got != t {
			w.Fatalf("took %s, want %s", got, t)
		}
	}
}

// idle waits until there is nothing to do for want. What was put meanwhile lets
// the outbox look once more, and sleep as long as before.
func (w *world) idle(want time.Duration) {
	w.Helper()
	for {
		got := <-w.slept
		if got == want {
			w.before = got
			return
		}
		if got != w.before && got != 5*time.Second {
			w.Fatalf("waits %s, want %s", got, want)
		}
	}
}

func (w *world) wait(d time.Duration) {
	w.Pass(d)
	w.rouse <- time.Time{}
}

func TestDeliversInOrder(t *testing.T) {
	w := newWorld(t)
	w.put("a", "b")
	w.run()
	w.took("a", "b")
	w.put("c")
	w.took("c")
	w.stop()
	if len(w.asked) != 3 {
		t.Errorf("asked %d times", len(w.asked))
	}
}

// TestAbortedChangeHasNoEvent is a transaction that comes to nothing.
func TestAbortedChangeHasNoEvent(t *testing.T) {
	w := newWorld(t)
	failed := errors.New("no")
	err := w.db.Update(t.Context(), func(tx kv.Tx) error {
		return errors.Join(w.outbox.Put(tx, event.Event{DetailType: "never"}), failed)
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	w.put("a")
	w.run()
	w.took("a")
}

// TestTriesAgain doubles the pauses while the sink is away, keeps the order, and
// heeds what the sink asks for.
func TestTriesAgain(t *testing.T) {
	w := newWorld(t)
	w.answer = func(_ string, attempt int) error {
		switch {
		case attempt == 3:
			return &event.Away{Why: "later", For: 10 * time.Minute}
		case attempt < 12:
			return errors.New("away")
		}
		return nil
	}
	w.put("a")
	w.run()
	w.idle(time.Second)
	w.put("b") // is no reason to try earlier
	for _, pause := range []time.Duration{2 * time.Second, 10 * time.Minute, 8 * time.Second, 16 * time.Second, 32 * time.Second, 64 * time.Second, 128 * time.Second, 256 * time.Second, 300 * time.Second, 300 * time.Second} {
		w.wait(time.Hour) // longer than any pause
		w.idle(pause)
	}
	w.answer = func(string, int) error { return nil }
	w.wait(300 * time.Second)
	w.took("a", "b")
	if got := len(w.asked); got != 13 {
		t.Errorf("asked %d times", got)
	}
}

// TestRefusedEventLetsOthersPass has one event that the sink does not want.
func TestRefusedEventLetsOthersPass(t *testing.T) {
	w := newWorld(t)
	w.answer = func(what string, attempt int) error {
		if what == "bad" && attempt < 3 {
			return &event.Refusal{Why: "bad"}
		}
		return nil
	}
	w.put("a", "bad", "b")
	w.run()
	w.took("a", "b")
	w.idle(time.Second)
	w.wait(time.Second)
	w.idle(2 * time.Second)
	w.wait(2 * time.Second)
	w.took("bad")
}

// TestGivesUp drops what nobody takes for two weeks, loudly.
func TestGivesUp(t *testing.T) {
	w := newWorld(t)
	w.answer = func(what string, _ int) error {
		if what == "old" {
			return errors.New("away")
		}
		return nil
	}
	w.put("old")
	w.run()
	w.idle(time.Second)
	w.stop()
	w.Pass(15 * 24 * time.Hour)
	w.put("new")
	w.open2()
	w.run()
	w.took("new")
	w.stop()
	if text := w.log.String(); !strings.Contains(text, "dropped") || !strings.Contains(text, `\"detail-type\":\"old\"`) {
		t.Error(text)
	}
}

// open2 is the outbox as a new process has it.
func (w *world) open2() {
	if err := w.db.Close(); err != nil {
		w.Fatal(err)
	}
	w.open()
}

// TestCrash stops the power at random: every event whose change was durable is
// delivered, and none of others.
func TestCrash(t *testing.T) {
	for seed := range uint64(10) {
		w := newWorld(t)
		random, sink := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
		w.answer = func(string, int) error {
			if sink.IntN(3) == 0 {
				return &event.Refusal{Why: "not now"}
			}
			return nil
		}
		var put []string
		w.run()
		for i := range 20 {
			put = append(put, fmt.Sprint(seed, "-", i))
			w.put(put[i])
			if random.IntN(5) == 0 {
				w.crash()
				w.run()
			}
		}
		w.crash()
		w.answer = func(string, int) error { return nil }
		w.Pass(2 * time.Hour) // whatever was refused is due
		w.run()
		w.idleLong()
		w.stop()
		close(w.taken)
		seen := map[string]int{}
		for what := range w.taken {
			seen[what]++
		}
		for _, what := range put {
			if seen[what] == 0 {
				t.Errorf("seed %d: %s was lost", seed, what)
			}
		}
		if len(seen) != len(put) {
			t.Errorf("seed %d: %d events of %d", seed, len(seen), len(put))
		}
	}
}

// idleLong waits until nothing is left.
func (w *world) idleLong() {
	for {
		for len(w.slept) > 0 {
			<-w.slept
		}
		if w.left() == 0 {
			return
		}
		select {
		case <-w.slept:
			w.wait(time.Hour)
		case <-w.asked:
		}
	}
}

func (w *world) left() (n int) {
	err := w.db.View(context.Background(), func(tx kv.Tx) error {
		for _, err := range tx.Scan([]byte("event "), []byte("event!")) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// TestNoSinks keeps nothing.
func TestNoSinks(t *testing.T) {
	w := newWorld(t)
	var none *event.Outbox
	err := w.db.Update(t.Context(), func(tx kv.Tx) error {
		return errors.Join(none.Put(tx, event.Event{}), event.New(event.Options{DB: w.db}).Put(tx, event.Event{}))
	})
	none.Run(t.Context())
	if err != nil || w.left() != 0 {
		t.Error(err, w.left())
	}
}

func TestWebhook(t *testing.T) {
	secret := slices.Repeat([]byte{7}, 24)
	text := "whsec_" + base64.StdEncoding.EncodeToString(secret)
	secrets, err := event.ParseSecrets(text + "\n\n" + "whsec_" + base64.StdEncoding.EncodeToString(slices.Repeat([]byte{8}, 32)) + "\n")
	if err != nil || len(secrets) != 2 {
		t.Fatal(secrets, err)
	}
	status, header, redirected := 200, "", false
	now := time.Unix(1_700_000_000, 0)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			redirected = true
			return
		}
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		signatures := strings.Fields(r.Header.Get("webhook-signature"))
		if len(signatures) != 2 || signatures[0] != want || signatures[1] == want || r.Header.Get("webhook-timestamp") != "1700000000" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v", r.Header)
		}
		if header != "" {
			w.Header().Set("Retry-After", header)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer receiver.Close()
	hook := &event.Webhook{URL: receiver.URL, Secrets: func() ([][]byte, error) { return secrets, nil }, Now: func() time.Time { return now }}
	deliver := func() error { return hook.Deliver(t.Context(), "id-1", []byte(`{"a":1}`)) }
	for _, s := range []int{200, 202, 204} {
		if status = s; deliver() != nil {
			t.Error(s, deliver())
		}
	}
	for _, s := range []int{400, 409, 413, 422} {
		var refused *event.Refusal
		if status = s; !errors.As(deliver(), &refused) {
			t.Error(s, deliver())
		}
	}
	header = "120"
	for _, s := range []int{302, 307, 401, 403, 404, 408, 429, 500, 503} {
		var away *event.Away
		if status = s; !errors.As(deliver(), &away) || away.For != 2*time.Minute {
			t.Error(s, deliver())
		}
	}
	header = now.Add(time.Minute).UTC().Format(http.TimeFormat)
	var away *event.Away
	if err := deliver(); !errors.As(err, &away) || away.For != time.Minute {
		t.Error(err)
	}
	if redirected {
		t.Error("a redirect was followed")
	}
	receiver.Close()
	if err := deliver(); !errors.As(err, &away) {
		t.Error(err)
	}
	hook.Secrets = func() ([][]byte, error) { return nil, errors.New("no file") }
	if err := deliver(); !errors.As(err, &away) {
		t.Error(err)
	}
}

func TestParseSecretsRefuses(t *testing.T) {
	for _, text := range []string{"", "\n", "secret", "whsec_", "whsec_AAAA", "whsec_" + strings.Repeat("!", 40), "whsec_" + strings.Repeat("A", 100)} {
		if all, err := event.ParseSecrets(text); err == nil {
			t.Errorf("%q: %v", text, all)
		}
	}
}

func TestLines(t *testing.T) {
	var out strings.Builder
	l := &event.Lines{To: &out}
	for _, body := range []string{`{"a":1}`, `{"b":2}`} {
		if err := l.Deliver(t.Context(), "", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "{\"a\":1}\n{\"b\":2}\n" {
		t.Error(out.String())
	}
	out.Reset()
	if err := (event.Log{To: slog.New(slog.NewJSONHandler(&out, nil))}).Deliver(t.Context(), "", []byte(`{"a":1}`)); err != nil || !strings.Contains(out.String(), `{\"a\":1}`) {
		t.Error(out.String(), err)
	}
}

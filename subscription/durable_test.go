package subscription_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// crash stops everything, and leaves what the disk would have.
func (w *world) crash() {
	clone := w.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 2))})
	w.stop()
	_ = w.catalog.Close()
	w.settle()
	w.disk = clone
	w.open()
}

// hurry lets every pause pass at once.
func (w *world) hurry() {
	w.options.After = func(d time.Duration) <-chan time.Time {
		w.Pass(d)
		over := make(chan time.Time, 1)
		over <- w.Now()
		return over
	}
	w.stop()
	_ = w.catalog.Close()
	w.open()
}

// paused waits until somebody waits, for that long.
func (w *world) paused(want time.Duration) {
	w.Helper()
	if got := <-w.slept; got != want {
		w.Fatalf("waits %s, want %s", got, want)
	}
}

// TestTriesAgain doubles the pauses while an endpoint fails, keeps the order, and
// forgets failures after a success.
func TestTriesAgain(t *testing.T) {
	w := newWorld(t)
	status := make(chan int, 100)
	w.answer = func(received) int { return <-status }
	w.put(w.subscribe("s", "Observation", "application/fhir+json"))
	w.became("s", "active")
	w.put(observation("a", "final", "p1"), observation("b", "final", "p1"))
	for _, c := range []struct {
		status int
		pause  time.Duration
	}{{500, time.Second}, {404, 2 * time.Second}, {302, 4 * time.Second}, {429, 8 * time.Second}} {
		status <- c.status
		w.got("PUT /fhir/Observation/a")
		w.paused(c.pause)
		w.wait(c.pause)
	}
	status <- 201
	w.got("PUT /fhir/Observation/a")
	status <- 500
	w.got("PUT /fhir/Observation/b")
	w.paused(time.Second)
	status <- 200
	w.wait(time.Second)
	w.got("PUT /fhir/Observation/b")
}

// TestGivesUp: an endpoint that fails for too long has its Subscription in error,
// which tells why, until somebody asks for it again.
func TestGivesUp(t *testing.T) {
	w := newWorld(t)
	w.answer = func(received) int { return http.StatusInternalServerError }
	w.hurry()
	w.put(w.subscribe("s", "Observation", "application/fhir+json"))
	w.put(observation("a", "final", "p1"))
	text := w.became("s", "error")
	if !strings.Contains(text, `"error":"the endpoint failed `) || !strings.Contains(text, "the last time because it answers 500 Internal Server Error") {
		t.Error(text)
	}
	for len(w.received) > 0 {
		<-w.received
	}
	w.answer = func(received) int { return http.StatusOK }
	w.put(observation("missed", "final", "p1"))
	if _, err := w.try(w.as("s", "system/*.cruds", ""), strings.Replace(text, `"status":"error"`, `"status":"active"`, 1)); err == nil {
		t.Error("a client activates a Subscription")
	}
	w.put(strings.Replace(text, `"status":"error"`, `"status":"requested"`, 1))
	if text := w.became("s", "active"); strings.Contains(text, `"error"`) {
		t.Error(text)
	}
	w.put(observation("b", "final", "p1"))
	// What was waiting comes before it where the error was not acted upon yet.
	for line := ""; line != "PUT /fhir/Observation/b"; {
		if line = (<-w.received).Line; !strings.HasPrefix(line, "PUT /fhir/Observation/") {
			t.Fatal(line)
		}
	}
}

// TestSlowEndpointHoldsNobody: while one endpoint does not answer, another gets
// everything.
func TestSlowEndpointHoldsNobody(t *testing.T) {
	w := newWorld(t)
	slow, answered := make(chan struct{}), make(chan struct{})
	w.answer = func(r received) int {
		if strings.HasPrefix(r.Line, "POST") {
			close(answered)
			<-slow
		}
		return http.StatusOK
	}
	w.put(w.subscribe("slow", "Observation", ""), w.subscribe("quick", "Observation", "application/fhir+json"))
	w.became("slow", "active")
	w.became("quick", "active")
	w.put(observation("o0", "final", "p1"))
	<-answered
	for i := range 10 {
		w.put(observation(fmt.Sprint("o", i+1), "final", "p1"))
	}
	for i := range 11 {
		w.got(fmt.Sprint("PUT /fhir/Observation/o", i))
	}
	w.answer = func(received) int { return http.StatusOK }
	close(slow)
}

// TestEnds: the end of a Subscription turns it off, and so do its owner and its
// deletion.
func TestEnds(t *testing.T) {
	w := newWorld(t)
	w.put(w.subscribe("ends", "Observation", "", `"end":"2026-01-31T13:00:00Z"`))
	w.became("ends", "active")
	w.paused(time.Hour)
	w.wait(time.Hour)
	w.becameInTime("ends", "off")
	w.put(w.subscribe("off", "Observation", ""), w.subscribe("deleted", "Observation", ""))
	text := w.became("off", "active")
	w.became("deleted", "active")
	w.put(strings.Replace(text, `"active"`, `"off"`, 1))
	w.delete("Subscription", "deleted")
	w.put(w.subscribe("last", "Observation?status=final", "application/fhir+json"))
	w.became("last", "active")
	w.put(observation("o", "final", "p1"))
	w.got("PUT /fhir/Observation/o")
	if len(w.received) > 0 {
		t.Errorf("also %+v", <-w.received)
	}
}

// TestCrash stops the power at random, over an endpoint that fails at random:
// every version that was acknowledged is sent at least once, in order, and nothing
// else.
func TestCrash(t *testing.T) {
	for seed := range uint64(6) {
		w := newWorld(t)
		random, endpoint := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
		failures := make(chan int)
		go func() {
			for {
				status := http.StatusOK
				if endpoint.IntN(3) == 0 {
					status = http.StatusServiceUnavailable
				}
				select {
				case failures <- status:
				case <-t.Context().Done():
					return
				}
			}
		}()
		var good []string
		var taken = make(chan string, 1000)
		w.answer = func(r received) int {
			status := <-failures
			if status == http.StatusOK {
				taken <- r.Line
			}
			return status
		}
		w.hurry()
		w.put(w.subscribe("s", "Observation?status=final", "application/fhir+json"))
		const last = "PUT /fhir/Observation/last"
		var want []string
		for i := range 15 {
			id := fmt.Sprint("o", i)
			w.put(observation(id, "final", "p1"), observation("other-"+id, "preliminary", "p1"))
			want = append(want, "PUT /fhir/Observation/"+id)
			if random.IntN(4) == 0 {
				w.crash()
			}
		}
		w.put(observation("last", "final", "p1"))
		want = append(want, last)
		for len(good) == 0 || good[len(good)-1] != last {
			good = append(good, <-taken)
		}
		if !inOrder(good, want) {
			t.Errorf("seed %d: the endpoint took\n%s\nwant\n%s", seed, strings.Join(good, "\n"), strings.Join(want, "\n"))
		}
		w.close()
	}
}

// inOrder reports whether got is all of want, one after the other, where what was
// sent already may be sent again from some place on: a crash takes the note of
// what the endpoint has.
func inOrder(got, want []string) bool {
	next := 0 // of want, the first that did not come yet
	at := -1
	for _, line := range got {
		i := slices.Index(want, line)
		if i < 0 || i > at+1 || i > next {
			return false
		}
		at, next = i, max(next, i+1)
	}
	return next == len(want)
}

// TestUnrecordedDeliveriesWait: where a delivery cannot be audited, nothing more
// is sent until it is.
func TestUnrecordedDeliveriesWait(t *testing.T) {
	w := newWorld(t)
	w.put(w.subscribe("s", "Observation", "application/fhir+json"))
	w.became("s", "active")
	w.mu.Lock()
	w.unrecorded = true
	w.mu.Unlock()
	w.put(observation("a", "final", "p1"), observation("b", "final", "p1"))
	w.got("PUT /fhir/Observation/a")
	for range 3 {
		w.paused(5 * time.Second)
		w.wait(5 * time.Second)
	}
	w.paused(5 * time.Second)
	if len(w.received) > 0 {
		t.Fatalf("sent without a record: %+v", <-w.received)
	}
	w.mu.Lock()
	w.unrecorded = false
	w.mu.Unlock()
	w.wait(5 * time.Second)
	w.got("PUT /fhir/Observation/a") // at least once: its success was not noted
	w.got("PUT /fhir/Observation/b")
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := w.deliveries[0]; d.Version != "Observation/a/_history/1" || d.Status != http.StatusOK || !d.Sent || d.Subscription != "s" || d.Store != "main" {
		t.Errorf("%+v", d)
	}
}

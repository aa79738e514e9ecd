// Package polling counts how often clients ask for the status of jobs that run,
// and refuses those who keep on asking too early.
//
// It leaves to others: what a job is, and how long to wait (bulk).
package polling

import (
	"strconv"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// earlyPolls is how often in a row a client may ask for a status before the time
// that Retry-After named, before it is refused.
const earlyPolls = 10

// A Counter remembers when each job that runs was asked for. The zero value is ready.
type Counter struct {
	mu   sync.Mutex
	jobs map[string]*poll
	// swept is when old ones were forgotten last.
	swept time.Time
}

// A poll is the last one of a job.
type poll struct {
	// due is when the next was asked for, early how many came before that.
	due   time.Time
	early int
}

// maxPolls is how many jobs are remembered; beyond it those are forgotten that
// nobody has asked for in an hour.
const maxPolls = 10_000

// Ask counts a poll of a job that runs, which is to be polled every wait seconds.
// It refuses a client that keeps on asking too early. Asking in the last tenth
// of the pause is not early.
// https://hl7.org/fhir/uv/bulkdata/STU3/export.html#bulk-data-status-request
func (p *Counter) Ask(id string, now time.Time, wait int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	pause := time.Duration(wait) * time.Second
	last := p.jobs[id]
	if last == nil {
		p.add(id, &poll{due: now.Add(pause)}, now)
		return nil
	}
	if !now.Before(last.due.Add(-pause / 10)) {
		*last = poll{due: now.Add(pause)}
		return nil
	}
	if last.early++; last.early <= earlyPolls {
		return nil
	}
	left := seconds(last.due.Sub(now))
	return fhir.Errorf(fhir.KindThrottled, "the status was asked for %d times in a row before the time that Retry-After named; wait that long", last.early).With("Retry-After", left)
}

func (p *Counter) add(id string, one *poll, now time.Time) {
	if p.jobs == nil {
		p.jobs = map[string]*poll{}
	}
	if len(p.jobs) >= maxPolls && now.Sub(p.swept) > time.Minute {
		p.swept = now
		for id, old := range p.jobs {
			if now.Sub(old.due) > time.Hour {
				delete(p.jobs, id)
			}
		}
	}
	p.jobs[id] = one
}

// Forget drops a job that has ended.
func (p *Counter) Forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.jobs, id)
}

// seconds is a pause as Retry-After has it.
// https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
func seconds(d time.Duration) string {
	return strconv.Itoa(int(max(1, (d+time.Second-1)/time.Second)))
}

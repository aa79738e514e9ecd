package load

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// A Rejection is one resource that the server refused, or a file that could
// not be read.
type Rejection struct {
	File string `json:"file"`
	// Line is the line of an NDJSON file, from 1.
	Line int `json:"line,omitempty"`
	// Entry is the place in a Bundle's entries, from 0.
	Entry *int `json:"entry,omitempty"`
	// Resource is "Patient/123", or a type where there is no id.
	Resource string `json:"resource,omitempty"`
	// Status is the HTTP status, 0 where the server was not asked.
	Status int    `json:"status,omitempty"`
	Reason string `json:"reason"`
	// With is how many other resources were refused with this one, for a
	// transaction is stored wholly or not at all.
	With int `json:"with,omitempty"`

	entry int // the request's place in the Bundle that was sent, or -1
}

func (r Rejection) String() string {
	var b strings.Builder
	b.WriteString(r.File)
	if r.Line > 0 {
		fmt.Fprintf(&b, ":%d", r.Line)
	}
	if r.Entry != nil {
		fmt.Fprintf(&b, " entry %d", *r.Entry)
	}
	if r.Resource != "" {
		b.WriteString(" " + r.Resource)
	}
	b.WriteString(": ")
	if r.Status != 0 {
		fmt.Fprintf(&b, "%d: ", r.Status)
	}
	b.WriteString(r.Reason)
	if r.With > 0 {
		fmt.Fprintf(&b, " (and with it %d other resources of the transaction)", r.With)
	}
	return b.String()
}

// Counts are what became of the resources of one type.
type Counts struct {
	Created  int `json:"created"`
	Updated  int `json:"updated"`
	Deleted  int `json:"deleted,omitempty"`
	Rejected int `json:"rejected"`
}

func (c *Counts) add(d Counts) {
	c.Created += d.Created
	c.Updated += d.Updated
	c.Deleted += d.Deleted
	c.Rejected += d.Rejected
}

// A Summary is what a load came to.
type Summary struct {
	// Files is how many there were; Skipped of them were done in an earlier
	// run.
	Files   int `json:"files"`
	Skipped int `json:"skipped"`
	// Types has the counts by resource type, Total those of all.
	Types map[string]Counts `json:"types"`
	Total Counts            `json:"total"`
	// Rejections are the first maxRejections; Rejected is how many there are.
	Rejections []Rejection `json:"rejections"`
	Rejected   int         `json:"rejected"`
	Seconds    float64     `json:"seconds"`
}

// maxRejections bounds what is kept in memory; Options.Errors gets all.
const maxRejections = 10_000

// Print writes the summary for people.
func (s *Summary) Print(out io.Writer) error {
	for _, r := range s.Rejections {
		fmt.Fprintln(out, "rejected:", r)
	}
	if more := s.Rejected - len(s.Rejections); more > 0 {
		fmt.Fprintf(out, "rejected: %d more; the file of --errors has all\n", more)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "type\tcreated\tupdated\trejected\t")
	for _, typ := range slices.Sorted(maps.Keys(s.Types)) {
		c := s.Types[typ]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t\n", typ, c.Created, c.Updated, c.Rejected)
	}
	fmt.Fprintf(table, "total\t%d\t%d\t%d\t\n", s.Total.Created, s.Total.Updated, s.Total.Rejected)
	if err := table.Flush(); err != nil {
		return err
	}
	stored := s.Total.Created + s.Total.Updated
	_, err := fmt.Fprintf(out, "%d files (%d done earlier), %d resources stored in %s, %.0f/s\n", s.Files, s.Skipped, stored,
		time.Duration(s.Seconds*float64(time.Second)).Round(10*time.Millisecond), float64(stored)/max(s.Seconds, 1e-3))
	return err
}

// report collects what happens, from all workers.
type report struct {
	opt   *Options
	begin time.Time
	// showing is held while Options.Progress runs.
	showing sync.Mutex

	mu       sync.Mutex
	summary  Summary
	progress Progress
	failed   error // of writing to Options.Errors
}

func newReport(opt *Options, files []*file) *report {
	r := &report{opt: opt, begin: time.Now(), summary: Summary{Files: len(files), Types: map[string]Counts{}, Rejections: []Rejection{}}}
	r.progress.AllFiles = len(files)
	for _, f := range files {
		r.progress.AllBytes += f.size
	}
	return r
}

// finish returns the summary of what happened so far.
func (r *report) finish() *Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Seconds = time.Since(r.begin).Seconds()
	return &r.summary
}

// failure is why Options.Errors could not be written.
func (r *report) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *report) count(typ string, c Counts) {
	all := r.summary.Types[typ]
	all.add(c)
	r.summary.Types[typ] = all
	r.summary.Total.add(c)
	r.progress.Resources += c.Created + c.Updated + c.Deleted + c.Rejected
	r.progress.Rejected += c.Rejected
}

// reject reports what is of no known type.
func (r *report) reject(x Rejection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count("(unknown)", Counts{Rejected: 1})
	r.record(x)
}

func (r *report) record(x Rejection) {
	r.summary.Rejected++
	if len(r.summary.Rejections) < maxRejections {
		r.summary.Rejections = append(r.summary.Rejections, x)
	}
	if r.opt.Errors != nil {
		line, _ := json.Marshal(x) // strings and numbers always marshal
		if _, err := r.opt.Errors.Write(append(line, '\n')); err != nil && r.failed == nil {
			r.failed = err
		}
	}
}

// rejectAll reports requests that were refused together, for reasons.
func (r *report) rejectAll(requests []request, reasons []Rejection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range requests {
		r.count(requests[i].typ, Counts{Rejected: 1})
	}
	for i, x := range reasons {
		if i == 0 {
			x.With = max(0, len(requests)-len(reasons))
		}
		r.record(x)
	}
}

// answered reports the entries of a response.
func (r *report) answered(f *file, requests []request, a answer) {
	var got responses
	if err := json.Unmarshal(a.body, &got); err != nil || len(got.Entry) != len(requests) {
		reason := fmt.Sprintf("the server's answer is no Bundle with %d entries: %s", len(requests), firstReason(a))
		r.rejectAll(requests, []Rejection{{File: f.path, Status: a.status, Reason: reason}})
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range requests {
		q, response := &requests[i], &got.Entry[i].Response
		status, _ := strconv.Atoi(strings.TrimSpace(response.Status[:min(3, len(response.Status))]))
		switch {
		case status >= 300 || status < 200:
			r.count(q.typ, Counts{Rejected: 1})
			r.record(rejectionOf(f, i, q, status, response.Status, &response.Outcome))
		case q.method == "GET" || q.method == "HEAD":
		case q.method == "DELETE":
			r.count(q.typ, Counts{Deleted: 1})
		case status == 201:
			r.count(q.typ, Counts{Created: 1})
		default:
			r.count(q.typ, Counts{Updated: 1})
		}
	}
}

func rejectionOf(f *file, i int, q *request, status int, text string, o *outcome) Rejection {
	texts, _ := o.reasons()
	if len(texts) == 0 {
		texts = []string{"the server answers " + text}
	}
	x := Rejection{File: f.path, Status: status, Reason: strings.Join(texts, "; ")}
	q.locate(&x, i)
	return x
}

// chunkDone reports that a chunk is answered, and whether its file is done.
func (r *report) chunkDone(c *chunk, fileDone bool) {
	r.show(func() bool {
		r.progress.Bytes += c.bytes
		if fileDone {
			r.progress.Files++
		}
		if c.skipped() {
			r.summary.Skipped++
		}
		return true
	})
}

// waiting reports that the server is waited for.
func (r *report) waiting(why string) {
	r.show(func() bool {
		changed := r.progress.Waiting != why
		r.progress.Waiting = why
		return changed
	})
}

// show changes the progress and tells of it where change says so.
func (r *report) show(change func() bool) {
	r.showing.Lock()
	defer r.showing.Unlock()
	r.mu.Lock()
	changed := change()
	progress := r.progress
	r.mu.Unlock()
	if changed && r.opt.Progress != nil {
		r.opt.Progress(progress)
	}
}

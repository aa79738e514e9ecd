// Package load is a client that loads files into a FHIR server: transaction and
// batch Bundles, single resources, and NDJSON; plain, gzip or Zstandard.
//
// It sends many requests at a time, waits and tries again where the server is
// busy or away, remembers what is done so that a repeated load goes on, and
// says of every resource that was refused where it stands and why.
//
// It leaves to others: what is valid (the server), and flags (cmd/tarn). It
// speaks nothing but the standard: http://hl7.org/fhir/R4/http.html#transaction
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options for Run. To and Paths are required; the rest has a default.
type Options struct {
	// To is the FHIR base URL, ".../datastore/default/r4".
	To string
	// Paths are files, and folders that are searched through.
	Paths []string
	// Parallel is how many requests run at a time; 0 is two for each core.
	Parallel int
	// Lines is how many lines of NDJSON go into one request; 0 is 500.
	Lines int
	// State is the file that remembers what is done; "" for none.
	State string
	// StateIsTemporary removes State once all files are done, so that the same
	// load can be done again, into an emptied server for instance.
	StateIsTemporary bool
	// Restart forgets what State remembers of these files.
	Restart bool
	// Wait is how long a server that is away or busy is waited for; 0 is one
	// minute.
	Wait time.Duration
	// Errors, where not nil, receives every Rejection as a line of JSON.
	Errors io.Writer
	// Progress, where not nil, is told after every answer, one call at a time.
	Progress func(Progress)
	// Client is nil for one that keeps Parallel connections.
	Client *http.Client
	// Sleep waits between attempts; nil for the real thing.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Progress is how far a load has come.
type Progress struct {
	// Files and Bytes are those done of all; bytes as they lie on disk.
	Files, AllFiles int
	Bytes, AllBytes int64
	// Resources were answered, Rejected of them with a refusal.
	Resources, Rejected int
	// Waiting says what the server is waited for, "" where it is not.
	Waiting string
}

// maxRequest bounds the body of a request made of NDJSON, bytes.
const maxRequest = 8 << 20

// ErrNothing is returned where no path holds a file to load.
var ErrNothing = errors.New("no file to load: files are *.json and *.ndjson, also with .gz or .zst")

func (o *Options) setDefaults() error {
	u, err := url.Parse(o.To)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not a FHIR base URL; it looks like http://127.0.0.1:8080/datastore/default/r4", o.To)
	}
	o.To = strings.TrimRight(o.To, "/")
	if o.Parallel <= 0 {
		o.Parallel = 2 * runtime.NumCPU()
	}
	if o.Lines <= 0 {
		o.Lines = 500
	}
	if o.Wait <= 0 {
		o.Wait = time.Minute
	}
	if o.Client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = o.Parallel
		o.Client = &http.Client{Transport: transport}
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return nil
}

// Run loads the files. The error is of the load as a whole: a path that is not
// there, a server that stays away. Rejected resources are no error; the Summary
// has them, also beside an error.
func Run(ctx context.Context, opt Options) (*Summary, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	files, err := find(opt.Paths)
	if err != nil {
		return nil, err
	}
	state, err := openState(&opt, files)
	if err != nil {
		return nil, err
	}
	r := &run{opt: &opt, state: state, report: newReport(&opt, files)}
	err = errors.Join(r.all(ctx, files), r.report.failure())
	return r.report.finish(), errors.Join(err, state.close(err == nil && opt.StateIsTemporary))
}

// run is one call of Run.
type run struct {
	opt    *Options
	state  *state
	report *report
}

// all sends the groups of files one after the other: later groups refer to
// what earlier ones hold.
func (r *run) all(ctx context.Context, files []*file) error {
	if err := r.greet(ctx); err != nil {
		return err
	}
	for begin := 0; begin < len(files); {
		end := begin
		for end < len(files) && files[end].group == files[begin].group {
			end++
		}
		if err := r.group(ctx, files[begin:end]); err != nil {
			return err
		}
		begin = end
	}
	return nil
}

// group reads files one by one and sends their chunks side by side.
func (r *run) group(ctx context.Context, files []*file) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.opt.Parallel + 1)
	chunks := make(chan *chunk)
	group.Go(func() error {
		defer close(chunks)
		for _, f := range files {
			if err := r.read(ctx, f, chunks); err != nil {
				return err
			}
		}
		return nil
	})
	for range r.opt.Parallel {
		group.Go(func() error {
			for c := range chunks {
				if err := r.deliver(ctx, c); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// read cuts one file into chunks. A file that cannot be read is reported and
// does not stop the others.
func (r *run) read(ctx context.Context, f *file, chunks chan<- *chunk) error {
	err := f.chunks(r.opt.Lines, r.state.lines(f), func(c *chunk) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.state.began(c)
		select {
		case chunks <- c:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil && ctx.Err() == nil {
		r.report.reject(Rejection{File: f.path, Reason: err.Error()})
		return nil
	}
	return err
}

// deliver sends a chunk until all of it is answered, and remembers that.
func (r *run) deliver(ctx context.Context, c *chunk) error {
	certain, err := r.send(ctx, c)
	if err != nil {
		return err
	}
	done, err := r.state.finished(c, certain)
	r.report.chunkDone(c, done)
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

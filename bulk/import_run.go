package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bulk/glance"
	"github.com/tarnhealth/tarn/bulk/inflight"
	"github.com/tarnhealth/tarn/bulk/ndjson"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
)

// importState is the checkpoint of an import job.
type importState struct {
	Counts
	// After is the last file that is done. File is the one that is not, and Mark
	// how far it is; Faulty is set where it had something that was refused.
	After  string
	File   string
	Mark   ndjson.Mark
	Faulty bool
	// Parts is how many parts of the reports are written.
	Parts int
	// Message is for who asked.
	Message string
	// Starts counts the attempts that began here.
	Starts int
}

// maxStarts is how often a job is begun at one place: what makes the process
// stop there would do so again.
const maxStarts = 20

// An importer is one attempt at an import job.
type importer struct {
	*Service
	lease *job.Lease
	spec  Import
	store *datastore.Store
	src   source
	out   *report
	state importState
	// by is whose access is used.
	by authz.Access
	// began is when counting of state.Busy began, saved when it was noted last.
	began, saved time.Time
}

// runImport does an import job, or goes on with it.
func (s *Service) runImport(ctx context.Context, l *job.Lease) (any, error) {
	im := &importer{Service: s, lease: l}
	err := im.open(ctx)
	defer im.close()
	if err == nil {
		err = im.work(ctx)
	}
	if stopped := ended(ctx); stopped != nil && !errors.Is(stopped, job.ErrCancelled) {
		return nil, stopped
	}
	return nil, im.end(ctx, err)
}

// open reads the job and opens what it needs.
func (im *importer) open(ctx context.Context) error {
	j := im.lease.Job()
	im.saved = im.opt.Now()
	im.began = im.saved
	if err := json.Unmarshal(j.Input, &im.spec); err != nil {
		return err
	}
	if j.Checkpoint != nil {
		if err := json.Unmarshal(j.Checkpoint, &im.state); err != nil {
			return err
		}
	}
	var err error
	if im.store, err = im.Service.store(im.spec.Store, j.Scope); err != nil {
		return err
	}
	if im.by, err = im.access(ctx, im.store, im.spec.By, im.spec.Grant); err != nil {
		return err
	}
	if err := im.notStuck(ctx); err != nil {
		return err
	}
	if im.src, err = im.source(ctx); err != nil {
		return err
	}
	im.out, err = im.openReport(ctx)
	return err
}

// access is that of who asked for a job.
func (s *Service) access(ctx context.Context, store *datastore.Store, by string, grant []byte) (authz.Access, error) {
	if by != "" {
		return authz.Unrestricted(), nil
	}
	return s.opt.Restore(ctx, store, grant)
}

// notStuck counts the attempts at this place.
func (im *importer) notStuck(ctx context.Context) error {
	im.state.Starts++
	if im.state.Starts > maxStarts {
		return fhir.Errorf(fhir.KindUnprocessable, "given up: the server stopped %d times at this place, %s after line %d", maxStarts, im.state.File, im.state.Mark.Line)
	}
	return im.lease.Save(ctx, &im.state)
}

func (im *importer) source(ctx context.Context) (source, error) {
	if im.spec.Input == "" {
		return im.openURLs(ctx, im.spec.Files)
	}
	return openFolder(ctx, &im.opt.Places, im.spec.Input)
}

func (im *importer) close() {
	if im.src != nil {
		im.src.free()
	}
	if im.out != nil {
		im.out.free()
	}
}

// A chunk is some lines of a file on their way into the data store.
type chunk struct {
	file inputFile
	// begins is set for the first chunk of a file, ends for the last.
	begins, ends bool
	// skipped is set where the file is none to read.
	skipped bool
	lines   []ndjson.Line
	// behind is where the lines end.
	behind ndjson.Mark
	// broken is why the rest of the file cannot be read.
	broken error
	// keys tell the resources of the lines.
	keys []uint64
	// readOnly are the lines that must not be written: their places in lines.
	readOnly []int
	// outcomes are those of the lines, once done is closed, unless failed is
	// set.
	outcomes []datastore.BulkOutcome
	failed   error
	done     chan struct{}
}

// work reads, writes and reports until all files are done.
func (im *importer) work(ctx context.Context) error {
	workers := 2 * runtime.GOMAXPROCS(0)
	group, inner := errgroup.WithContext(ctx)
	waiting, inOrder := make(chan *chunk), make(chan *chunk, workers)
	busy := inflight.New[*chunk]()
	group.Go(func() error {
		defer close(waiting)
		defer close(inOrder)
		return im.read(inner, busy, waiting, inOrder)
	})
	for range workers {
		group.Go(func() error {
			for c := range waiting {
				c.failed = im.write(inner, c)
				close(c.done)
				if c.failed != nil {
					return c.failed
				}
			}
			return nil
		})
	}
	group.Go(func() error { return im.collect(inner, busy, inOrder) })
	if err := group.Wait(); err != nil {
		return err
	}
	if im.state.FilesScanned == 0 {
		return fhir.Errorf(fhir.KindInvalid, "there are no files of NDJSON in %.200s: their names must end in .ndjson or .jsonl, with .gz or .zst where they are compressed", im.spec.Input)
	}
	return im.checkpoint(ctx)
}

// read hands out the chunks of all files that are left.
func (im *importer) read(ctx context.Context, busy *inflight.Set[*chunk], waiting, inOrder chan<- *chunk) error {
	send := func(c *chunk) error {
		c.done = make(chan struct{})
		if err := im.name(ctx, busy, c); err != nil {
			return err
		}
		select {
		case inOrder <- c:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case waiting <- c:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	resume := im.state.File
	for o, err := range ahead(ctx, im.src, im.state.After, im.state.File, im.state.Mark) {
		if err != nil {
			return err
		}
		if err := im.readFile(o, o.file.name != resume, send); err != nil {
			return err
		}
	}
	return nil
}

// readFile hands out the chunks of one file.
func (im *importer) readFile(o opened, begins bool, send func(*chunk) error) error {
	if o.skipped {
		return send(&chunk{file: o.file, skipped: true, ends: true})
	}
	if o.broken != nil {
		return send(&chunk{file: o.file, begins: begins, ends: true, broken: o.broken})
	}
	defer o.input.close()
	for {
		found, err := o.input.Next()
		c := &chunk{file: o.file, begins: begins, lines: found, behind: o.input.At()}
		begins = false
		if err == nil && !(o.input.Ended()) {
			if err := send(c); err != nil {
				return err
			}
			continue
		}
		if c.ends = true; err != nil && !errors.Is(err, io.EOF) {
			if c.broken = fileError(o.file, err); fhir.KindOf(c.broken) != fhir.KindUnprocessable {
				return c.broken
			}
		}
		return send(c)
	}
}

// name finds which resources a chunk is about, and waits for those chunks on
// their way that are about one of them too: of two lines with one id the later
// one is stored later.
func (im *importer) name(ctx context.Context, busy *inflight.Set[*chunk], c *chunk) error {
	for i, l := range c.lines {
		resourceType, id := glance.Name(l.Text)
		if slices.Contains(im.opt.ReadOnly, resourceType) {
			c.readOnly = append(c.readOnly, i)
		}
		if id != "" {
			c.keys = append(c.keys, busy.Key(resourceType, id))
		}
	}
	for _, before := range busy.Add(c, c.keys) {
		select {
		case <-before.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// write stores the lines of a chunk.
func (im *importer) write(ctx context.Context, c *chunk) error {
	texts := make([][]byte, 0, len(c.lines))
	places := make([]int, 0, len(c.lines))
	c.outcomes = make([]datastore.BulkOutcome, len(c.lines))
	for i, l := range c.lines {
		switch {
		case l.Long:
			c.outcomes[i].Err = fhir.Errorf(fhir.KindTooLarge, "the line has more than %d bytes", ndjson.MaxLine)
		case slices.Contains(c.readOnly, i):
			c.outcomes[i].Err = fhir.Errorf(fhir.KindForbidden, "resources of this type are the server's own record, and nobody writes them")
		default:
			texts, places = append(texts, l.Text), append(places, i)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	writer := im.store.BulkWriter(im.by, datastore.BulkOptions{Level: im.spec.Level, Type: c.file.resourceType})
	outcomes, err := writer.Write(ctx, texts)
	if err != nil {
		return err
	}
	for n, o := range outcomes {
		c.outcomes[places[n]] = o
	}
	return nil
}

// collect reports the chunks in their order, and notes how far they are.
func (im *importer) collect(ctx context.Context, busy *inflight.Set[*chunk], inOrder <-chan *chunk) error {
	for c := range inOrder {
		select {
		case <-c.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if c.failed != nil {
			return c.failed
		}
		busy.Remove(c, c.keys)
		if err := im.count(c); err != nil {
			return err
		}
		if im.out.lines >= partLines || im.opt.Now().Sub(im.saved) >= im.opt.Every {
			if err := im.checkpoint(ctx); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// count adds a chunk to the counts and the report.
func (im *importer) count(c *chunk) error {
	st := &im.state
	if c.skipped {
		st.FilesSkipped++
		st.After = c.file.name
		return im.out.skip(c.file.name)
	}
	if c.begins {
		st.FilesScanned++
		st.Bytes += c.file.size
		st.Faulty = false
	}
	st.Read += max(0, c.behind.Offset-st.Mark.Offset)
	st.File, st.Mark = c.file.name, c.behind
	for i := range c.outcomes {
		st.Faulty = !st.add(&c.outcomes[i]) || st.Faulty
		if im.out.flags(&c.outcomes[i]) {
			st.Flagged++
		}
		if err := im.out.line(c.file.shown(), c.lines[i].Number, &c.outcomes[i]); err != nil {
			return err
		}
	}
	if c.broken != nil {
		st.Faulty = true
		if err := im.out.broken(c.file.shown(), c.behind.Line+1, c.broken); err != nil {
			return err
		}
	}
	if c.ends {
		if st.Faulty {
			st.FilesFailed++
		}
		if c.broken == nil {
			st.FilesImported++
		}
		st.After, st.File, st.Mark, st.Faulty = c.file.name, "", ndjson.Mark{}, false
	}
	return nil
}

// add counts an outcome and reports whether the resource was stored.
func (n *Counts) add(o *datastore.BulkOutcome) bool {
	n.Scanned++
	switch o.Result {
	case datastore.BulkCreated:
		n.Created++
	case datastore.BulkUpdated:
		n.Updated++
	case datastore.BulkUnchanged:
		n.Unchanged++
	default:
		if fhir.KindOf(o.Err) == fhir.KindInternal {
			n.Failed++
		} else {
			n.Refused++
		}
		return false
	}
	n.Stored++
	return true
}

// checkpoint makes the report durable, and then notes how far the job is.
func (im *importer) checkpoint(ctx context.Context) error {
	if err := im.commit(ctx); err != nil {
		return err
	}
	im.state.Starts = 1
	return im.lease.Save(ctx, &im.state)
}

// commit makes the report durable.
func (im *importer) commit(ctx context.Context) error {
	wrote, err := im.out.commit(ctx, im.state.Parts+1)
	if err != nil {
		return err
	}
	if wrote {
		im.state.Parts++
	}
	im.tick()
	return nil
}

// tick adds the time since it was called last.
func (im *importer) tick() {
	now := im.opt.Now()
	im.state.Busy += now.Sub(im.began)
	im.began, im.saved = now, now
}

// lastOutput is how long a job that is at its end may take to write what is left
// of its report: a place that does not answer does not keep it from ending.
const lastOutput = 2 * time.Minute

// end writes the manifest, and records how the job came out.
func (im *importer) end(ctx context.Context, failure error) error {
	cancelled := errors.Is(context.Cause(ctx), job.ErrCancelled) || errors.Is(failure, job.ErrCancelled)
	late := context.WithoutCancel(ctx)
	output, done := context.WithTimeout(late, lastOutput)
	defer done()
	status := 200
	switch {
	case cancelled:
		status, im.state.Message = 499, "cancelled; what was imported stays"
	case failure != nil:
		status, im.state.Message = statusOf(failure), public(failure)
	}
	if im.out != nil {
		err := im.commit(output)
		if err == nil {
			err = im.writeManifest(output)
		}
		if err != nil && failure == nil {
			failure, status, im.state.Message = err, statusOf(err), public(err)
		}
	}
	n := &im.state.Counts
	detail := fmt.Sprintf("%d resources stored (%d new, %d changed), %d refused, %d failed, of %d files", n.Stored, n.Created, n.Updated, n.Refused, n.Failed, n.FilesScanned)
	if im.state.Message != "" {
		detail += "; " + im.state.Message
	}
	err := im.record(late, Event{
		Action: "import", Job: im.lease.Job().ID, Store: im.spec.Store, Caller: im.by.Caller(), By: im.spec.By, Status: status, Detail: detail,
	})
	if !cancelled {
		err = errors.Join(err, im.lease.Save(late, &im.state))
	}
	return errors.Join(failure, err)
}

func statusOf(err error) int { return fhir.KindOf(err).Status() }

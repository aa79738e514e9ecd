package console

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/page"
	"github.com/tarnhealth/tarn/server/admin"
)

// The kinds of jobs.
const (
	importJob = "import"
	exportJob = "export"
)

// A jobLine is an import or export job.
type jobLine struct {
	Kind, Store, StoreName string
	bulk.Status
	Name string
	// Running is set while it can be cancelled.
	Running bool
	// Resources and Size are how much was read or written so far; Refused is how
	// many resources of an import were not stored.
	Resources, Size, Refused string
	// Done of All types of an export are written; All is 0 of other jobs.
	Done, All int
}

// A jobsPage is the page of all jobs.
type jobsPage struct {
	Jobs []jobLine
	// Running is set while one is.
	Running bool
	// More is set where there are older ones that are not shown.
	More bool
}

// maxJobs is how many jobs are shown.
const maxJobs = 100

// jobs are those of all data stores of a list, the newest first.
func (s *Console) jobs(ctx context.Context, list []datastore.Record) (all []jobLine, err error) {
	for _, record := range list {
		if record.Status != datastore.StatusActive {
			continue
		}
		store, err := s.cfg.Folder.Catalog.Store(record.ID)
		if err != nil {
			continue // one that is closed runs none
		}
		imports, err := s.cfg.Jobs.ListImports(ctx, store)
		if err != nil {
			return nil, err
		}
		for i := range imports {
			all = append(all, importLine(record, &imports[i]))
		}
		exports, err := s.cfg.Jobs.ListExports(ctx, store)
		if err != nil {
			return nil, err
		}
		for i := range exports {
			all = append(all, exportLine(record, &exports[i]))
		}
	}
	slices.SortStableFunc(all, func(a, b jobLine) int {
		return cmp.Or(b.Submitted.Compare(a.Submitted), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

func importLine(record datastore.Record, j *bulk.ImportStatus) jobLine {
	line := jobLine{
		Kind: importJob, Store: record.ID, StoreName: cmp.Or(record.Name, record.ID), Status: j.Status, Name: j.Name, Running: !j.State.Ended(),
		Resources: countText(int(j.Stored)), Size: bytesText(j.Read),
	}
	if lost := j.Refused + j.Failed; lost > 0 {
		line.Refused = countText(int(lost))
	}
	return line
}

func exportLine(record datastore.Record, j *bulk.ExportStatus) jobLine {
	return jobLine{
		Kind: exportJob, Store: record.ID, StoreName: cmp.Or(record.Name, record.ID), Status: j.Status, Name: j.Name, Running: !j.State.Ended(),
		Resources: countText(int(j.Resources)), Size: bytesText(j.Bytes), Done: len(j.Done), All: len(j.All),
	}
}

// Took is how long it took, or takes so far, to a second.
func (j jobLine) Took() string {
	end := j.EndTime
	if end.IsZero() {
		end = time.Now()
	}
	return end.Sub(j.Submitted).Round(time.Second).String()
}

// showJobs is GET /console/jobs.
func (s *Console) showJobs(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.jobsPage(w, r, c, http.StatusOK)
}

func (s *Console) jobsPage(w http.ResponseWriter, r *http.Request, c *caller, status int, options ...page.Option) error {
	list, err := s.reads.List(r.Context())
	if err != nil {
		return err
	}
	body := jobsPage{}
	if body.Jobs, err = s.jobs(r.Context(), list); err != nil {
		return err
	}
	body.Running = slices.ContainsFunc(body.Jobs, func(j jobLine) bool { return j.Running })
	if len(body.Jobs) > maxJobs {
		body.Jobs, body.More = body.Jobs[:maxJobs], true
	}
	s.show(w, r, c, status, "jobs", "jobs", body, append(options, page.Script(Prefix+"/console.js"), page.Connect())...)
	return nil
}

// cancelJob is POST /console/jobs/cancel.
func (s *Console) cancelJob(w http.ResponseWriter, r *http.Request, c *caller) error {
	id, kind, job := r.PostForm.Get("store"), r.PostForm.Get("kind"), r.PostForm.Get("job")
	change := admin.Change{
		Pattern: "DELETE /datastores/{id}/" + kind + "s/{job}",
		Path:    "/datastores/" + url.PathEscape(id) + "/" + kind + "s/" + url.PathEscape(job),
	}
	if kind != importJob && kind != exportJob {
		return fhir.Errorf(fhir.KindInvalid, "there is no kind of job %.64q", kind)
	}
	_, err := s.cfg.Record(c.agent, change, func() (any, error) {
		store, err := s.cfg.Folder.Catalog.Store(id)
		if err != nil {
			return nil, err
		}
		if kind == importJob {
			return nil, s.cfg.Jobs.CancelImport(r.Context(), store, job)
		}
		_, err = s.cfg.Jobs.CancelExport(r.Context(), store, job)
		return nil, err
	})
	if err != nil {
		status, option := s.problems(r, "", err)
		return s.jobsPage(w, r, c, status, option)
	}
	s.pages.Redirect(w, Prefix+"/jobs?done=job-cancelled")
	return nil
}

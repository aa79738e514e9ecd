package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
)

// An Export says what an export job is to write.
// https://hl7.org/fhir/uv/bulkdata/STU2/export.html#query-parameters
type Export struct {
	// Store is the id of the data store.
	Store string
	// Name and Token are the caller's; either may be "".
	Name, Token string
	// Of is what is exported: "" for everything, "Patient" for what is in the
	// compartment of a patient, "Group" for the patients of Group.
	Of, Group string
	// Patients narrows that to some patients, by their ids.
	Patients []string `json:",omitempty"`
	// Types are resource types; nil for all.
	Types []string `json:",omitempty"`
	// Since and Until bound when a resource was changed last.
	Since, Until time.Time
	// Filters are searches, "Type?query"; a resource of a type that has some
	// meets one of them.
	Filters []string `json:",omitempty"`
	// Tags and Security are tokens that every resource must have, all of them.
	Tags, Security []string `json:",omitempty"`
	// Elements are names of elements, "Type.name" or "name"; nil for all.
	Elements []string `json:",omitempty"`
	// Associated asks for Provenances: "LatestProvenanceResources" or
	// "RelevantProvenanceResources".
	Associated []string `json:",omitempty"`
	// OrganizeBy is "", or the resource type by which files are organized:
	// "Patient".
	OrganizeBy string `json:",omitempty"`
	// Format is FormatNDJSON or FormatParquet.
	Format Format
	// Output is the URL of the folder where the job's own folder is made, "" for
	// the server's files, which are fetched over HTTP.
	Output string
	// By is the id of the access key that asked; Grant the access of a caller
	// over FHIR.
	By    string
	Grant []byte `json:",omitempty"`
	// KMSKey and Role are kept for who asks.
	KMSKey, Role string
	// Request is the URL that was called, over FHIR.
	Request string
	// Notes are what of the request was not followed.
	Notes []string `json:",omitempty"`
	// Paged is set for a client that takes manifests in pages, Separate for one
	// that wants the HTTP status of a poll apart from that of the job.
	Paged, Separate bool `json:",omitempty"`
	// Plain is set for a caller that asked as HealthLake's clients do.
	Plain bool
}

// A Format is that of exported files.
type Format string

// The formats, as media types.
const (
	FormatNDJSON  Format = "application/fhir+ndjson"
	FormatParquet Format = "application/vnd.apache.parquet"
)

// An ExportedFile is one file of an export.
type ExportedFile struct {
	// Key is its name within the job's folder: "Patient/Patient-0.ndjson".
	Key string
	// Type is the resource type in it.
	Type string
	// Count is the number of resources, Size of bytes.
	Count, Size int64
}

// exportState is the checkpoint of an export job.
type exportState struct {
	// T is the logical time that is exported, Time that of the newest change in
	// it.
	T    uint64
	Time time.Time
	// Types are all that are to be written, Done those that are.
	Types, Done []string
	Files       []ExportedFile
	Deleted     []ExportedFile
	Errors      []ExportedFile
	// Resources and Bytes were written.
	Resources, Bytes int64
	Message          string
	Starts           int
}

// An ExportStatus describes an export job.
type ExportStatus struct {
	Export
	Status
	// Time is the time of the data; zero before it is known.
	Time                   time.Time
	Files, Deleted, Errors []ExportedFile
	Resources, Bytes       int64
	// Done of All types are written.
	Done, All []string
	// Expires is when the server's files are removed; zero before the end.
	Expires time.Time
}

// StartExport makes an export job. One with the Token of another, and otherwise
// the same, is that one. access is that of the caller, owner who it is over
// FHIR, "" for a By.
func (s *Service) StartExport(ctx context.Context, store *datastore.Store, access authz.Access, owner string, in Export) (ExportStatus, error) {
	in.Store = store.Record().ID
	if in.Format == "" {
		in.Format = FormatNDJSON
	}
	if in.Output != "" {
		if err := s.opt.Places.Check(in.Output); err != nil {
			return ExportStatus{}, fhir.Errorf(fhir.KindInvalid, "%v", err)
		}
	}
	if err := s.checkExport(ctx, store, access, &in); err != nil {
		return ExportStatus{}, err
	}
	if in.By == "" {
		if err := s.admit(ctx, store, owner); err != nil {
			return ExportStatus{}, err
		}
	}
	j, err := s.start(ctx, s.exports, kindExport, scopeOf(store.Record()), owner, in.Token, s.opt.Limits.Exports, &in)
	if err != nil {
		return ExportStatus{}, err
	}
	return s.exportStatus(&j)
}

// checkExport plans the export as of now, so that what is wrong with it is told
// to who asks.
func (s *Service) checkExport(ctx context.Context, store *datastore.Store, access authz.Access, in *Export) error {
	view, err := store.View(ctx, access, 0)
	if err != nil {
		return err
	}
	defer view.Close()
	_, err = s.planExport(ctx, store, view, access, in)
	return err
}

// admit bounds the exports of one caller.
func (s *Service) admit(ctx context.Context, store *datastore.Store, owner string) error {
	all, err := s.exports.List(ctx, kindExport, scopeOf(store.Record()))
	if err != nil {
		return err
	}
	open := 0
	for _, j := range all {
		if j.Owner == owner && !j.State.Ended() {
			open++
		}
	}
	if open >= s.opt.Limits.ExportsPerCaller {
		return fhir.Errorf(fhir.KindThrottled, "%d exports of this caller run or wait, the most that may; try again when one has ended, or DELETE one", open).
			With("Retry-After", "60")
	}
	return nil
}

// exportStatus reads the record of an export job.
func (s *Service) exportStatus(j *job.Job) (ExportStatus, error) {
	status := ExportStatus{Status: Status{ID: j.ID, Submitted: j.Created, EndTime: j.Ended, Owner: j.Owner}}
	if err := json.Unmarshal(j.Input, &status.Export); err != nil {
		return status, err
	}
	var at exportState
	if j.Checkpoint != nil {
		if err := json.Unmarshal(j.Checkpoint, &at); err != nil {
			return status, err
		}
	}
	status.State = stateOf(j, len(at.Errors) > 0 && len(status.Notes) == 0)
	status.Message, status.Time = at.Message, at.Time
	status.Files, status.Deleted, status.Errors = at.Files, at.Deleted, at.Errors
	status.Resources, status.Bytes = at.Resources, at.Bytes
	status.Done, status.All = at.Done, at.Types
	if status.State == Failed && status.Message == "" {
		status.Message = "the server could not carry it out; its log has more"
	}
	if j.State.Ended() && status.Output == "" {
		status.Expires = j.Ended.Add(s.opt.Limits.KeepFiles)
	}
	if status.Output != "" {
		status.Folder = outputURL(status.Output, exportFolder(status.Store, j.ID))
	}
	return status, nil
}

// exportFolder is the name of the folder of an export job's output.
func exportFolder(store, id string) string { return store + "-FHIR_EXPORT-" + id }

// DescribeExport describes an export job of a data store: KindNotFound where
// there is none.
func (s *Service) DescribeExport(ctx context.Context, store *datastore.Store, id string) (ExportStatus, error) {
	j, err := find(ctx, s.exports, kindExport, store, id)
	if err != nil {
		return ExportStatus{}, err
	}
	return s.exportStatus(&j)
}

// ListExports describes all export jobs of a data store that are still known,
// oldest first.
func (s *Service) ListExports(ctx context.Context, store *datastore.Store) ([]ExportStatus, error) {
	all, err := list(ctx, s.exports, kindExport, store)
	if err != nil {
		return nil, err
	}
	found := make([]ExportStatus, 0, len(all))
	for i := range all {
		status, err := s.exportStatus(&all[i])
		if err != nil {
			return nil, err
		}
		found = append(found, status)
	}
	return found, nil
}

// CancelExport ends an export job that waits or runs.
func (s *Service) CancelExport(ctx context.Context, store *datastore.Store, id string) (ExportStatus, error) {
	if _, err := find(ctx, s.exports, kindExport, store, id); err != nil {
		return ExportStatus{}, err
	}
	j, err := s.exports.Cancel(ctx, id)
	if err != nil {
		return ExportStatus{}, err
	}
	if j.State == job.Cancelled {
		if err := s.removeFiles(ctx, &j); err != nil {
			return ExportStatus{}, err
		}
	}
	return s.exportStatus(&j)
}

// removeFiles removes the server's files of an export job.
func (s *Service) removeFiles(ctx context.Context, j *job.Job) error {
	var in Export
	if err := json.Unmarshal(j.Input, &in); err != nil || in.Output != "" {
		return err
	}
	return blob.DeleteAll(ctx, s.opt.Files, exportFolder(in.Store, j.ID)+"/")
}

// forgetExport removes a job that has ended, with its files.
func (s *Service) forgetExport(ctx context.Context, j *job.Job) error {
	if err := s.removeFiles(ctx, j); err != nil {
		return err
	}
	err := s.exports.Delete(ctx, j.ID)
	if errors.Is(err, job.ErrNotFound) {
		return nil
	}
	return err
}

// sweep removes files that have expired, now and every hour.
func (s *Service) sweep(ctx context.Context) {
	for {
		if err := s.expire(ctx); err != nil && ctx.Err() == nil {
			s.opt.Logger.Error("files of exports that expired could not be removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Hour):
		}
	}
}

// expire removes the files of jobs that ended long enough ago, and of data
// stores that are gone.
func (s *Service) expire(ctx context.Context) error {
	all, err := s.exports.List(ctx, kindExport, "")
	if err != nil {
		return err
	}
	var errs []error
	kept := map[string]bool{}
	for i := range all {
		j := &all[i]
		var in Export
		if err := json.Unmarshal(j.Input, &in); err != nil {
			errs = append(errs, err)
			continue
		}
		_, gone := s.store(in.Store, j.Scope)
		switch {
		case gone != nil && j.State.Ended(), j.State.Ended() && s.opt.Now().Sub(j.Ended) > s.opt.Limits.KeepFiles:
			errs = append(errs, s.removeFiles(ctx, j))
		default:
			kept[exportFolder(in.Store, j.ID)] = true
		}
	}
	return errors.Join(errs...)
}

// wants reports whether a list of names has one, or is nil.
func wants(list []string, name string) bool { return list == nil || slices.Contains(list, name) }

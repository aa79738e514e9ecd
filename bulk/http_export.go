package bulk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
)

// Export begins an export: [base]/$export, [base]/Patient/$export and
// [base]/Group/[id]/$export.
// https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-kick-off-request
func (s *Service) Export(w http.ResponseWriter, c *Call) error {
	in := Export{Of: c.Of, Group: c.Group, Request: c.URL, Format: FormatNDJSON, Separate: c.prefers(separateStatus)}
	all, _, body, err := c.parameters()
	if err != nil {
		return err
	}
	if body != nil && isPlainAsk(body) {
		if err := in.readPlain(body); err != nil {
			return err
		}
	}
	r := &exportReader{in: &in, call: c}
	if err := r.read(all); err != nil {
		return err
	}
	owner, grant, err := s.opt.Keep(c.Request, c.Store)
	if err != nil {
		return err
	}
	in.Grant = grant
	status, err := s.StartExport(c.Request.Context(), c.Store, c.Access, owner, in)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Location", s.exportURL(c, status.ID))
	applied := "respond-async"
	if in.Separate {
		applied += ", " + separateStatus
	}
	w.Header().Set("Preference-Applied", applied)
	if in.Plain {
		return writeBody(w, http.StatusAccepted, map[string]any{"datastoreId": status.Store, "jobStatus": Submitted, "jobId": status.ID})
	}
	return writeOutcome(w, http.StatusAccepted, "the export is accepted; ask for its status at the Content-Location")
}

func (s *Service) exportURL(c *Call, id string) string {
	return c.Store.Base() + "/" + segmentExport + "/" + id
}

// readPlain reads the body that HealthLake's clients send.
// https://docs.aws.amazon.com/healthlake/latest/devguide/export-fhir-rest.html
func (in *Export) readPlain(body []byte) error {
	var ask struct {
		JobName, ClientToken, DataAccessRoleArn string
		DatastoreID                             string `json:"DatastoreId"`
		OutputDataConfig                        struct {
			S3Configuration struct{ S3Uri, KmsKeyID string }
		}
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&ask); err != nil {
		return fhir.Errorf(fhir.KindInvalid, "the body is neither a Parameters resource nor {JobName, DataAccessRoleArn, OutputDataConfig: {S3Configuration: {S3Uri, KmsKeyId}}}: %v", err)
	}
	if ask.OutputDataConfig.S3Configuration.S3Uri == "" {
		return fhir.Errorf(fhir.KindInvalid, "OutputDataConfig.S3Configuration.S3Uri is missing")
	}
	in.Plain, in.Name, in.Token, in.Role = true, ask.JobName, ask.ClientToken, ask.DataAccessRoleArn
	in.Output, in.KMSKey = ask.OutputDataConfig.S3Configuration.S3Uri, ask.OutputDataConfig.S3Configuration.KmsKeyID
	return nil
}

// An exportReader reads the parameters of an export.
type exportReader struct {
	in   *Export
	call *Call
}

// once are the parameters that come at most once.
var once = []string{"_outputFormat", "_since", "_until", "organizeOutputBy", "allowPartialManifests"}

func (r *exportReader) read(all []parameter) error {
	seen := map[string]bool{}
	for _, p := range all {
		if seen[p.name] && slices.Contains(once, p.name) {
			return fhir.Errorf(fhir.KindInvalid, "%s comes twice", p.name).At("http." + p.name)
		}
		seen[p.name] = true
		if err := r.one(p); err != nil {
			return err
		}
	}
	if r.in.OrganizeBy != "" && r.in.Format != FormatNDJSON {
		return fhir.Errorf(fhir.KindInvalid, "organizeOutputBy is for %s", FormatNDJSON).At("http.organizeOutputBy")
	}
	if !r.in.Since.IsZero() && !r.in.Until.IsZero() && !r.in.Since.Before(r.in.Until) {
		return fhir.Errorf(fhir.KindInvalid, "_since is not before _until").At("http._since")
	}
	return nil
}

// one reads one parameter.
func (r *exportReader) one(p parameter) (err error) {
	in := r.in
	switch p.name {
	case "_outputFormat":
		in.Format, err = formatOf(p.value)
	case "_since":
		in.Since, err = instant(p.name, p.value)
	case "_until":
		in.Until, err = instant(p.name, p.value)
	case "_type":
		return r.types(p.value)
	case "_typeFilter":
		in.Filters = append(in.Filters, splitFilters(p.value)...)
	case "_elements":
		in.Elements = append(in.Elements, split(p.value)...)
	case "_tag":
		in.Tags = append(in.Tags, split(p.value)...)
	case "_security":
		in.Security = append(in.Security, split(p.value)...)
	case "patient":
		return r.patient(p.value)
	case "includeAssociatedData":
		return r.associated(p.value)
	case "organizeOutputBy":
		return r.organize(p.value)
	case "allowPartialManifests":
		if p.value != "true" && p.value != "false" {
			return fhir.Errorf(fhir.KindInvalid, "%.50q is not true or false", p.value).At("http." + p.name)
		}
		in.Paged = p.value == "true"
	default:
		return r.leave(p.name, "%q is no parameter of this export", p.name)
	}
	return err
}

// leave refuses what is not supported, or notes it where the caller is lenient.
func (r *exportReader) leave(name, format string, args ...any) error {
	if r.call.Lenient {
		r.in.Notes = append(r.in.Notes, "not followed: "+fmt.Sprintf(format, args...))
		return nil
	}
	return fhir.Errorf(fhir.KindNotSupported, format+"; Prefer: handling=lenient leaves it out", args...).At("http." + name)
}

func (r *exportReader) types(value string) error {
	for _, t := range split(value) {
		if r.call.Store.Definitions().Schema.Resource(t) == nil {
			if !r.call.Lenient {
				return fhir.Errorf(fhir.KindInvalid, "%.100q is not a resource type of R4", t).At("http._type")
			}
			r.in.Notes = append(r.in.Notes, fmt.Sprintf("not followed: _type=%.100s is not a resource type of R4", t))
			continue
		}
		if !slices.Contains(r.in.Types, t) {
			r.in.Types = append(r.in.Types, t)
		}
	}
	if r.in.Types == nil {
		return fhir.Errorf(fhir.KindInvalid, "_type names no resource type").At("http._type")
	}
	return nil
}

func (r *exportReader) patient(value string) error {
	if r.in.Of == "" {
		return fhir.Errorf(fhir.KindInvalid, "patient belongs to Patient/$export and Group/[id]/$export").At("http.patient")
	}
	if r.call.Request.Method != http.MethodPost {
		return fhir.Errorf(fhir.KindInvalid, "patient is sent by POST only, in a Parameters resource").At("http.patient")
	}
	for _, text := range split(value) {
		ref := fhir.ParseReference(text, r.call.Store.Base())
		if ref.Kind != fhir.RefRelative || ref.Type != "Patient" {
			return fhir.Errorf(fhir.KindInvalid, "%.100q is no reference to a patient: write Patient/[id]", text).At("http.patient")
		}
		if !slices.Contains(r.in.Patients, ref.ID) {
			r.in.Patients = append(r.in.Patients, ref.ID)
		}
	}
	return nil
}

// The associated data that can be asked for.
const (
	latestProvenance   = "LatestProvenanceResources"
	relevantProvenance = "RelevantProvenanceResources"
)

func (r *exportReader) associated(value string) error {
	for _, v := range split(value) {
		if v != latestProvenance && v != relevantProvenance {
			if err := r.leave("includeAssociatedData", "includeAssociatedData=%.100s; there are %s and %s", v, latestProvenance, relevantProvenance); err != nil {
				return err
			}
			continue
		}
		r.in.Associated = append(r.in.Associated, v)
	}
	return nil
}

func (r *exportReader) organize(value string) error {
	if value != "Patient" || r.in.Of == "" {
		return r.leave("organizeOutputBy", "organizeOutputBy=%.100s; there is Patient, of Patient/$export and Group/[id]/$export", value)
	}
	r.in.OrganizeBy = value
	return nil
}

func formatOf(value string) (Format, error) {
	switch strings.Replace(value, " ", "+", 1) {
	case "application/fhir+ndjson", "application/ndjson", "ndjson":
		return FormatNDJSON, nil
	case "application/vnd.apache.parquet", "parquet":
		return FormatParquet, nil
	}
	return "", fhir.Errorf(fhir.KindInvalid, "%.100q is not offered: there are %s (also application/ndjson, ndjson) and %s", value, FormatNDJSON, FormatParquet).At("http._outputFormat")
}

func split(value string) []string {
	var all []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// splitFilters splits a _typeFilter where a comma is followed by another type
// and a question mark, as STU1 has it; other commas belong to a search.
func splitFilters(value string) []string {
	var all []string
	for _, part := range strings.Split(value, ",") {
		name, _, ok := strings.Cut(part, "?")
		if len(all) == 0 || ok && name != "" && name[0] >= 'A' && name[0] <= 'Z' && !strings.ContainsAny(name, "=&/:|") {
			all = append(all, part)
			continue
		}
		all[len(all)-1] += "," + part
	}
	return all
}

// ownedExport is the caller's export job that a request names, with what is
// known of it.
func (s *Service) ownedExport(c *Call) (j job.Job, status ExportStatus, err error) {
	if j, _, err = s.owned(c, s.exports, kindExport); err != nil {
		return j, status, err
	}
	status, err = s.exportStatus(&j)
	return j, status, err
}

// exportStatusOver answers a poll.
// https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-status-request
func (s *Service) exportStatusOver(w http.ResponseWriter, c *Call) error {
	j, status, err := s.ownedExport(c)
	if err != nil {
		return err
	}
	if status.Plain {
		return writeBody(w, http.StatusOK, map[string]any{"exportJobProperties": s.plainProperties(c, &status)})
	}
	switch {
	case status.State == CancelCompleted || j.Cancelling:
		return fhir.Errorf(fhir.KindNotFound, "the export was cancelled")
	case status.State == Failed && status.Separate:
		w.Header().Set(exportStatusHeader, statusLine(http.StatusInternalServerError))
		return writeFailure(w, http.StatusOK, "the export failed: "+status.Message)
	case status.State == Failed:
		return writeFailure(w, http.StatusInternalServerError, "the export failed: "+status.Message)
	case !j.State.Ended():
		return s.underWay(w, &j, progressOf(&j, &status), status.Separate)
	case !s.opt.Now().Before(status.Expires) && status.Output == "":
		return expired(&status)
	}
	s.polls.Forget(j.ID)
	if status.Separate {
		w.Header().Set(exportStatusHeader, statusLine(http.StatusOK))
	}
	return s.writeManifest(w, c, &status, 1)
}

// writeFailure answers a poll of a job that failed. The message is for clients.
func writeFailure(w http.ResponseWriter, status int, message string) error {
	w.Header().Set("Content-Type", "application/fhir+json;charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write(fhir.AppendOutcome(nil, []fhir.Issue{{Severity: fhir.SeverityError, Code: "exception", Diagnostics: message}}))
	return err
}

func expired(status *ExportStatus) error {
	return fhir.Errorf(fhir.KindGone, "the files of the export expired at %s; begin another", status.Expires.UTC().Format(time.RFC3339))
}

// progressOf is the X-Progress, of less than 100 characters.
func progressOf(j *job.Job, status *ExportStatus) string {
	if j.State == job.Queued {
		return "waiting"
	}
	return fmt.Sprintf("running: %d resources, %d of %d types done", max(j.Progress.Done, status.Resources), len(status.Done), len(status.All))
}

// plainTime is how HealthLake's REST form writes times.
const plainTime = "Jan 2, 2006 3:04:05 PM"

// plainProperties is the status as HealthLake's clients read it.
func (s *Service) plainProperties(c *Call, status *ExportStatus) map[string]any {
	p := map[string]any{
		"jobId": status.ID, "jobName": status.Name, "jobStatus": status.State, "submitTime": status.Submitted.UTC().Format(plainTime),
		"datastoreId": status.Store, "dataAccessRoleArn": status.Role,
		"outputDataConfig": map[string]any{"s3Configuration": map[string]any{"S3Uri": status.Output, "KmsKeyId": status.KMSKey}},
	}
	if !status.EndTime.IsZero() {
		p["endTime"] = status.EndTime.UTC().Format(plainTime)
	}
	if status.Message != "" {
		p["message"] = status.Message
	}
	if status.State == Completed || status.State == CompletedWithErrors {
		p["output"] = manifestOf(status, func(f ExportedFile) string { return status.Folder + f.Key }).Output
	}
	return p
}

// cancelExportOver ends an export and removes its files.
// https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-delete-request
func (s *Service) cancelExportOver(w http.ResponseWriter, c *Call) error {
	j, status, err := s.ownedExport(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	if status.Plain {
		if j.State.Ended() {
			return fhir.Errorf(fhir.KindNotSupported, "the export job has ended, with %s: it cannot be cancelled", status.State)
		}
		if _, err := s.CancelExport(ctx, c.Store, j.ID); err != nil {
			return err
		}
		return writeBody(w, http.StatusAccepted, map[string]any{"exportJobProperties": map[string]any{
			"jobId": j.ID, "jobStatus": "CANCEL_SUBMITTED", "datastoreId": status.Store,
		}})
	}
	switch {
	case status.State == CancelCompleted || j.Cancelling:
		return fhir.Errorf(fhir.KindNotFound, "the export was cancelled")
	case j.State.Ended():
		if err := s.forgetExport(ctx, &j); err != nil {
			return err
		}
		return writeOutcome(w, http.StatusAccepted, "the export and its files are removed")
	}
	if _, err := s.CancelExport(ctx, c.Store, j.ID); err != nil {
		return err
	}
	return writeOutcome(w, http.StatusAccepted, "the export is cancelled")
}

// exportFileOver sends one file.
// https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-output-file-request
func (s *Service) exportFileOver(w http.ResponseWriter, c *Call) error {
	j, status, err := s.ownedExport(c)
	if err != nil {
		return err
	}
	key := strings.Join(c.Path[1:], "/")
	done := status.State == Completed || status.State == CompletedWithErrors
	page := pageOf(&status, key, s.opt.Limits.ManifestFiles)
	all := slices.Concat(status.Files, status.Deleted, status.Errors)
	at := slices.IndexFunc(all, func(f ExportedFile) bool { return f.Key == key })
	switch {
	case status.Output != "" || at < 0 && page == 0 || !done:
		return fhir.Errorf(fhir.KindNotFound, "the export has no file %.200q", key)
	case !s.opt.Now().Before(status.Expires):
		return expired(&status)
	case page > 0:
		return s.writeManifest(w, c, &status, page)
	}
	if err := s.covers(c, &status, all[at]); err != nil {
		return err
	}
	media := "application/fhir+ndjson"
	if status.Format == FormatParquet && at < len(status.Files) {
		media = string(FormatParquet)
	}
	return s.sendFile(w, c, exportFolder(status.Store, j.ID)+"/"+key, media)
}

// covers refuses a file to a token with less than the export was made with: of
// another one, who sees all resources of the types may have it.
func (s *Service) covers(c *Call, status *ExportStatus, f ExportedFile) error {
	_, grant, err := s.opt.Keep(c.Request, c.Store)
	if err != nil || bytes.Equal(grant, status.Grant) || f.Type == "OperationOutcome" {
		return err
	}
	access, err := c.Store.Bind(c.Request.Context(), c.Access)
	if err != nil {
		return err
	}
	types := []string{f.Type}
	if f.Type == "" || strings.HasPrefix(f.Key, "deleted/") {
		types = status.All
	}
	for _, t := range types {
		if where, ok := access.Filter(authz.SearchType, t); !ok || where != nil {
			return fhir.Errorf(fhir.KindForbidden, "the token allows less than the one that the export was begun with").
				With("WWW-Authenticate", `Bearer error="insufficient_scope"`)
		}
	}
	return nil
}

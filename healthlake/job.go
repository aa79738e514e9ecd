package healthlake

import (
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/validate"
)

// Constraints of the jobs' operations.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_StartFHIRImportJob.html
var (
	// The model's places are in S3; Tarn has local folders too.
	placeConstraint = constraint{required: true, min: 1, max: 1024, pattern: regexp.MustCompile(`^(s3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](/.*)?|file://(localhost)?/.*)$`)}
	roleConstraint  = constraint{min: 20, max: 2048, pattern: regexp.MustCompile(`^arn:aws(-[^:]+)?:iam::[0-9]{12}:role/.+$`)}
	jobName         = constraint{min: 1, max: 64, pattern: words}
	jobIDConstraint = constraint{required: true, min: 1, max: 32, pattern: words}
	levelConstraint = constraint{enum: []string{"strict", "structure-only", "minimal"}}
	jobStatus       = constraint{enum: []string{
		"SUBMITTED", "QUEUED", "IN_PROGRESS", "COMPLETED_WITH_ERRORS", "COMPLETED", "FAILED",
		"CANCEL_SUBMITTED", "CANCEL_IN_PROGRESS", "CANCEL_COMPLETED", "CANCEL_FAILED",
	}}
)

// begun is how the operations answer that start a job.
type begun struct {
	JobID       string `json:"JobId"`
	JobStatus   bulk.State
	DatastoreID string `json:"DatastoreId"`
}

type inputConfig struct {
	S3Uri string
}

type outputConfig struct {
	S3Configuration struct {
		S3Uri    string
		KmsKeyID string `json:"KmsKeyId"`
	}
}

// jobProperties are what import and export jobs have in common.
type jobProperties struct {
	JobID             string `json:"JobId"`
	JobName           string `json:",omitempty"`
	JobStatus         bulk.State
	SubmitTime        stamp
	EndTime           *stamp `json:",omitempty"`
	DatastoreID       string `json:"DatastoreId"`
	DataAccessRoleArn string `json:",omitempty"`
	Message           string `json:",omitempty"`
}

// importProperties is ImportJobProperties.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_ImportJobProperties.html
type importProperties struct {
	jobProperties
	InputDataConfig     inputConfig
	JobOutputDataConfig outputConfig
	ValidationLevel     string
	JobProgressReport   progressReport
}

// progressReport is JobProgressReport.
type progressReport struct {
	TotalNumberOfScannedFiles               int64
	TotalSizeOfScannedFilesInMB             float64
	TotalNumberOfImportedFiles              int64
	TotalNumberOfResourcesScanned           int64
	TotalNumberOfResourcesImported          int64
	TotalNumberOfResourcesWithCustomerError int64
	TotalNumberOfFilesReadWithCustomerError int64
	Throughput                              float64
}

// exportProperties is ExportJobProperties.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_ExportJobProperties.html
type exportProperties struct {
	jobProperties
	OutputDataConfig outputConfig
}

func output(uri, key string) (o outputConfig) {
	o.S3Configuration.S3Uri, o.S3Configuration.KmsKeyID = uri, key
	return o
}

func commonOf(s *bulk.Status, name, store, role string) jobProperties {
	p := jobProperties{
		JobID: s.ID, JobName: name, JobStatus: s.State, SubmitTime: stamp(s.Submitted), DatastoreID: store, DataAccessRoleArn: role, Message: s.Message,
	}
	if !s.EndTime.IsZero() {
		end := stamp(s.EndTime)
		p.EndTime = &end
	}
	return p
}

func importOf(s *bulk.ImportStatus) importProperties {
	p := importProperties{
		jobProperties:       commonOf(&s.Status, s.Name, s.Store, s.Role),
		InputDataConfig:     inputConfig{s.Input},
		JobOutputDataConfig: output(s.Output, s.KMSKey),
		ValidationLevel:     levelNames[s.Level],
		JobProgressReport: progressReport{
			TotalNumberOfScannedFiles: s.FilesScanned, TotalSizeOfScannedFilesInMB: bulk.Megabytes(s.Bytes), TotalNumberOfImportedFiles: s.FilesImported,
			TotalNumberOfResourcesScanned: s.Scanned, TotalNumberOfResourcesImported: s.Stored,
			TotalNumberOfResourcesWithCustomerError: s.Refused, TotalNumberOfFilesReadWithCustomerError: s.FilesFailed,
		},
	}
	if seconds := s.Busy.Seconds(); seconds > 0 {
		p.JobProgressReport.Throughput = float64(int64(float64(s.Read)/1e3/seconds)) / 1e3
	}
	return p
}

var levelNames = map[validate.Level]string{validate.Strict: "strict", validate.StructureOnly: "structure-only", validate.Minimal: "minimal"}

func exportOf(s *bulk.ExportStatus) exportProperties {
	return exportProperties{jobProperties: commonOf(&s.Status, s.Name, s.Store, s.Role), OutputDataConfig: output(s.Output, s.KMSKey)}
}

// outputPlace reads where a job's output goes.
func (in *input) outputPlace(name string) (uri, key string) {
	config := in.structure(name, true)
	if config == nil {
		return "", ""
	}
	s3 := config.structure("S3Configuration", true)
	if s3 == nil {
		return "", ""
	}
	return s3.text("S3Uri", placeConstraint), s3.text("KmsKeyId", keyIDConstraint)
}

// startImport begins an import job.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_StartFHIRImportJob.html
func (c *call) startImport() (any, error) {
	in := c.in
	id := in.text("DatastoreId", idConstraint)
	spec := bulk.Import{Name: in.text("JobName", jobName), Token: in.text("ClientToken", clientTokenConstraint), Role: in.text("DataAccessRoleArn", roleConstraint), By: c.key.ID}
	if config := in.structure("InputDataConfig", true); config != nil {
		spec.Input = config.text("S3Uri", placeConstraint)
	}
	spec.Output, spec.KMSKey = in.outputPlace("JobOutputDataConfig")
	level := in.text("ValidationLevel", levelConstraint)
	in.unavailable(notOffered, "InputFormat", "ProfileId", "DriftDetectionEnabled", "ProvenanceEnabled")
	if err := in.finish(); err != nil {
		return nil, err
	}
	store, err := c.jobStore(id)
	if err != nil {
		return nil, err
	}
	if spec.Level, err = validate.ParseLevel(level); err != nil {
		return nil, err
	}
	status, err := c.h.cfg.Bulk.StartImport(context.WithoutCancel(c.ctx), store, "", spec)
	if err != nil {
		return nil, err
	}
	return begun{status.ID, bulk.Submitted, id}, nil
}

// startExport begins an export job.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_StartFHIRExportJob.html
func (c *call) startExport() (any, error) {
	in := c.in
	id := in.text("DatastoreId", idConstraint)
	spec := bulk.Export{Name: in.text("JobName", jobName), Token: in.text("ClientToken", clientTokenConstraint), Role: in.text("DataAccessRoleArn", roleConstraint), By: c.key.ID}
	spec.Output, spec.KMSKey = in.outputPlace("OutputDataConfig")
	if err := in.finish(); err != nil {
		return nil, err
	}
	store, err := c.jobStore(id)
	if err != nil {
		return nil, err
	}
	status, err := c.h.cfg.Bulk.StartExport(context.WithoutCancel(c.ctx), store, authz.Unrestricted(), "", spec)
	if err != nil {
		return nil, err
	}
	return begun{status.ID, bulk.Submitted, id}, nil
}

// jobStore is the data store of a job, which the caller may use and which is
// ACTIVE.
func (c *call) jobStore(id string) (*datastore.Store, error) {
	if err := c.allow(id); err != nil {
		return nil, err
	}
	if c.h.cfg.Bulk.Filling(id) {
		return nil, failed(codeValidation, "The data store %q is not ACTIVE.", id)
	}
	return c.h.cfg.Stores.Store(id)
}

// jobOf reads a request that describes a job.
func (c *call) jobOf() (*datastore.Store, string, error) {
	id := c.in.text("DatastoreId", idConstraint)
	job := c.in.text("JobId", jobIDConstraint)
	if err := c.in.finish(); err != nil {
		return nil, "", err
	}
	store, err := c.jobStore(id)
	return store, job, err
}

// importJob is the import job that a request names.
func (c *call) importJob() (store *datastore.Store, status bulk.ImportStatus, err error) {
	store, id, err := c.jobOf()
	if err == nil {
		status, err = c.h.cfg.Bulk.DescribeImport(c.ctx, store, id)
	}
	return store, status, err
}

// exportJob is the export job that a request names.
func (c *call) exportJob() (store *datastore.Store, status bulk.ExportStatus, err error) {
	store, id, err := c.jobOf()
	if err == nil {
		status, err = c.h.cfg.Bulk.DescribeExport(c.ctx, store, id)
	}
	return store, status, err
}

// describeImport describes an import job.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_DescribeFHIRImportJob.html
func (c *call) describeImport() (any, error) {
	_, status, err := c.importJob()
	if err != nil {
		return nil, err
	}
	return struct{ ImportJobProperties importProperties }{importOf(&status)}, nil
}

// describeExport describes an export job.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_DescribeFHIRExportJob.html
func (c *call) describeExport() (any, error) {
	_, status, err := c.exportJob()
	if err != nil {
		return nil, err
	}
	return struct{ ExportJobProperties exportProperties }{exportOf(&status)}, nil
}

// A jobFilter is what a list of jobs is narrowed by.
type jobFilter struct {
	store, name, status string
	before, after       time.Time
}

// key tells lists apart.
func (f *jobFilter) key(operation string) string {
	return hashOf(map[string]any{"operation": operation, "store": f.store, "name": f.name, "status": f.status, "before": f.before.Unix(), "after": f.after.Unix()})[:16]
}

func (f *jobFilter) matches(s *bulk.Status, name string) bool {
	return (f.name == "" || f.name == name) && (f.status == "" || f.status == string(s.State)) &&
		(f.before.IsZero() || s.Submitted.Before(f.before)) && (f.after.IsZero() || s.Submitted.After(f.after))
}

// readJobs reads a request for a list of jobs.
func (c *call) readJobs() (store *datastore.Store, f jobFilter, from position, most int, err error) {
	in := c.in
	f = jobFilter{
		store: in.text("DatastoreId", idConstraint), name: in.text("JobName", jobName), status: in.text("JobStatus", jobStatus),
		before: in.time("SubmittedBefore"), after: in.time("SubmittedAfter"),
	}
	most = in.number("MaxResults", maxResults)
	from = in.position(f.key(c.operation))
	if err = in.finish(); err == nil {
		store, err = c.jobStore(f.store)
	}
	return store, f, from, most, err
}

// page is the part of a list of jobs that is asked for, and where the next one
// begins. statusOf has what a job is chosen by.
func page[T any](all []T, f *jobFilter, from position, most int, key string, statusOf func(*T) (*bulk.Status, string)) (part []T, next string) {
	var last position
	for i := range all {
		s, name := statusOf(&all[i])
		if !f.matches(s, name) || !from.before(s.Submitted, s.ID) {
			continue
		}
		if len(part) == most {
			return part, last.token()
		}
		part = append(part, all[i])
		last = position{Created: sortable(s.Submitted), ID: s.ID, Filter: key}
	}
	return part, ""
}

// listImports lists import jobs, oldest first.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_ListFHIRImportJobs.html
func (c *call) listImports() (any, error) {
	store, f, from, most, err := c.readJobs()
	if err != nil {
		return nil, err
	}
	all, err := c.h.cfg.Bulk.ListImports(c.ctx, store)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s bulk.ImportStatus) bool { return s.By == "" }) // over FHIR
	part, next := page(all, &f, from, most, f.key(c.operation), func(s *bulk.ImportStatus) (*bulk.Status, string) { return &s.Status, s.Name })
	listed := struct {
		ImportJobPropertiesList []importProperties
		NextToken               string `json:",omitempty"`
	}{[]importProperties{}, next}
	for i := range part {
		listed.ImportJobPropertiesList = append(listed.ImportJobPropertiesList, importOf(&part[i]))
	}
	return listed, nil
}

// listExports lists export jobs, oldest first.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_ListFHIRExportJobs.html
func (c *call) listExports() (any, error) {
	store, f, from, most, err := c.readJobs()
	if err != nil {
		return nil, err
	}
	all, err := c.h.cfg.Bulk.ListExports(c.ctx, store)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s bulk.ExportStatus) bool { return s.By == "" && !s.Plain })
	part, next := page(all, &f, from, most, f.key(c.operation), func(s *bulk.ExportStatus) (*bulk.Status, string) { return &s.Status, s.Name })
	listed := struct {
		ExportJobPropertiesList []exportProperties
		NextToken               string `json:",omitempty"`
	}{[]exportProperties{}, next}
	for i := range part {
		listed.ExportJobPropertiesList = append(listed.ExportJobPropertiesList, exportOf(&part[i]))
	}
	return listed, nil
}

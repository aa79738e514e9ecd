package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/validate"
)

// The folders of an import job's output, as HealthLake has them.
const (
	folderSuccess = "SUCCESS"
	folderFailure = "FAILURE"
	folderFlagged = "SUCCESS_WITH_SEARCH_VALIDATION_FAILURES"
)

// partLines is about how many lines a part of the report has at most.
const partLines = 20_000

// importFolder is the name of the folder of an import job's output.
func importFolder(store, id string) string { return store + "-FHIR_IMPORT-" + id }

// outputURL is the URL of a folder in a place.
func outputURL(place, folder string) string {
	return strings.TrimSuffix(place, "/") + "/" + folder + "/"
}

// A report is the output of an import job: what became of each line. It is
// written in parts, each of which is complete when a checkpoint is noted.
type report struct {
	place blob.Place
	// flagged is set where warnings are told.
	flagged bool
	open    map[string]*reportPart
	// lines counts those of the open parts.
	lines int
	buf   []byte
}

// A reportPart is one file being written.
type reportPart struct{ text []byte }

// openReport opens the place of a job's output.
func (im *importer) openReport(ctx context.Context) (*report, error) {
	r := &report{flagged: im.spec.Level == validate.Minimal, open: map[string]*reportPart{}}
	folder := importFolder(im.spec.Store, im.lease.Job().ID) + "/"
	if im.spec.Output == "" {
		r.place = blob.Place{Bucket: im.opt.Files, Prefix: folder}
		return r, nil
	}
	place, err := im.opt.Places.Open(ctx, im.spec.Output)
	if err != nil {
		return nil, placeError(im.spec.Output, err)
	}
	r.place = place.Folder()
	r.place.Prefix += folder
	return r, nil
}

func (r *report) free() { r.place.Free() }

func (r *report) part(folder string) *reportPart {
	p := r.open[folder]
	if p == nil {
		p = &reportPart{}
		r.open[folder] = p
	}
	r.lines++
	return p
}

// line reports what became of one line.
func (r *report) line(file string, number int, o *datastore.BulkOutcome) error {
	folder, status, content := folderSuccess, 200, []byte(nil)
	switch {
	case o.Result == datastore.BulkRefused:
		folder, status = folderFailure, statusOf(o.Err)
		content = outcomeOf(o.Err)
	case r.flags(o):
		folder, content = folderFlagged, fhir.AppendOutcome(nil, o.Warnings)
	default:
		content = r.stored(o)
	}
	if o.Result == datastore.BulkCreated || o.Result == datastore.BulkUnchanged && o.Number == 1 {
		status = 201 // also where it was created by an attempt before
	}
	r.write(folder, file, number, status, content)
	return nil
}

// flags reports whether a resource was stored although something is wrong.
func (r *report) flags(o *datastore.BulkOutcome) bool {
	return r.flagged && o.Result != datastore.BulkRefused && len(o.Warnings) > 0
}

// stored names a resource that was stored, in JSON.
func (r *report) stored(o *datastore.BulkOutcome) []byte {
	r.buf = append(r.buf[:0], `{"resourceType":"`...)
	r.buf = append(append(r.buf, o.Type...), `","id":"`...)
	r.buf = append(append(r.buf, o.ID...), `","meta":{"versionId":"`...)
	r.buf = append(strconv.AppendUint(r.buf, o.Number, 10), `"}}`...)
	return r.buf
}

// outcomeOf is an error as an OperationOutcome; of one that is the server's
// fault it tells nothing.
func outcomeOf(err error) []byte {
	known := fhir.Errorf(fhir.KindInternal, "the server could not store it; its log has more")
	if fhir.KindOf(err) != fhir.KindInternal {
		known = err.(*fhir.Error)
	}
	return fhir.AppendOutcome(nil, known.Issues)
}

// broken reports why the rest of a file could not be read.
func (r *report) broken(file string, number int, err error) error {
	r.write(folderFailure, file, number, statusOf(err), outcomeOf(err))
	return nil
}

// skip reports a file that is none to read.
func (r *report) skip(file string) error {
	err := fhir.Errorf(fhir.KindNotSupported, "not read: the name does not end in .ndjson or .jsonl, with .gz or .zst")
	r.write(folderFailure, file, 0, statusOf(err), outcomeOf(err))
	return nil
}

// write adds a line: {"lineId", "inputFile", "UpdateResourceResponse"}.
func (r *report) write(folder, file string, number, status int, content []byte) {
	p := r.part(folder)
	name, _ := json.Marshal(file) // cannot fail
	p.text = fmt.Appendf(p.text, `{"lineId":%d,"inputFile":%s,"UpdateResourceResponse":{"jsonBlob":%s,"statusCode":%d}}`+"\n", number, name, content, status)
}

// commit writes the open parts under a number, and reports whether there were
// any. What an attempt before wrote under it is replaced.
func (r *report) commit(ctx context.Context, number int) (wrote bool, err error) {
	for folder, p := range r.open {
		if err := blob.Write(ctx, r.place.Bucket, r.place.Prefix+path.Join(folder, fmt.Sprintf("part-%06d.ndjson", number)), p.text); err != nil {
			return false, outputError(err)
		}
	}
	wrote = len(r.open) > 0
	clear(r.open)
	r.lines = 0
	return wrote, nil
}

// outputError says that the output cannot be written.
func outputError(err error) error {
	why := public(err)
	if errors.Is(err, blob.ErrBusy) {
		why = busy
	}
	return fhir.Errorf(fhir.KindUnavailable, "the output cannot be written: %s", why).Because(err)
}

// An importManifest is the manifest.json of an import job, in HealthLake's
// form. https://docs.aws.amazon.com/healthlake/latest/devguide/import-examples.html
type importManifest struct {
	InputDataConfig struct {
		S3Uri string `json:"s3Uri"`
	} `json:"inputDataConfig"`
	OutputDataConfig struct {
		S3Uri           string `json:"s3Uri"`
		EncryptionKeyID string `json:"encryptionKeyID,omitempty"`
	} `json:"outputDataConfig"`
	SuccessOutput struct {
		SuccessOutputS3Uri string `json:"successOutputS3Uri"`
	} `json:"successOutput"`
	FailureOutput struct {
		FailureOutputS3Uri string `json:"failureOutputS3Uri"`
	} `json:"failureOutput"`
	NumberOfScannedFiles                  int64   `json:"numberOfScannedFiles"`
	NumberOfFilesImported                 int64   `json:"numberOfFilesImported"`
	NumberOfFilesSkipped                  int64   `json:"numberOfFilesSkipped,omitempty"`
	SizeOfScannedFilesInMB                float64 `json:"sizeOfScannedFilesInMB"`
	SizeOfDataImportedSuccessfullyInMB    float64 `json:"sizeOfDataImportedSuccessfullyInMB"`
	NumberOfResourcesScanned              int64   `json:"numberOfResourcesScanned"`
	NumberOfResourcesImportedSuccessfully int64   `json:"numberOfResourcesImportedSuccessfully"`
	NumberOfResourcesWithSearchFailures   int64   `json:"numberOfResourcesWithSearchValidationFailures,omitempty"`
	NumberOfResourcesWithCustomerError    int64   `json:"numberOfResourcesWithCustomerError"`
	NumberOfResourcesWithServerError      int64   `json:"numberOfResourcesWithServerError"`
	NumberOfResourcesCreated              int64   `json:"numberOfResourcesCreated"`
	NumberOfResourcesUpdated              int64   `json:"numberOfResourcesUpdated"`
	NumberOfResourcesUnchanged            int64   `json:"numberOfResourcesUnchanged"`
	Message                               string  `json:"message,omitempty"`
}

// Megabytes is a size in MB, to the thousandth.
func Megabytes(bytes int64) float64 { return float64(bytes/1000) / 1000 }

// writeManifest writes the manifest.json of the job.
func (im *importer) writeManifest(ctx context.Context) error {
	n, base := &im.state.Counts, im.spec.Output
	if base != "" {
		base = outputURL(base, importFolder(im.spec.Store, im.lease.Job().ID))
	}
	m := importManifest{
		NumberOfScannedFiles: n.FilesScanned, NumberOfFilesImported: n.FilesImported, NumberOfFilesSkipped: n.FilesSkipped,
		SizeOfScannedFilesInMB: Megabytes(n.Bytes), SizeOfDataImportedSuccessfullyInMB: Megabytes(n.Read),
		NumberOfResourcesScanned: n.Scanned, NumberOfResourcesImportedSuccessfully: n.Stored,
		NumberOfResourcesWithSearchFailures: n.Flagged, NumberOfResourcesWithCustomerError: n.Refused, NumberOfResourcesWithServerError: n.Failed,
		NumberOfResourcesCreated: n.Created, NumberOfResourcesUpdated: n.Updated, NumberOfResourcesUnchanged: n.Unchanged,
		Message: im.state.Message,
	}
	m.InputDataConfig.S3Uri, m.OutputDataConfig.S3Uri, m.OutputDataConfig.EncryptionKeyID = im.spec.Input, base, im.spec.KMSKey
	m.SuccessOutput.SuccessOutputS3Uri, m.FailureOutput.FailureOutputS3Uri = base+folderSuccess+"/", base+folderFailure+"/"
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := blob.Write(ctx, im.out.place.Bucket, im.out.place.Prefix+"manifest.json", append(text, '\n')); err != nil {
		return outputError(err)
	}
	return nil
}

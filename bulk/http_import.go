package bulk

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/validate"
)

// maxInputs is how many files one $import may name.
const maxInputs = 100_000

// Import begins an import of files that are named by their URLs, or by the URL
// of an export's manifest: [base]/$import. It follows the community's proposal.
// https://github.com/smart-on-fhir/bulk-import/blob/master/import.md
func (s *Service) Import(w http.ResponseWriter, c *Call) error {
	if err := cmp.Or(c.Access.Check(authz.Update, ""), c.Access.CheckService("$import")); err != nil {
		return err
	}
	_, tree, _, err := c.parameters()
	if err != nil {
		return err
	}
	if tree == nil {
		return fhir.Errorf(fhir.KindInvalid, "the body must be a Parameters resource with input (type, url), or manifest")
	}
	in := Import{Request: c.URL}
	for p := range tree.Root().Each("parameter") {
		if err := s.readImport(c, &in, p); err != nil {
			return err
		}
	}
	if len(in.Files) == 0 {
		return fhir.Errorf(fhir.KindInvalid, "the Parameters name no input").At("Parameters.parameter")
	}
	for _, f := range in.Files {
		if f.Type != "" {
			if err := c.Access.Check(authz.Update, f.Type); err != nil {
				return err
			}
		}
	}
	owner, grant, err := s.opt.Keep(c.Request, c.Store)
	if err != nil {
		return err
	}
	in.Grant = grant
	status, err := s.StartImport(c.Request.Context(), c.Store, owner, in)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Location", s.importURL(c, status.ID))
	w.Header().Set("Preference-Applied", "respond-async")
	return writeOutcome(w, http.StatusAccepted, "the import is accepted; ask for its status at the Content-Location")
}

func (s *Service) importURL(c *Call, id string) string {
	return c.Store.Base() + "/" + segmentImport + "/" + id
}

// readImport reads one parameter.
func (s *Service) readImport(c *Call, in *Import, p fhir.Node) (err error) {
	value := p.Child("value")
	text := ""
	if value.HasValue() {
		text = value.Text()
	}
	switch name := p.TextOf("name"); name {
	case "inputFormat":
		if f, err := formatOf(text); err != nil || f != FormatNDJSON {
			return fhir.Errorf(fhir.KindNotSupported, "inputFormat %.100q is not read; send %s", text, FormatNDJSON)
		}
	case "inputSource":
		// Where the data is from: the URL that was called is recorded.
	case "storageDetail":
		for part := range p.Each("part") {
			if kind := part.Child("value").Text(); part.TextOf("name") != "type" || kind != "https" && kind != "aws-s3" && kind != "file" {
				return fhir.Errorf(fhir.KindNotSupported, "storageDetail has only type: https, aws-s3 or file; the URLs say the rest")
			}
		}
	case "validationLevel":
		in.Level, err = validate.ParseLevel(text)
	case "input":
		return s.addInput(c, in, partOf(p, "type"), partOf(p, "url"))
	case "manifest":
		return s.addManifest(c, in, text)
	default:
		return fhir.Errorf(fhir.KindInvalid, "%.100q is no parameter of $import; it has inputFormat, inputSource, storageDetail, validationLevel, input (type, url) and manifest", name)
	}
	return err
}

// partOf is the primitive value of a parameter's part.
func partOf(p fhir.Node, name string) string {
	for part := range p.Each("part") {
		if v := part.Child("value"); part.TextOf("name") == name && v.HasValue() {
			return v.Text()
		}
	}
	return ""
}

func (s *Service) addInput(c *Call, in *Import, resourceType, url string) error {
	if url == "" {
		return fhir.Errorf(fhir.KindInvalid, "an input has no url")
	}
	if resourceType != "" && c.Store.Definitions().Schema.Resource(resourceType) == nil {
		return fhir.Errorf(fhir.KindInvalid, "%.100q is not a resource type of R4", resourceType)
	}
	f := InputFile{Type: resourceType, URL: url}
	if err := s.checkInput(f); err != nil {
		return err
	}
	if in.Files = append(in.Files, f); len(in.Files) > maxInputs {
		return fhir.Errorf(fhir.KindTooCostly, "there are more than %d inputs", maxInputs)
	}
	return nil
}

// maxManifest is the greatest manifest that is fetched, in bytes.
const maxManifest = 64 << 20

// addManifest fetches the manifest of an export and adds its output.
func (s *Service) addManifest(c *Call, in *Import, url string) error {
	if !isWeb(url) {
		return fhir.Errorf(fhir.KindInvalid, "the manifest %.200q is no https URL", url)
	}
	if err := s.checkInput(InputFile{URL: url}); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(c.Request.Context(), http.MethodGet, url, nil)
	if err != nil {
		return fhir.Errorf(fhir.KindInvalid, "the manifest %.200q is no URL", url)
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.opt.Fetch.Do(request)
	if err != nil {
		return fhir.Errorf(fhir.KindUnprocessable, "the manifest cannot be fetched: %v", unfetched(err)).Because(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxManifest+1))
	var m struct {
		Output []struct{ Type, URL string }
	}
	switch {
	case err != nil || response.StatusCode != http.StatusOK:
		return fhir.Errorf(fhir.KindUnprocessable, "the manifest cannot be fetched: its server answers %d", response.StatusCode)
	case len(text) > maxManifest:
		return fhir.Errorf(fhir.KindTooLarge, "the manifest has more than %d bytes", maxManifest)
	case json.Unmarshal(text, &m) != nil:
		return fhir.Errorf(fhir.KindUnprocessable, "the manifest is no JSON with output: [{type, url}]")
	}
	for _, f := range m.Output {
		if err := s.addInput(c, in, f.Type, f.URL); err != nil {
			return err
		}
	}
	return nil
}

// ownedImport is the caller's import job that a request names, with what is
// known of it.
func (s *Service) ownedImport(c *Call) (j job.Job, status ImportStatus, err error) {
	if j, _, err = s.owned(c, s.imports, kindImport); err != nil {
		return j, status, err
	}
	status, err = s.importStatus(&j)
	return j, status, err
}

// importStatusOver answers a poll: 202 while the job waits or runs, and then a
// manifest of what became of the lines.
func (s *Service) importStatusOver(w http.ResponseWriter, c *Call) error {
	j, status, err := s.ownedImport(c)
	if err != nil {
		return err
	}
	switch {
	case status.State == CancelCompleted || j.Cancelling:
		return fhir.Errorf(fhir.KindNotFound, "the import was cancelled; what it stored stays")
	case status.State == Failed:
		return writeFailure(w, http.StatusInternalServerError, "the import failed: "+status.Message)
	case !j.State.Ended():
		return s.underWay(w, &j, importProgress(&j, &status), false)
	}
	s.polls.Forget(j.ID)
	m, err := s.importManifest(c, &j, &status)
	if err != nil {
		return err
	}
	return writeBody(w, http.StatusOK, m)
}

func importProgress(j *job.Job, status *ImportStatus) string {
	if j.State == job.Queued {
		return "waiting"
	}
	return fmt.Sprintf("running: %d resources stored, %d refused, of %d files", status.Stored, status.Refused, status.FilesScanned)
}

// importManifest lists the files of an import job's report.
func (s *Service) importManifest(c *Call, j *job.Job, status *ImportStatus) (any, error) {
	m := manifest{TransactionTime: j.Ended.UTC().Format(fhir.TimeLayout), Request: status.Request, RequiresAccessToken: !s.opt.Open, Output: []manifestFile{}, Error: []manifestFile{}}
	prefix := importFolder(status.Store, j.ID) + "/"
	for info, err := range s.opt.Files.List(c.Request.Context(), prefix, "") {
		if err != nil {
			return nil, err
		}
		key := strings.TrimPrefix(info.Key, prefix)
		f := manifestFile{Type: "OperationOutcome", URL: s.importURL(c, j.ID) + "/" + key}
		switch path.Dir(key) {
		case folderFailure:
			m.Error = append(m.Error, f)
		case folderSuccess, folderFlagged:
			m.Output = append(m.Output, f)
		}
	}
	return struct {
		manifest
		Counts map[string]int64 `json:"counts"`
	}{m, map[string]int64{
		"files": status.FilesScanned, "filesFailed": status.FilesFailed, "scanned": status.Scanned, "created": status.Created, "updated": status.Updated,
		"unchanged": status.Unchanged, "refused": status.Refused, "failed": status.Failed,
	}}, nil
}

func (s *Service) cancelImportOver(w http.ResponseWriter, c *Call) error {
	j, _, err := s.owned(c, s.imports, kindImport)
	if err != nil {
		return err
	}
	if j.State.Ended() {
		return fhir.Errorf(fhir.KindNotSupported, "the import has ended: it cannot be cancelled")
	}
	if err := s.CancelImport(c.Request.Context(), c.Store, j.ID); err != nil {
		return err
	}
	return writeOutcome(w, http.StatusAccepted, "the import is cancelled; what it stored stays")
}

// importFileOver sends a file of an import job's report.
func (s *Service) importFileOver(w http.ResponseWriter, c *Call) error {
	j, status, err := s.ownedImport(c)
	if err != nil {
		return err
	}
	if status.Output != "" {
		return fhir.Errorf(fhir.KindNotFound, "the report is at %s", status.Folder)
	}
	return s.sendFile(w, c, importFolder(status.Store, j.ID)+"/"+strings.Join(c.Path[1:], "/"), "application/fhir+ndjson")
}

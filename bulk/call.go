package bulk

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/search"
)

// A Call is a request of FHIR's HTTP API to this package, whose caller was
// authorized.
type Call struct {
	Request *http.Request
	Store   *datastore.Store
	Access  authz.Access
	// Of is what is exported, as in Export; Group the id of the URL.
	Of, Group string
	// Query are the parameters of the URL.
	Query []search.Pair
	// Body reads the body of a POST, Parse a resource in its form.
	Body  func() ([]byte, error)
	Parse func([]byte) (*fhir.Tree, error)
	// Lenient is set for Prefer: handling=lenient.
	Lenient bool
	// URL is the absolute URL that was called.
	URL string
	// Path is what the URL names below Segments: the job's id, and the file.
	Path []string
	// Progress is called as a file is sent, to let the client take its time.
	Progress func()
}

// Segments are the first segments, below the base URL, of what this package
// serves beside operations.
var Segments = []string{segmentExport, segmentImport}

const (
	segmentExport = "export"
	segmentImport = "import"
)

// Route reports which interaction a path below the base URL is, by its method;
// ok is false where this package serves nothing there.
func Route(method string, path []string) (interaction string, ok bool) {
	if len(path) < 2 || !slices.Contains(Segments, path[0]) {
		return "", false
	}
	switch {
	case method == http.MethodDelete && len(path) == 2:
		return path[0] + "-cancel", true
	case method != http.MethodGet:
		return "", false
	case len(path) == 2:
		return path[0] + "-status", true
	}
	return path[0] + "-file", true
}

// Serve answers a request that Route knows.
func (s *Service) Serve(w http.ResponseWriter, c *Call, interaction string) error {
	switch interaction {
	case "export-status":
		return s.exportStatusOver(w, c)
	case "export-cancel":
		return s.cancelExportOver(w, c)
	case "export-file":
		return s.exportFileOver(w, c)
	case "import-status":
		return s.importStatusOver(w, c)
	case "import-cancel":
		return s.cancelImportOver(w, c)
	case "import-file":
		return s.importFileOver(w, c)
	}
	return fhir.Errorf(fhir.KindNotFound, "nothing is at %s", c.URL)
}

// A parameter is one of an operation's call.
type parameter struct{ name, value string }

// parameters are those of the URL and of a Parameters resource in the body.
// references are the values of parameters that are references.
func (c *Call) parameters() (all []parameter, tree *fhir.Tree, body []byte, err error) {
	for _, p := range c.Query {
		if p.Name != "_format" && p.Name != "_pretty" {
			all = append(all, parameter{p.Name, p.Value})
		}
	}
	if c.Request.Method != http.MethodPost || c.Request.ContentLength == 0 {
		return all, nil, nil, nil
	}
	if body, err = c.Body(); err != nil || len(body) == 0 {
		return all, nil, nil, err
	}
	if isPlainAsk(body) {
		return all, nil, body, nil
	}
	if tree, err = c.Parse(body); err != nil {
		return nil, nil, nil, err
	}
	if tree.Root().Type().Name != "Parameters" {
		return nil, nil, nil, fhir.Errorf(fhir.KindInvalid, "the body is a %s where the operation takes a Parameters resource", tree.Root().Type().Name)
	}
	for p := range tree.Root().Each("parameter") {
		value := p.Child("value")
		switch {
		case value.Type() != nil && value.Type().Name == "Reference":
			all = append(all, parameter{p.TextOf("name"), value.TextOf("reference")})
		case value.HasValue():
			all = append(all, parameter{p.TextOf("name"), value.Text()})
		default:
			all = append(all, parameter{name: p.TextOf("name")}) // one with parts
		}
	}
	return all, tree, body, nil
}

// isPlainAsk reports whether a body is JSON that is no resource: what
// HealthLake's own clients send.
func isPlainAsk(body []byte) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return false
	}
	_, resource := object["resourceType"]
	_, output := object["OutputDataConfig"]
	_, input := object["InputDataConfig"]
	return !resource && (output || input)
}

// instant reads a FHIR instant; a date is its beginning in UTC. A plus sign that
// was not escaped in a URL has become a space.
func instant(name, text string) (time.Time, error) {
	text = strings.Replace(text, " ", "+", 1)
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fhir.Errorf(fhir.KindInvalid, "%.100q is no instant, such as 2026-01-31T12:00:00Z", text).At("http." + name)
}

// owned finds the job of a call among those of a kind. Another caller's is as
// one that does not exist.
func (s *Service) owned(c *Call, queue *job.Queue, kind string) (job.Job, string, error) {
	caller, _, err := s.opt.Keep(c.Request, c.Store)
	if err != nil {
		return job.Job{}, "", err
	}
	j, err := find(c.Request.Context(), queue, kind, c.Store, c.Path[0])
	if err != nil {
		return j, "", err
	}
	var in struct{ By string }
	if err := json.Unmarshal(j.Input, &in); err != nil {
		return j, "", err
	}
	if in.By != "" && s.opt.Open {
		return j, caller, nil // everybody may do everything
	}
	if in.By != "" || subtle.ConstantTimeCompare([]byte(j.Owner), []byte(caller)) != 1 {
		return j, "", fhir.Errorf(fhir.KindNotFound, "there is no %s job %.64q of this caller, or no longer", kind, c.Path[0])
	}
	return j, caller, nil
}

// writeBody answers with JSON that is no resource.
func writeBody(w http.ResponseWriter, status int, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err = w.Write(text)
	return err
}

// writeOutcome answers with an OperationOutcome of one piece of information.
func writeOutcome(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "application/fhir+json;charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write(fhir.AppendOutcome(nil, []fhir.Issue{{Severity: fhir.SeverityInformation, Code: "informational", Diagnostics: text}}))
	return err
}

// separateStatus is the preference of a client that wants the HTTP status of a
// poll to be that of the poll, and the job's in X-Export-Status.
// https://hl7.org/fhir/uv/bulkdata/STU3/export.html#headers
const separateStatus = "separate-export-status"

// prefers reports whether the client has a preference.
func (c *Call) prefers(name string) bool {
	for _, line := range c.Request.Header.Values("Prefer") {
		for part := range strings.SplitSeq(line, ",") {
			if token, _, _ := strings.Cut(part, ";"); strings.EqualFold(strings.TrimSpace(token), name) {
				return true
			}
		}
	}
	return false
}

// exportStatusHeader has the job's status, where it is separate.
const exportStatusHeader = "X-Export-Status"

// statusLine is a status as X-Export-Status has it.
func statusLine(code int) string { return strconv.Itoa(code) + " " + http.StatusText(code) }

// underWay answers a poll of a job that waits or runs.
func (s *Service) underWay(w http.ResponseWriter, j *job.Job, progress string, separate bool) error {
	now := s.opt.Now()
	wait := retryAfter(now.Sub(j.Created))
	if err := s.polls.Ask(j.ID, now, wait); err != nil {
		return err
	}
	w.Header().Set("X-Progress", progress)
	w.Header().Set("Retry-After", strconv.Itoa(wait))
	code := http.StatusAccepted
	if separate {
		w.Header().Set(exportStatusHeader, statusLine(code))
		code = http.StatusOK
	}
	w.WriteHeader(code)
	return nil
}

// retryAfter is how many seconds a client should wait that has waited so long.
func retryAfter(waited time.Duration) int {
	return int(min(max(waited/10, time.Second), time.Minute) / time.Second)
}

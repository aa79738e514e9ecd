package bulk

import (
	"fmt"
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
)

// A manifest is what a complete export is answered with.
// https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status
type manifest struct {
	TransactionTime     string         `json:"transactionTime"`
	Request             string         `json:"request"`
	RequiresAccessToken bool           `json:"requiresAccessToken"`
	OutputFormat        string         `json:"outputFormat,omitempty"`
	OrganizedBy         string         `json:"outputOrganizedBy,omitempty"`
	Output              []manifestFile `json:"output"`
	Deleted             []manifestFile `json:"deleted,omitempty"`
	Error               []manifestFile `json:"error"`
	Link                []manifestLink `json:"link,omitempty"`
}

type manifestLink struct {
	Relation string `json:"relation"`
	URL      string `json:"url"`
}

// A manifestFile has no count where nobody counted its lines: the reports of an
// import.
type manifestFile struct {
	Type  string `json:"type,omitempty"`
	URL   string `json:"url"`
	Count *int64 `json:"count,omitempty"`
}

func manifestOf(status *ExportStatus, url func(ExportedFile) string) *manifest {
	files := func(list []ExportedFile) []manifestFile {
		all := []manifestFile{}
		for _, f := range list {
			one := manifestFile{Type: f.Type, URL: url(f), Count: &f.Count}
			all = append(all, one)
		}
		return all
	}
	return &manifest{
		TransactionTime: status.Time.UTC().Format(fhir.TimeLayout), Request: status.Request,
		OutputFormat: string(status.Format), OrganizedBy: status.OrganizeBy,
		Output: files(status.Files), Deleted: files(status.Deleted), Error: files(status.Errors),
	}
}

// pageKey is the key of a page of the manifest, from the second on.
func pageKey(n int) string { return fmt.Sprintf("manifest-%d.json", n) }

// pageOf is the number of a page by its key; 0 for another key.
func pageOf(status *ExportStatus, key string, each int) int {
	for n := 2; status.Paged && n <= pagesOf(status, each); n++ {
		if pageKey(n) == key {
			return n
		}
	}
	return 0
}

// pagesOf is how many pages a manifest has.
func pagesOf(status *ExportStatus, each int) int {
	if !status.Paged {
		return 1
	}
	return max(1, (len(status.Files)+each-1)/each)
}

// writeManifest writes a page of the manifest. Pages have the files of the output
// in turn, and the last one the deletions.
// https://hl7.org/fhir/uv/bulkdata/STU3/export.html#response---output-manifest
func (s *Service) writeManifest(w http.ResponseWriter, c *Call, status *ExportStatus, page int) error {
	if !status.Expires.IsZero() {
		w.Header().Set("Expires", status.Expires.UTC().Format(http.TimeFormat))
	}
	part := *status
	each, last := s.opt.Limits.ManifestFiles, pagesOf(status, s.opt.Limits.ManifestFiles)
	if last > 1 {
		part.Files = status.Files[(page-1)*each : min(page*each, len(status.Files))]
	}
	if page < last {
		part.Deleted = nil
	}
	m := manifestOf(&part, func(f ExportedFile) string {
		if status.Folder != "" {
			return status.Folder + f.Key
		}
		return s.exportURL(c, status.ID) + "/" + f.Key
	})
	if page < last {
		m.Link = []manifestLink{{Relation: "next", URL: s.exportURL(c, status.ID) + "/" + pageKey(page+1)}}
	}
	m.RequiresAccessToken = !s.opt.Open
	return writeBody(w, http.StatusOK, m)
}

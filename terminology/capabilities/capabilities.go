// Package capabilities owns what a data store says of its terminology service: its
// TerminologyCapabilities. It lists the code systems that are known whatever
// resources are stored: those of FHIR R4, those that are loaded, and those that
// another server is asked about.
//
// It leaves to others: who may read it (rest).
//
// http://hl7.org/fhir/R4/terminologycapabilities.html
package capabilities

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/codebook"
	"github.com/tarnhealth/tarn/terminology/release"
)

// Facts are what a statement is made of.
type Facts struct {
	// Base is the data store's base URL, Version the software's.
	Base, Version string
	Date          time.Time
	// Books are the loaded terminologies, the one that is used where no version
	// is named before others of its system. External are the code systems that
	// another server has.
	Books    []*codebook.Book
	External []string
}

type (
	statement struct {
		ResourceType   string         `json:"resourceType"`
		URL            string         `json:"url"`
		Name           string         `json:"name"`
		Title          string         `json:"title"`
		Status         string         `json:"status"`
		Date           string         `json:"date"`
		Description    string         `json:"description"`
		Kind           string         `json:"kind"`
		Software       software       `json:"software"`
		Implementation implementation `json:"implementation"`
		LockedDate     bool           `json:"lockedDate"`
		CodeSystem     []codeSystem   `json:"codeSystem"`
		Expansion      expansion      `json:"expansion"`
		CodeSearch     string         `json:"codeSearch"`
		ValidateCode   struct {
			Translations bool `json:"translations"`
		} `json:"validateCode"`
		Translation struct {
			NeedsMap bool `json:"needsMap"`
		} `json:"translation"`
		Closure struct {
			Translation bool `json:"translation"`
		} `json:"closure"`
	}
	software struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	implementation struct {
		Description string `json:"description"`
		URL         string `json:"url"`
	}
	codeSystem struct {
		URI         string    `json:"uri"`
		Version     []version `json:"version,omitempty"`
		Subsumption bool      `json:"subsumption"`
	}
	version struct {
		Code          string   `json:"code,omitempty"`
		IsDefault     bool     `json:"isDefault,omitempty"`
		Compositional bool     `json:"compositional"`
		Property      []string `json:"property,omitempty"`
	}
	expansion struct {
		Hierarchical bool        `json:"hierarchical"`
		Paging       bool        `json:"paging"`
		Incomplete   bool        `json:"incomplete"`
		Parameter    []parameter `json:"parameter"`
		TextFilter   string      `json:"textFilter"`
	}
	parameter struct {
		Name          string `json:"name"`
		Documentation string `json:"documentation,omitempty"`
	}
)

// Parameters are those of $expand.
var Parameters = []string{
	"url", "valueSet", "valueSetVersion", "filter", "offset", "count", "includeDesignations", "designation",
	"includeDefinition", "activeOnly", "excludeNested", "excludeNotForUI", "excludePostCoordinated", "displayLanguage",
	"useSupplement", "exclude-system", "system-version", "check-system-version", "force-system-version",
}

// Statement is a TerminologyCapabilities resource.
func Statement(f Facts) ([]byte, error) {
	own, err := released()
	if err != nil {
		return nil, err
	}
	s := statement{
		ResourceType: "TerminologyCapabilities", URL: f.Base + "/metadata?mode=terminology",
		Name: "TarnTerminology", Title: "Terminology of a Tarn data store", Status: "active", Kind: "instance",
		Date:           f.Date.UTC().Format(time.RFC3339),
		Description:    "Code systems, value sets and maps that are stored as resources are known too, to those who may read them; they are not listed here.",
		Software:       software{"Tarn", f.Version},
		Implementation: implementation{"The data store at " + f.Base, f.Base},
		CodeSystem:     slices.Concat(own, loaded(f.Books), external(f.External)),
		CodeSearch:     "all",
		Expansion: expansion{
			Paging:     true,
			TextFilter: "Codes whose code, display or designations have words that begin with each word of the filter, without regard to case.",
		},
	}
	for _, name := range Parameters {
		s.Expansion.Parameter = append(s.Expansion.Parameter, parameter{Name: name})
	}
	s.ValidateCode.Translations = true
	s.Translation.NeedsMap = true
	slices.SortStableFunc(s.CodeSystem, func(a, b codeSystem) int { return cmp.Compare(a.URI, b.URI) })
	return json.Marshal(s)
}

// released are the code systems of which FHIR R4 has all concepts.
var released = sync.OnceValues(func() (all []codeSystem, err error) {
	service := terminology.New(nil)
	for _, url := range release.R4().URLs("CodeSystem") {
		s, err := service.System(url)
		if err != nil {
			return nil, err
		}
		if !s.Complete() {
			continue
		}
		known := codeSystem{URI: url, Subsumption: s.Hierarchical()}
		if !strings.Contains(url, "|") { // R4 has URLs that end with a version already
			known.Version = []version{{Code: s.Version}}
		}
		all = append(all, known)
	}
	return all, nil
})

// loaded are the loaded terminologies, by system.
func loaded(books []*codebook.Book) (all []codeSystem) {
	for _, b := range books {
		v := version{Code: b.Version}
		for _, p := range b.Meta.Properties {
			v.Property = append(v.Property, p.Code)
		}
		at := slices.IndexFunc(all, func(s codeSystem) bool { return s.URI == b.URL })
		if at < 0 {
			v.IsDefault = true
			all = append(all, codeSystem{URI: b.URL, Version: []version{v}, Subsumption: b.Hierarchy})
			continue
		}
		if !slices.ContainsFunc(all[at].Version, func(other version) bool { return other.Code == v.Code }) {
			all[at].Version = append(all[at].Version, v)
			all[at].Subsumption = all[at].Subsumption || b.Hierarchy
		}
	}
	return all
}

func external(urls []string) (all []codeSystem) {
	for _, url := range urls {
		all = append(all, codeSystem{URI: url, Subsumption: true})
	}
	return all
}

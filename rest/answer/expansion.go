package answer

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/terminology"
)

// expanded is the ValueSet that $expand answers with.
type expanded struct {
	ResourceType string `json:"resourceType"`
	URL          string `json:"url,omitempty"`
	Version      string `json:"version,omitempty"`
	Name         string `json:"name,omitempty"`
	Title        string `json:"title,omitempty"`
	Status       string `json:"status"`
	Expansion    struct {
		Identifier string            `json:"identifier"`
		Timestamp  string            `json:"timestamp"`
		Total      int               `json:"total"`
		Offset     *int              `json:"offset,omitempty"`
		Parameter  []Parameter       `json:"parameter,omitempty"`
		Contains   []expandedConcept `json:"contains,omitempty"`
	} `json:"expansion"`
}

type expandedConcept struct {
	Extension   []definitionExtension `json:"extension,omitempty"`
	System      string                `json:"system,omitempty"`
	Abstract    bool                  `json:"abstract,omitempty"`
	Inactive    bool                  `json:"inactive,omitempty"`
	Version     string                `json:"version,omitempty"`
	Code        string                `json:"code"`
	Display     string                `json:"display,omitempty"`
	Designation []designation         `json:"designation,omitempty"`
}

// definitionExtension carries a concept's definition.
// http://hl7.org/fhir/R4/extension-valueset-concept-definition.html
type definitionExtension struct {
	URL         string `json:"url"`
	ValueString string `json:"valueString"`
}

type designation struct {
	Language string  `json:"language,omitempty"`
	Use      *Coding `json:"use,omitempty"`
	Value    string  `json:"value"`
}

// An Expansion is what $expand is asked for.
type Expansion struct {
	terminology.Expand
	// Designations and Definitions ask for those, Uses for designations of some
	// languages and uses.
	Designations, Definitions bool
	Uses                      []string
	// Language is that of displays.
	Language string
	// Given are the parameters that the answer repeats.
	Given []Parameter
}

// ValueSet is the answer of $expand, under an identifier and as of a time.
// http://hl7.org/fhir/R4/valueset-operation-expand.html
func (x *Expansion) ValueSet(set *terminology.ValueSet, found *terminology.Expansion, identifier string, now time.Time) ([]byte, error) {
	out := expanded{ResourceType: "ValueSet", URL: set.URL, Version: set.Version, Name: set.Name, Title: set.Title, Status: set.Status}
	if out.Status == "" {
		out.Status = "active"
	}
	e := &out.Expansion
	e.Identifier = identifier
	e.Timestamp = now.UTC().Format(time.RFC3339)
	e.Total = found.Total
	if x.Offset > 0 || x.Count >= 0 {
		e.Offset = &x.Offset
	}
	e.Parameter = x.Given
	for _, used := range found.Systems {
		e.Parameter = append(e.Parameter, Parameter{Name: "version", URI: used})
	}
	for i := range found.Entries {
		e.Contains = append(e.Contains, x.concept(&found.Entries[i]))
	}
	return json.Marshal(out)
}

func (x *Expansion) concept(e *terminology.Entry) expandedConcept {
	c := expandedConcept{System: e.System, Abstract: e.Abstract, Inactive: e.Inactive, Code: e.Code, Display: e.In(x.Language)}
	if x.Definitions && e.Definition != "" {
		c.Extension = []definitionExtension{{"http://hl7.org/fhir/StructureDefinition/valueset-concept-definition", e.Definition}}
	}
	for _, d := range e.Designations {
		if x.Designations && x.wants(d) {
			c.Designation = append(c.Designation, designation{d.Language, AsCoding(d.Use), d.Value})
		}
	}
	return c
}

// wants reports whether a designation is among those asked for: a language
// (urn:ietf:bcp:47|de) or a use (system|code).
func (x *Expansion) wants(d terminology.Designation) bool {
	if len(x.Uses) == 0 {
		return true
	}
	for _, use := range x.Uses {
		system, code, _ := strings.Cut(use, "|")
		if system == "urn:ietf:bcp:47" && strings.EqualFold(code, d.Language) || system == d.Use.System && code == d.Use.Code {
			return true
		}
	}
	return false
}

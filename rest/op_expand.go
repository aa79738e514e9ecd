package rest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/terminology"
)

// expandOperation is ValueSet/$expand.
// http://hl7.org/fhir/R4/valueset-operation-expand.html
func expandOperation() operation {
	return operation{
		code: "expand", on: []string{"ValueSet"}, levels: []level{levelType, levelInstance},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			x, err := in.expand()
			if err != nil {
				return err
			}
			return r.withTerminology(func(s *terminology.Service) error {
				set, err := r.valueSet(s, in)
				if err != nil {
					return err
				}
				found, err := set.Expand(x.Expand)
				if err != nil {
					return err
				}
				body, err := x.answer(set, found)
				if err != nil {
					return err
				}
				return r.writeJSON(w, http.StatusOK, body)
			})
		},
	}
}

// expansion is what $expand is asked for.
type expansion struct {
	terminology.Expand
	designations, definitions bool
	uses                      []string
	language                  string
	given                     []parameter
}

func (in *arguments) expand() (x expansion, err error) {
	if err := in.only("url", "valueSet", "valueSetVersion", "filter", "offset", "count", "includeDesignations", "designation",
		"includeDefinition", "activeOnly", "excludeNested", "excludeNotForUI", "excludePostCoordinated", "displayLanguage",
		"exclude-system", "system-version", "check-system-version", "force-system-version"); err != nil {
		return x, err
	}
	x.Filter, x.language, x.uses = in.text("filter"), in.language(), in.texts("designation")
	if x.Filter != "" {
		x.given = append(x.given, parameter{Name: "filter", String: x.Filter})
	}
	flags := map[string]*bool{
		"includeDesignations": &x.designations, "includeDefinition": &x.definitions,
		"activeOnly": &x.ActiveOnly, "excludeNotForUI": &x.SelectableOnly,
		"excludeNested": new(bool), "excludePostCoordinated": new(bool), // no list has either
	}
	for _, name := range []string{"activeOnly", "excludeNested", "excludeNotForUI", "excludePostCoordinated", "includeDefinition", "includeDesignations"} {
		if *flags[name], err = in.flag(name); err != nil {
			return x, err
		}
		if in.text(name) != "" {
			x.given = append(x.given, parameter{Name: name, Boolean: flags[name]})
		}
	}
	if err := in.page(&x); err != nil {
		return x, err
	}
	x.Exclude = in.texts("exclude-system")
	for name, versions := range map[string]*map[string]string{
		"system-version": &x.Versions.Default, "check-system-version": &x.Versions.Check, "force-system-version": &x.Versions.Force,
	} {
		if *versions, err = in.versions(name); err != nil {
			return x, err
		}
	}
	return x, nil
}

func (in *arguments) page(x *expansion) error {
	x.Count = -1
	for name, to := range map[string]*int{"offset": &x.Offset, "count": &x.Count} {
		text := in.text(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return invalidParameter(name, "%q is not a whole number from 0", text)
		}
		*to = n
	}
	for _, name := range []string{"offset", "count"} {
		if text := in.text(name); text != "" {
			n, _ := strconv.Atoi(text) // it was read above
			x.given = append(x.given, parameter{Name: name, Integer: &n})
		}
	}
	return nil
}

// versions reads canonical URLs of code systems with versions.
func (in *arguments) versions(name string) (map[string]string, error) {
	all := map[string]string{}
	for _, canonical := range in.texts(name) {
		url, version, ok := strings.Cut(canonical, "|")
		if !ok || version == "" {
			return nil, invalidParameter(name, "%q is not the URL of a code system with |version", canonical)
		}
		all[url] = version
	}
	return all, nil
}

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
		Parameter  []parameter       `json:"parameter,omitempty"`
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
	Use      *coding `json:"use,omitempty"`
	Value    string  `json:"value"`
}

func (x *expansion) answer(set *terminology.ValueSet, found *terminology.Expansion) ([]byte, error) {
	out := expanded{ResourceType: "ValueSet", URL: set.URL, Version: set.Version, Name: set.Name, Title: set.Title, Status: set.Status}
	if out.Status == "" {
		out.Status = "active"
	}
	e := &out.Expansion
	e.Identifier = "urn:uuid:" + newUUID()
	e.Timestamp = time.Now().UTC().Format(time.RFC3339)
	e.Total = found.Total
	if x.Offset > 0 || x.Count >= 0 {
		e.Offset = &x.Offset
	}
	e.Parameter = x.given
	for _, used := range found.Systems {
		e.Parameter = append(e.Parameter, parameter{Name: "version", URI: used})
	}
	for i := range found.Entries {
		e.Contains = append(e.Contains, x.concept(&found.Entries[i]))
	}
	return json.Marshal(out)
}

func (x *expansion) concept(e *terminology.Entry) expandedConcept {
	c := expandedConcept{System: e.System, Abstract: e.Abstract, Inactive: e.Inactive, Code: e.Code, Display: e.In(x.language)}
	if x.definitions && e.Definition != "" {
		c.Extension = []definitionExtension{{"http://hl7.org/fhir/StructureDefinition/valueset-concept-definition", e.Definition}}
	}
	for _, d := range e.Designations {
		if x.designations && x.wants(d) {
			c.Designation = append(c.Designation, designation{d.Language, asCoding(d.Use), d.Value})
		}
	}
	return c
}

// wants reports whether a designation is among those asked for: a language
// (urn:ietf:bcp:47|de) or a use (system|code).
func (x *expansion) wants(d terminology.Designation) bool {
	if len(x.uses) == 0 {
		return true
	}
	for _, use := range x.uses {
		system, code, _ := strings.Cut(use, "|")
		if system == "urn:ietf:bcp:47" && strings.EqualFold(code, d.Language) || system == d.Use.System && code == d.Use.Code {
			return true
		}
	}
	return false
}

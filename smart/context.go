package smart

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/smart/client"
)

// A Context is the launch context of a token: what the app is about.
// http://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
type Context struct {
	// Patient and Encounter are ids.
	Patient   string `json:"patient,omitempty"`
	Encounter string `json:"encounter,omitempty"`
	// FHIRContext are further resources.
	FHIRContext []ContextItem `json:"fhirContext,omitempty"`
	// Intent says why the app was launched: "reconcile-medications".
	Intent string `json:"intent,omitempty"`
	// NeedPatientBanner asks the app to show whose data it shows; nil for true.
	NeedPatientBanner *bool `json:"need_patient_banner,omitempty"`
	// StyleURL has the look of the EHR that launched the app.
	StyleURL string `json:"smart_style_url,omitempty"`
	// Tenant is the organization within the EHR.
	Tenant string `json:"tenant,omitempty"`
}

// A ContextItem is one object of fhirContext.
type ContextItem struct {
	Reference  string          `json:"reference,omitempty"` // "ImagingStudy/123"
	Canonical  string          `json:"canonical,omitempty"`
	Identifier json.RawMessage `json:"identifier,omitempty"` // a FHIR Identifier
	Type       string          `json:"type,omitempty"`
	Role       *string         `json:"role,omitempty"` // absent means "launch"
}

const maxContextItems = 100

var (
	validID        = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)
	validReference = regexp.MustCompile(`^([A-Z][A-Za-z]{1,63})/[A-Za-z0-9.-]{1,64}$`)
)

// check says what is wrong with a context.
func (c *Context) check() *oauthError {
	for name, id := range map[string]string{"patient": c.Patient, "encounter": c.Encounter} {
		if id != "" && !validID.MatchString(id) {
			return refuse(codeInvalidRequest, "%s must be a resource id", name)
		}
	}
	for name, text := range map[string]string{"intent": c.Intent, "tenant": c.Tenant, "smart_style_url": c.StyleURL} {
		if hasControl(text) || len(text) > 1000 {
			return refuse(codeInvalidRequest, "%s must be a text of at most 1000 bytes", name)
		}
	}
	if c.StyleURL != "" && client.CheckWebURL("style URL", c.StyleURL) != nil {
		return refuse(codeInvalidRequest, "smart_style_url must be an https URL")
	}
	if len(c.FHIRContext) > maxContextItems {
		return refuse(codeInvalidRequest, "fhirContext has more than %d items", maxContextItems)
	}
	for i := range c.FHIRContext {
		if err := c.FHIRContext[i].check(); err != nil {
			return refuse(codeInvalidRequest, "fhirContext[%d]: %s", i, err.description)
		}
	}
	return nil
}

func (c *ContextItem) check() *oauthError {
	kind, _, _ := strings.Cut(c.Reference, "/")
	role := "launch"
	if c.Role != nil {
		role = *c.Role
	}
	var identifier map[string]any
	switch {
	case c.Reference == "" && c.Canonical == "" && len(c.Identifier) == 0:
		return refuse(codeInvalidRequest, "it needs a reference, a canonical or an identifier")
	case c.Reference != "" && !validReference.MatchString(c.Reference):
		return refuse(codeInvalidRequest, "reference must be relative, as in ImagingStudy/123")
	case len(c.Identifier) > 0 && (json.Unmarshal(c.Identifier, &identifier) != nil || len(c.Identifier) > maxParam):
		return refuse(codeInvalidRequest, "identifier must be a FHIR Identifier")
	case role == "" || hasControl(role) || len(role) > 300:
		return refuse(codeInvalidRequest, "role must be a text; leave it out for launch")
	case (kind == "Patient" || kind == "Encounter") && role == "launch":
		return refuse(codeInvalidRequest, "a %s needs a role; the one in context is given as %s", kind, strings.ToLower(kind))
	case hasControl(c.Canonical) || hasControl(c.Type) || len(c.Canonical) > 1000 || len(c.Type) > 64:
		return refuse(codeInvalidRequest, "canonical and type must be texts")
	}
	return nil
}

// patientsOf returns the ids of the patients that a user may have in context,
// and whether that is all: a patient, a related person or a person has those
// they may act for, a practitioner whomever they may see.
func patientsOf(p login.Profile) (ids []string, all bool) {
	kind, id, _ := strings.Cut(p.FHIRUser, "/")
	if kind == "Practitioner" || kind == "PractitionerRole" {
		return nil, true
	}
	if kind == "Patient" {
		ids = append(ids, id)
	}
	for _, one := range p.Patients {
		if one != id || kind != "Patient" {
			ids = append(ids, one)
		}
	}
	return ids, false
}

// Package about owns what a launch is about: its context, and patients and
// encounters as pages show them to choose from.
//
// It leaves to others: who may have what in context, and the pages (smart).
package about

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/tarnhealth/tarn/smart/client"
)

// A Context is the launch context of a token: what the app is about.
// http://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
type Context struct {
	// Patient and Encounter are ids.
	Patient   string `json:"patient,omitempty"`
	Encounter string `json:"encounter,omitempty"`
	// FHIRContext are further resources.
	FHIRContext []Item `json:"fhirContext,omitempty"`
	// Intent says why the app was launched: "reconcile-medications".
	Intent string `json:"intent,omitempty"`
	// NeedPatientBanner asks the app to show whose data it shows; nil for true.
	NeedPatientBanner *bool `json:"need_patient_banner,omitempty"`
	// StyleURL has the look of the EHR that launched the app.
	StyleURL string `json:"smart_style_url,omitempty"`
	// Tenant is the organization within the EHR.
	Tenant string `json:"tenant,omitempty"`
}

// A Item is one object of fhirContext.
type Item struct {
	Reference  string          `json:"reference,omitempty"` // "ImagingStudy/123"
	Canonical  string          `json:"canonical,omitempty"`
	Identifier json.RawMessage `json:"identifier,omitempty"` // a FHIR Identifier
	Type       string          `json:"type,omitempty"`
	Role       *string         `json:"role,omitempty"` // absent means "launch"
}

// Bounds of a context: its items, and the length of an identifier in bytes.
const (
	maxItems      = 100
	maxIdentifier = 4096
)

var (
	validID        = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)
	validReference = regexp.MustCompile(`^([A-Z][A-Za-z]{1,63})/[A-Za-z0-9.-]{1,64}$`)
)

// Check says what is wrong with a context, for the app or EHR that sent it.
func (c *Context) Check() error {
	for name, id := range map[string]string{"patient": c.Patient, "encounter": c.Encounter} {
		if id != "" && !ValidID(id) {
			return fmt.Errorf("%s must be a resource id", name)
		}
	}
	for name, text := range map[string]string{"intent": c.Intent, "tenant": c.Tenant, "smart_style_url": c.StyleURL} {
		if hasControl(text) || len(text) > 1000 {
			return fmt.Errorf("%s must be a text of at most 1000 bytes", name)
		}
	}
	if c.StyleURL != "" && client.CheckWebURL("style URL", c.StyleURL) != nil {
		return fmt.Errorf("smart_style_url must be an https URL")
	}
	if len(c.FHIRContext) > maxItems {
		return fmt.Errorf("fhirContext has more than %d items", maxItems)
	}
	for i := range c.FHIRContext {
		if err := c.FHIRContext[i].check(); err != nil {
			return fmt.Errorf("fhirContext[%d]: %w", i, err)
		}
	}
	return nil
}

func (c *Item) check() error {
	kind, _, _ := strings.Cut(c.Reference, "/")
	role := "launch"
	if c.Role != nil {
		role = *c.Role
	}
	var identifier map[string]any
	switch {
	case c.Reference == "" && c.Canonical == "" && len(c.Identifier) == 0:
		return fmt.Errorf("it needs a reference, a canonical or an identifier")
	case c.Reference != "" && !validReference.MatchString(c.Reference):
		return fmt.Errorf("reference must be relative, as in ImagingStudy/123")
	case len(c.Identifier) > 0 && (json.Unmarshal(c.Identifier, &identifier) != nil || len(c.Identifier) > maxIdentifier):
		return fmt.Errorf("identifier must be a FHIR Identifier")
	case role == "" || hasControl(role) || len(role) > 300:
		return fmt.Errorf("role must be a text; leave it out for launch")
	case (kind == "Patient" || kind == "Encounter") && role == "launch":
		return fmt.Errorf("a %s needs a role; the one in context is given as %s", kind, strings.ToLower(kind))
	case hasControl(c.Canonical) || hasControl(c.Type) || len(c.Canonical) > 1000 || len(c.Type) > 64:
		return fmt.Errorf("canonical and type must be texts")
	}
	return nil
}

// ValidID reports whether a text is a resource id.
func ValidID(id string) bool { return validID.MatchString(id) }

// hasControl reports whether a text holds what has no place in a parameter.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\uFFFD' })
}

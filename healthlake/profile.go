package healthlake

import (
	"context"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
)

// Profiles know which versions of implementation guides count where a resource
// declares a profile without one: packages (name#version) and profiles
// (url|version).
type Profiles interface {
	// Defaults are those of a data store.
	Defaults(ctx context.Context, id string) ([]string, error)
	// SetDefaults changes those of a data store, also before that is made. What
	// no guide has is an error of fhir.KindInvalid.
	SetDefaults(ctx context.Context, id string, defaults []string) error
}

// profileConfiguration is ProfileConfiguration.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_ProfileConfiguration.html
type profileConfiguration struct{ DefaultProfiles []string }

// Constraints of DefaultProfiles.
const (
	maxProfiles = 10_000
	// maxProfile is the greatest length of one.
	maxProfile = 10_000
)

// profiles reads ProfileConfiguration; given is false where it is not there.
func (c *call) profiles() (defaults []string, given bool) {
	if c.h.cfg.Profiles == nil {
		c.in.unavailable(notOffered, "ProfileConfiguration")
		return nil, false
	}
	in := c.in.structure("ProfileConfiguration", false)
	if in == nil {
		return nil, false
	}
	for _, value := range in.list("DefaultProfiles", false, maxProfiles) {
		text, ok := value.(string)
		if !ok {
			in.wrongType("DefaultProfiles", "a list of strings")
			return nil, false
		}
		in.checkText("DefaultProfiles", text, constraint{min: 1, max: maxProfile})
		defaults = append(defaults, text)
	}
	return defaults, true
}

// setProfiles changes the default profiles of a data store.
func (c *call) setProfiles(ctx context.Context, id string, defaults []string) error {
	err := c.h.cfg.Profiles.SetDefaults(ctx, id, defaults)
	if fhir.KindOf(err) == fhir.KindInvalid && err != nil {
		return failed(codeValidation, "ProfileConfiguration.DefaultProfiles: %v.", err)
	}
	return err
}

// describeProfiles fills in the ProfileConfiguration of a data store.
func (c *call) describeProfiles(p *properties, r datastore.Record) error {
	if c.h.cfg.Profiles == nil || r.Status == datastore.StatusDeleted {
		return nil
	}
	defaults, err := c.h.cfg.Profiles.Defaults(c.ctx, r.ID)
	if err == nil && len(defaults) > 0 {
		p.ProfileConfiguration = &profileConfiguration{defaults}
	}
	return err
}

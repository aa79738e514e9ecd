package vault

import (
	"time"

	"github.com/tarnhealth/tarn/crypt/awskms"
	"github.com/tarnhealth/tarn/server/settings"
)

// Told is what a server is told about encryption at rest.
type Told struct {
	// AtRest is AtRestOn, AtRestOff or AtRestAuto.
	AtRest string
	// Endpoint and Region are those of the key management service; "" for what
	// AWS's tools would take.
	Endpoint, Region string
	// Check is how often customers' keys are asked whether they may be used.
	Check time.Duration
	// Timeout bounds one call of the key management service.
	Timeout time.Duration
}

// The values of Told.AtRest.
const (
	// AtRestAuto is AtRestOn where callers are known; elsewhere, new data stores
	// are as the folder that they are in.
	AtRestAuto = "auto"
	AtRestOn   = "on"
	AtRestOff  = "off"
)

// Config is what a Vault is told of a data folder. known says whether callers
// are known.
func (t *Told) Config(dir, masterKey string, known bool) Config {
	mode := Follow
	switch {
	case t.AtRest == AtRestOff:
		mode = Off
	case t.AtRest == AtRestOn || known:
		mode = On
	}
	return Config{Dir: dir, MasterKey: masterKey, Mode: mode, KMS: awskms.Config{Endpoint: t.Endpoint, Region: t.Region, Timeout: t.Timeout}}
}

// Settings are the settings; of finds what is told in a whole configuration.
func Settings[C any](of func(*C) *Told) []settings.Setting[C] {
	return []settings.Setting[C]{
		settings.Flat("encryption.at_rest", "whether new data folders and data stores are encrypted: on, off, or auto, which is on unless auth is none",
			func(c *C, s string) error { return settings.OneOf(&of(c).AtRest, s, AtRestAuto, AtRestOn, AtRestOff) },
			func(c *C) string { return of(c).AtRest }),
		settings.Flat("encryption.kms_endpoint", "the URL of a key management service that speaks the API of AWS KMS; AWS where empty",
			func(c *C, s string) error { of(c).Endpoint = s; return nil },
			func(c *C) string { return of(c).Endpoint }),
		settings.Flat("encryption.kms_region", "the region of the key management service; that of the environment where empty",
			func(c *C, s string) error { of(c).Region = s; return nil },
			func(c *C) string { return of(c).Region }),
		settings.Flat("encryption.check", "how often customers' keys are asked whether they may still be used",
			func(c *C, s string) error { return settings.Duration(&of(c).Check, s, time.Second, time.Hour) },
			func(c *C) string { return of(c).Check.String() }),
		settings.Flat("encryption.kms_timeout", "how long a call of the key management service may take, with what is tried again",
			func(c *C, s string) error {
				return settings.Duration(&of(c).Timeout, s, 100*time.Millisecond, time.Minute)
			},
			func(c *C) string { return of(c).Timeout.String() }),
	}
}

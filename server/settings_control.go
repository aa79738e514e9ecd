package server

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/identity"
	"github.com/tarnhealth/tarn/server/lambda"
	"github.com/tarnhealth/tarn/server/nearby"
	"github.com/tarnhealth/tarn/server/roles"
)

// ControlConfig is what a server is told about its control API.
type ControlConfig struct {
	// Region and Account are parts of the ARNs of data stores.
	Region, Account string
	// Roles are roles of access keys, as roles.ParseControl reads them.
	Roles []string
	// Functions stand for ARNs of token-check functions, "arn=url".
	Functions []string
	// DataStores is how many data stores there may be; ReadsPerSecond and
	// ChangesPerMinute are for each access key. 0 is no limit.
	DataStores, ReadsPerSecond, ChangesPerMinute int
}

// roles are the roles by their names.
func (c *ControlConfig) roles() map[string]healthlake.Role {
	known, _ := roles.ParseControl(c.Roles) // was checked
	return known
}

// A LambdaConfig is where functions of AWS Lambda are called: "" nowhere, "aws"
// at AWS's own endpoints, or the URL of one that speaks the Invoke API.
type LambdaConfig string

// endpoint is the endpoint; nil for none.
func (c LambdaConfig) endpoint() *lambda.Endpoint {
	switch c {
	case "":
		return nil
	case "aws":
		return &lambda.Endpoint{}
	}
	return &lambda.Endpoint{URL: string(c)}
}

// function is what stands for an ARN: a URL of the configuration, or itself
// where functions are called by their ARNs.
func (c *Config) function(arn string) (string, bool) {
	for _, text := range c.Control.Functions {
		if name, url, _ := strings.Cut(text, "="); name == arn {
			return url, true
		}
	}
	return arn, c.Lambda != "" && identity.IsFunctionARN(arn)
}

var (
	functionText = regexp.MustCompile(`^arn:aws[a-zA-Z-]*:lambda:[^=\s]+=https?://\S+$`)
	regionText   = regexp.MustCompile(`^[a-zA-Z0-9-]{1,64}$`)
	accountText  = regexp.MustCompile(`^[0-9]{12}$`)
)

// matching sets a text that has a form.
func matching(to *string, s string, form *regexp.Regexp, want string) error {
	if !form.MatchString(s) {
		return fmt.Errorf("%q is not allowed; write %s", s, want)
	}
	*to = s
	return nil
}

// matchingAll sets a list of texts that each have a form, and begin with
// different names.
func matchingAll(to *[]string, list []string, form *regexp.Regexp, want string) error {
	names := map[string]bool{}
	for _, s := range list {
		name, _, _ := strings.Cut(s, "=")
		if !form.MatchString(s) || names[name] {
			return fmt.Errorf("%q is not allowed; write %s, each name once", s, want)
		}
		names[name] = true
	}
	*to = list
	return nil
}

// lambdaEndpoint takes aws, or a URL that questions with tokens may go to.
func lambdaEndpoint(to *LambdaConfig, s string) error {
	u, err := url.Parse(s)
	if s != "" && s != "aws" && (err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !nearby.Loopback(u.Hostname()))) {
		return fmt.Errorf("%q is not allowed; write aws, or a URL with https, or http on a loopback address", s)
	}
	*to = LambdaConfig(s)
	return nil
}

// controlSettings are the settings of the control API.
var controlSettings = []setting{
	flat("control.region", "the region in the ARNs of data stores",
		func(c *Config, s string) error {
			return matching(&c.Control.Region, s, regionText, "letters, digits and '-'")
		},
		func(c *Config) string { return c.Control.Region }),
	flat("control.account", "the account in the ARNs of data stores",
		func(c *Config, s string) error { return matching(&c.Control.Account, s, accountText, "12 digits") },
		func(c *Config) string { return c.Control.Account }),
	list("control.roles", "roles of access keys beside admin and read-only: name=Operation,Operation*, such as tagger=List*,TagResource; name[key=value,…]=… at data stores with these tags alone",
		func(c *Config, list []string) error {
			_, err := roles.ParseControl(list)
			c.Control.Roles = list
			return err
		},
		func(c *Config) []string { return c.Control.Roles }),
	flat("lambda.endpoint", "where token-check functions are called by their ARNs: aws, or the URL of an endpoint that speaks Lambda's Invoke API; nowhere where empty",
		func(c *Config, s string) error { return lambdaEndpoint(&c.Lambda, s) },
		func(c *Config) string { return string(c.Lambda) }),
	flat("api_keys.required", "every data store wants an API key (X-Api-Key) with each request; false leaves it to the data store",
		func(c *Config, s string) error { return boolean(&c.APIKeysRequired, s) },
		func(c *Config) string { return strconv.FormatBool(c.APIKeysRequired) }),
	flat("tenants.urls", "data stores of a tenant are served below /tenant/ID too",
		func(c *Config, s string) error { return boolean(&c.TenantURLs, s) },
		func(c *Config) string { return strconv.FormatBool(c.TenantURLs) }),
	list("control.functions", "the URLs of token-check functions that the control API names by their ARNs: arn:aws:lambda:…=https://…",
		func(c *Config, list []string) error {
			return matchingAll(&c.Control.Functions, list, functionText, "arn:aws:lambda:…=https://…")
		},
		func(c *Config) []string { return c.Control.Functions }),
	flat("control.datastores", "how many data stores the control API makes; 0 for no limit",
		func(c *Config, s string) error { return number(&c.Control.DataStores, s, 0, 1_000_000) },
		func(c *Config) string { return strconv.Itoa(c.Control.DataStores) }),
	flat("control.reads_per_second", "how many requests an access key may make that only read; 0 for no limit",
		func(c *Config, s string) error { return number(&c.Control.ReadsPerSecond, s, 0, 1_000_000) },
		func(c *Config) string { return strconv.Itoa(c.Control.ReadsPerSecond) }),
	flat("control.changes_per_minute", "how many requests an access key may make that change something; 0 for no limit",
		func(c *Config, s string) error { return number(&c.Control.ChangesPerMinute, s, 0, 1_000_000) },
		func(c *Config) string { return strconv.Itoa(c.Control.ChangesPerMinute) }),
}

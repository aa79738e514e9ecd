// Package bulkjobs owns what a server is told about import and export jobs, and
// opens the service that runs them.
//
// It leaves to others: what jobs do (bulk), and who may ask for them (server).
package bulkjobs

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/server/settings"
)

// Config is what a server is told about bulk jobs. The zero value allows no
// places outside the data folder.
type Config struct {
	// Folders are local folders that input may be read from and output written
	// to; Buckets are those of the S3-compatible service.
	Folders, Buckets []string
	// Endpoint is the URL of that service, or "aws" for Amazon's; "" for none.
	// Region is its region; KMSKey, where not "", is the key that it is asked to
	// encrypt with.
	Endpoint, Region, KMSKey string
	// Imports and Exports are how many jobs run at a time, Waiting how many of
	// each kind of a data store may wait; 0 is 1, 1 and 25.
	Imports, Exports, Waiting int
	// Keep is how long files of exports can be fetched; 0 is 48 hours.
	Keep time.Duration
	// Fetch says which URLs $import may fetch: FetchPublic, also where it is "",
	// FetchPrivate or FetchNone.
	Fetch string
	// Preload is how many synthetic patients a preloaded data store has; 0 is
	// 1,000.
	Preload int
}

// The values of Config.Fetch.
const (
	FetchPublic  = "public"
	FetchPrivate = "private"
	FetchNone    = "none"
)

// Patients is how many synthetic patients there are to be.
func (c *Config) Patients() int {
	if c.Preload == 0 {
		return 1000
	}
	return c.Preload
}

var bucketText = regexp.MustCompile(`^(\*|[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s]*)?)$`)

// Settings are the settings; of finds the Config in a whole configuration.
func Settings[C any](of func(*C) *Config) []settings.Setting[C] {
	text := func(name, help string, set func(*Config, string) error, get func(*Config) string) settings.Setting[C] {
		return settings.Flat(name, help, func(c *C, s string) error { return set(of(c), s) }, func(c *C) string { return get(of(c)) })
	}
	texts := func(name, help string, set func(*Config, []string) error, get func(*Config) []string) settings.Setting[C] {
		return settings.List(name, help, func(c *C, list []string) error { return set(of(c), list) }, func(c *C) []string { return get(of(c)) })
	}
	number := func(name, help string, at func(*Config) *int, otherwise, most int) settings.Setting[C] {
		return text(name, help, func(c *Config, s string) error { return settings.Number(at(c), s, 1, most) }, func(c *Config) string {
			return strconv.Itoa(orElse(*at(c), otherwise))
		})
	}
	return []settings.Setting[C]{
		texts("bulk.folders", "local folders, by their whole paths, that import jobs may read and jobs may write: file:///folder/…",
			func(c *Config, list []string) error { return folders(&c.Folders, list) }, func(c *Config) []string { return c.Folders }),
		texts("bulk.buckets", "S3 buckets that import jobs may read and jobs may write: bucket, bucket/folder, or * for all that the credentials reach",
			func(c *Config, list []string) error { return buckets(&c.Buckets, list) }, func(c *Config) []string { return c.Buckets }),
		text("bulk.s3_endpoint", "the URL of an S3-compatible service, or aws; the credentials are those of AWS's own tools (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, shared files, roles)",
			func(c *Config, s string) error { return endpoint(&c.Endpoint, s) }, func(c *Config) string { return c.Endpoint }),
		text("bulk.s3_region", "the region of that service",
			func(c *Config, s string) error { return settings.Text(&c.Region, s) }, func(c *Config) string { return orElse(c.Region, "us-east-1") }),
		text("bulk.s3_kms_key", "the key by which that service is asked to encrypt what is written; the bucket's own way where empty",
			func(c *Config, s string) error { c.KMSKey = strings.TrimSpace(s); return nil }, func(c *Config) string { return c.KMSKey }),
		number("bulk.imports", "how many import jobs run at a time", func(c *Config) *int { return &c.Imports }, 1, 100),
		number("bulk.exports", "how many export jobs run at a time", func(c *Config) *int { return &c.Exports }, 1, 100),
		number("bulk.waiting", "how many jobs of each kind of a data store may wait", func(c *Config) *int { return &c.Waiting }, 25, 10_000),
		text("bulk.keep_files", "how long the files of an export can be fetched",
			func(c *Config, s string) error { return settings.Duration(&c.Keep, s, time.Minute, 90*24*time.Hour) },
			func(c *Config) string { return orElse(c.Keep, 48*time.Hour).String() }),
		text("bulk.fetch", "the URLs that $import may fetch: public, private for those in private networks and on this machine too, or none",
			func(c *Config, s string) error {
				return settings.OneOf(&c.Fetch, s, FetchPublic, FetchPrivate, FetchNone)
			},
			func(c *Config) string { return orElse(c.Fetch, FetchPublic) }),
		number("bulk.preload_patients", "how many synthetic patients a data store has that is made with PreloadDataType SYNTHEA", func(c *Config) *int { return &c.Preload }, 1000, 10_000_000),
	}
}

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func folders(to *[]string, list []string) error {
	for _, name := range list {
		if !filepath.IsAbs(name) {
			return fmt.Errorf("%q is not allowed; write the whole path of a folder", name)
		}
	}
	*to = list
	return nil
}

func buckets(to *[]string, list []string) error {
	for _, name := range list {
		if !bucketText.MatchString(name) {
			return fmt.Errorf("%q is not allowed; write bucket, bucket/folder or *", name)
		}
	}
	*to = list
	return nil
}

func endpoint(to *string, s string) error {
	u, err := url.Parse(s)
	if s != "" && s != "aws" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return errors.New("write the URL of an S3-compatible service, or aws")
	}
	*to = s
	return nil
}

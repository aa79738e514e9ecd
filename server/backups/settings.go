package backups

import (
	"cmp"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/server/settings"
)

// Config is what a server is told about continuous backup. With the zero value
// there is none.
type Config struct {
	// Where is the place; its Place is "" for none.
	Where Where
	// Every is the time between two backups; 0 is DefaultEvery.
	Every time.Duration
	// WithoutContents leaves out the large contents that are in a bucket.
	WithoutContents bool
	// KeepDays is how long backups are kept; 0 is DefaultKeep.
	KeepDays int
}

// Defaults of Config.
const (
	DefaultEvery = 5 * time.Minute
	DefaultKeep  = 7
)

// Settings are the settings; of finds the Config in a whole configuration.
func Settings[C any](of func(*C) *Config) []settings.Setting[C] {
	text := func(name, help string, at func(*Config) *string) settings.Setting[C] {
		return settings.Flat(name, help, func(c *C, s string) error { *at(of(c)) = s; return nil }, func(c *C) string { return *at(of(c)) })
	}
	return []settings.Setting[C]{
		settings.Flat("backup.to", "where the server backs its data folder up to, all the time: a folder on another disk, or s3://BUCKET/PREFIX; no backups where empty",
			func(c *C, s string) error {
				w := Where{Place: s}
				of(c).Where.Place = s
				if s == "" {
					return nil
				}
				_, _, err := w.bucket()
				return err
			},
			func(c *C) string { return of(c).Where.Place }),
		settings.Flat("backup.every", "the time between two backups, which is what a lost disk costs at most",
			func(c *C, s string) error { return settings.Duration(&of(c).Every, s, 10*time.Second, 24*time.Hour) },
			func(c *C) string { return cmp.Or(of(c).Every, DefaultEvery).String() }),
		settings.Flat("backup.keep_days", "how many days backups are kept",
			func(c *C, s string) error { return settings.Number(&of(c).KeepDays, s, 1, 30) },
			func(c *C) string { return strconv.Itoa(cmp.Or(of(c).KeepDays, DefaultKeep)) }),
		settings.Flat("backup.contents", "whether the large contents that are in binary.bucket are copied too; false leaves them out, and to the safety of that bucket",
			func(c *C, s string) error {
				var with bool
				err := settings.Boolean(&with, s)
				of(c).WithoutContents = !with
				return err
			},
			func(c *C) string { return strconv.FormatBool(!of(c).WithoutContents) }),
		text("backup.key_file", "the file with the key that the place is encrypted with; not encrypted beyond what the data folder is where empty",
			func(c *Config) *string { return &c.Where.KeyFile }),
		text("backup.s3_endpoint", "the URL of the S3-compatible service of the place; Amazon's where empty",
			func(c *Config) *string { return &c.Where.Endpoint }),
		text("backup.s3_region", "the region of that service", func(c *Config) *string { return &c.Where.Region }),
	}
}

// On reports whether there are backups, and fills in what was not told.
func (c Config) On() (Config, bool) {
	c.Every, c.KeepDays = cmp.Or(c.Every, DefaultEvery), cmp.Or(c.KeepDays, DefaultKeep)
	return c, c.Where.Place != ""
}

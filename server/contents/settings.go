package contents

import (
	"errors"
	"regexp"
	"time"

	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/server/settings"
)

// Config is what a server is told about large contents. The zero value is what
// is usual.
type Config struct {
	// Inline is how many bytes of content stay in their resource; 0 is
	// binary.DefaultInline. Max is how many a content may have; 0 is
	// binary.DefaultMax.
	Inline, Max int64
	// Life is how long signed URLs are good; 0 is binary.DefaultLife.
	Life time.Duration
	// Bucket is a bucket of the S3-compatible service, or a folder in one
	// (bucket/folder); "" keeps contents in the data folder.
	Bucket string
}

var bucketText = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s]*)?$`)

// Settings are the settings; of finds the Config in a whole configuration.
func Settings[C any](of func(*C) *Config) []settings.Setting[C] {
	size := func(name, help string, at func(*Config) *int64, otherwise, least, most int64) settings.Setting[C] {
		return settings.Flat(name, help,
			func(c *C, s string) error { return settings.Size(at(of(c)), s, least, most) },
			func(c *C) string {
				if n := *at(of(c)); n != 0 {
					return settings.SizeText(n)
				}
				return settings.SizeText(otherwise)
			})
	}
	return []settings.Setting[C]{
		size("binary.inline", "how long content may be (of a Binary, or base64 in any resource) that is stored in its resource; what is longer is kept beside it",
			func(c *Config) *int64 { return &c.Inline }, binary.DefaultInline, 1<<10, 64<<20),
		size("binary.max_size", "the greatest content of a Binary",
			func(c *Config) *int64 { return &c.Max }, binary.DefaultMax, 1<<10, 5<<40),
		settings.Flat("binary.url_life", "how long a signed URL for the content of a Binary is good",
			func(c *C, s string) error {
				return settings.Duration(&of(c).Life, s, time.Second, 7*24*time.Hour)
			},
			func(c *C) string {
				if life := of(c).Life; life != 0 {
					return life.String()
				}
				return binary.DefaultLife.String()
			}),
		settings.Flat("binary.bucket", "the bucket (bucket, or bucket/folder) of the service bulk.s3_endpoint that keeps large contents; the data folder where empty",
			func(c *C, s string) error {
				if s != "" && !bucketText.MatchString(s) {
					return errors.New("write bucket or bucket/folder")
				}
				of(c).Bucket = s
				return nil
			},
			func(c *C) string { return of(c).Bucket }),
	}
}

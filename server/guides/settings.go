package guides

import (
	"strconv"

	"github.com/tarnhealth/tarn/server/settings"
)

// Settings are the settings of guides, for a configuration of which of is a part.
func Settings[C any](of func(*C) *Config) []settings.Setting[C] {
	return []settings.Setting[C]{
		settings.List("guides.load", "implementation guides that every data store uses: packages (.tgz), or folders of them",
			func(c *C, list []string) error { of(c).Paths = list; return nil },
			func(c *C) []string { return of(c).Paths }),
		settings.Flat("guides.incomplete", "use these guides although packages that they need are missing",
			func(c *C, s string) error { return settings.Boolean(&of(c).Incomplete, s) },
			func(c *C) string { return strconv.FormatBool(of(c).Incomplete) }),
		settings.Flat("guides.registry", "the URL of a package registry that tarn ig add fetches packages of by name; none where empty",
			func(c *C, s string) error { return settings.BaseURL(&of(c).Registry, s) },
			func(c *C) string { return of(c).Registry }),
	}
}

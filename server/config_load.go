package server

import (
	"errors"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/server/settings"
)

// Sources are where a configuration comes from. Flags win over the
// environment, the environment wins over the file.
type Sources struct {
	// File is the path of a tarn.yaml, "" for none.
	File string
	// Environ is os.Environ().
	Environ []string
	// Flags are the settings given on the command line, by their names in
	// tarn.yaml.
	Flags map[string]string
	// Demo is the --demo flag. A demo without a word on authorization has
	// none.
	Demo bool
}

// Load reads a configuration and checks it. The error holds every Problem, one
// a line. Warnings are of things that were left out of account.
func Load(src Sources) (c Config, warnings []string, err error) {
	c = Default()
	l := settings.NewLoader(allSettings, &c)
	if src.File != "" {
		l.File(src.File)
	}
	l.Environ(src.Environ, "TARN_CONFIG", crypt.MasterKeyVariable, crypt.PreviousMasterKeyVariable)
	l.Flags(src.Flags)
	takeDemo(&c, src.Demo, l.Given["data"])
	if len(l.Problems) == 0 {
		l.Problems = c.Check()
	}
	return c, l.Warnings, joined(l.Problems)
}

func joined(problems []Problem) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// takeDemo fills in what a demo needs nobody to say: a folder that goes when the
// demo goes.
func takeDemo(c *Config, demo, named bool) {
	if !demo {
		return
	}
	c.Demo = true
	if !named {
		c.Data = ""
	}
}

// SettingsHelp lists every setting with its variable and default, as text of
// a width for terminals.
func SettingsHelp() string {
	c := Default()
	return settings.Help(allSettings, &c)
}

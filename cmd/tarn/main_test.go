package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tarnhealth/tarn/guide/guidetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tarn": func() { os.Exit(run()) }})
}

// packageFiles are packages that scripts find as files, by their names.
func packageFiles(t *testing.T) map[string][]byte {
	profile := `{"resourceType":"StructureDefinition","url":"http://example.org/p","name":"P","status":"active","kind":"resource","abstract":false,` +
		`"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",` +
		`"differential":{"element":[{"id":"Patient.birthDate","path":"Patient.birthDate","min":1}]}}`
	return map[string][]byte{
		"base.tgz":  guidetest.Package{Name: "test.base", Version: "1.0.0", Resources: []string{profile}}.Archive(t),
		"other.tgz": guidetest.Package{Name: "test.base", Version: "1.0.0"}.Archive(t),
		"top.tgz":   guidetest.Package{Name: "test.top", Version: "2.0.0", Needs: map[string]string{"test.base": "1.0.0"}}.Archive(t),
	}
}

func TestScripts(t *testing.T) {
	packages := packageFiles(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CACHE_HOME", env.WorkDir+"/cache")
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/config")
			env.Setenv("HOME", env.WorkDir+"/home") // for systems that keep configuration there
			for name, data := range packages {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), data, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// TestEveryCommandHasExamples walks the commands, so that none is forgotten.
func TestEveryCommandHasExamples(t *testing.T) {
	all := root().Commands()
	for len(all) > 0 {
		cmd := all[0]
		all = append(all[1:], cmd.Commands()...)
		if cmd.Example == "" || cmd.Short == "" {
			t.Errorf("%s has no example or no short text", cmd.CommandPath())
		}
	}
}

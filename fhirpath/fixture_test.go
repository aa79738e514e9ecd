package fhirpath_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

// withServices is env with resources that resolve() finds, by type and id, and
// with the terminology and profiles of this file.
func withServices(t *testing.T, env fhirpath.Env, ndjson []byte) fhirpath.Env {
	t.Helper()
	others := map[string]fhir.Node{}
	for _, line := range bytes.Split(bytes.TrimSpace(ndjson), []byte("\n")) {
		root := parseResource(t, line)
		others[root.Type().Name+"/"+root.TextOf("id")] = root
	}
	env.Resolve = func(reference string) (fhir.Node, bool) {
		found, ok := others[reference]
		return found, ok
	}
	env.Terminology, env.Profiles, env.Definitions = colours{}, shortIDs{}, definitions{t}
	return env
}

// colours is a terminology: the value set "warm" has red and orange of the
// system "colours", and of "shades" pink, which is a red.
type colours struct{}

func (colours) MemberOf(valueSet string, codings []fhirpath.Coding) (bool, error) {
	if valueSet != "warm" && valueSet != "reds" {
		return false, errors.New("there is no value set " + valueSet)
	}
	for _, c := range codings {
		if c.System == "" && valueSet == "warm" {
			return false, errors.New("the value set warm has several systems")
		}
		red := c.Code == "red" && (c.System == "colours" || c.System == "")
		warm := red || c.System == "colours" && c.Code == "orange" || c.System == "shades" && c.Code == "pink"
		if red || warm && valueSet == "warm" {
			return true, nil
		}
	}
	return false, nil
}

func (colours) Subsumes(ancestor, descendant fhirpath.Coding) (bool, error) {
	return ancestor == descendant || ancestor.Code == "red" && descendant.Code == "pink", nil
}

// shortIDs is a profile: the id of a resource is one character.
type shortIDs struct{}

func (shortIDs) ConformsTo(n fhir.Node, profile string) (bool, error) {
	if !strings.HasSuffix(profile, "/short") {
		return false, errors.New("there is no profile " + profile)
	}
	return len(n.TextOf("id")) == 1, nil
}

// definitions are those of a resource type, of which the path and, for a code,
// the cardinality is known; of Reference there is none. The profile
// http://e/profile names a slice of codings by their codes.
type definitions struct{ t *testing.T }

func (d definitions) ElementDefinition(n fhir.Node) (fhir.Node, error) {
	path, kind := n.Type().Name, n.Type().Name
	if e := n.Element(); e != nil {
		path = e.Path
	}
	if strings.HasPrefix(path, "Reference") {
		return fhir.Node{}, errors.New("there is no definition of Reference")
	}
	return parseResource(d.t, []byte(`{"resourceType":"StructureDefinition","url":"http://e","name":"E","status":"active","kind":"resource","abstract":false,"type":"X","snapshot":{"element":[{"path":"`+path+`","min":1,"type":[{"code":"`+kind+`"}]}]}}`)).Child("snapshot").Child("element"), nil
}

func (definitions) InSlice(n fhir.Node, profile, name string) (bool, error) {
	if profile != "http://e/profile" {
		return false, errors.New("there is no profile " + profile)
	}
	return n.TextOf("code") == name, nil
}

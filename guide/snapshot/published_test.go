package snapshot_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/guide/release"
	"github.com/tarnhealth/tarn/guide/snapshot"
	"github.com/tarnhealth/tarn/internal/published"
)

// definitions are the StructureDefinitions of a package, by URL.
func definitions(t *testing.T, name string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for file, data := range published.Package(t, name) {
		if path.Dir(file) != "package" || !strings.HasPrefix(path.Base(file), "StructureDefinition-") {
			continue
		}
		var head struct{ URL string }
		if err := json.Unmarshal(data, &head); err != nil {
			t.Fatal(err)
		}
		all[head.URL] = data
	}
	return all
}

// without is a definition without its snapshot, if it is a profile.
func without(t *testing.T, src []byte) (stripped []byte, profile bool) {
	t.Helper()
	var d map[string]json.RawMessage
	if err := json.Unmarshal(src, &d); err != nil {
		t.Fatal(err)
	}
	if string(d["derivation"]) != `"constraint"` || d["differential"] == nil || d["snapshot"] == nil {
		return src, false
	}
	delete(d, "snapshot")
	out, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return out, true
}

// facts are what is compared of an element.
type facts struct {
	ID, Path, Max, ContentReference string
	Min                             int
	Type                            []struct {
		Code                   string
		Profile, TargetProfile []string
	}
	Binding    struct{ Strength, ValueSet string }
	Constraint []struct{ Key string }
	Slicing    struct {
		Rules         string
		Discriminator []struct{ Type, Path string }
	}
	values map[string]string
}

// elements are the facts of a snapshot by element id, and the ids in order.
func elements(t *testing.T, src []byte) (all map[string]facts, ids []string) {
	t.Helper()
	var d struct {
		Snapshot struct{ Element []json.RawMessage }
	}
	if err := json.Unmarshal(src, &d); err != nil {
		t.Fatal(err)
	}
	all = map[string]facts{}
	for _, raw := range d.Snapshot.Element {
		f := facts{values: map[string]string{}}
		var members map[string]any
		if err := errors.Join(json.Unmarshal(raw, &f), json.Unmarshal(raw, &members)); err != nil {
			t.Fatal(err)
		}
		for name, value := range members {
			if strings.HasPrefix(name, "fixed") || strings.HasPrefix(name, "pattern") {
				f.values[name] = fmt.Sprint(value)
			}
		}
		slices.SortFunc(f.Constraint, func(a, b struct{ Key string }) int { return strings.Compare(a.Key, b.Key) })
		f.ContentReference = f.ContentReference[strings.IndexByte(f.ContentReference, '#')+1:]
		all[f.ID] = f
		ids = append(ids, f.ID)
	}
	return all, ids
}

// differences says where one snapshot is not like the published one.
func differences(t *testing.T, made, published []byte) []string {
	t.Helper()
	got, order := elements(t, made)
	want, ids := elements(t, published)
	var all []string
	for _, id := range ids {
		g, ok := got[id]
		if !ok {
			all = append(all, id+": missing")
			continue
		}
		w := want[id]
		for name, pair := range map[string][2]any{
			"path": {g.Path, w.Path}, "min": {g.Min, w.Min}, "max": {g.Max, w.Max}, "type": {g.Type, w.Type}, "binding": {g.Binding, w.Binding},
			"constraint": {g.Constraint, w.Constraint}, "slicing": {g.Slicing, w.Slicing}, "value": {g.values, w.values}, "contentReference": {g.ContentReference, w.ContentReference},
		} {
			if a, b := fmt.Sprint(pair[0]), fmt.Sprint(pair[1]); a != b {
				all = append(all, fmt.Sprintf("%s: %s %s; published %s", id, name, a, b))
			}
		}
	}
	for _, id := range order {
		if _, ok := want[id]; !ok {
			all = append(all, id+": not published")
		}
	}
	return all
}

func compare(t *testing.T, name string, strip bool) {
	of := definitions(t, name)
	find := func(canonical string) ([]byte, error) {
		url, _, _ := strings.Cut(canonical, "|")
		if src := of[url]; src != nil {
			if strip {
				src, _ = without(t, src)
			}
			return src, nil
		}
		return release.R4().Find(canonical)
	}
	profiles, same := 0, 0
	for _, src := range of {
		stripped, profile := without(t, src)
		if !profile {
			continue
		}
		profiles++
		var head struct{ Name string }
		_ = json.Unmarshal(src, &head)
		made, err := snapshot.Generate(stripped, find)
		if err != nil {
			if !strings.Contains(err.Error(), "sdc-questionnaireresponse, which is not known here") { // of a package that is not there
				t.Errorf("%s: %v", head.Name, err)
			}
			continue
		}
		d := slices.DeleteFunc(differences(t, made, src), func(text string) bool {
			return strings.Contains(text, "[x]: ") && strings.Contains(text, narrowed) || strings.Contains(text, "[x]: type [") && narrowedType(text)
		})
		if len(d) == 0 {
			same++
		}
		if !slices.Contains(others, head.Name) {
			for _, text := range d {
				t.Errorf("%s: %s", head.Name, text)
			}
		}
	}
	t.Logf("%d of %d are the same", same, profiles)
}

// narrowed is how the tools of before 2023 published a choice of which a
// differential names one type (valueQuantity): as closed, though nothing says
// that other types are not allowed.
const narrowed = "slicing {open [{type $this}]}; published {closed [{type $this}]}"

// narrowedType reports whether the published type is one of those made.
func narrowedType(text string) bool {
	_, published, _ := strings.Cut(text, "; published ")
	return strings.Count(published, "{") == 1 && strings.Count(text, "{") > 2
}

// others are profiles whose published snapshots differ for reasons of their own.
var others = []string{
	// Slices have inside what the differential says of all: so from 2024 on, not before.
	"USCoreProvenance", "USCoreOrganizationProfile", "USCorePractitionerProfile",
	// Published with what is inside of "extension", which the differential does not go into, …
	"USCoreRaceExtension", "USCoreEthnicityExtension", "DataElement constraint on ElementDefinition data type",
	// … with elements left out that are in the base, …
	"Family member history for genetics analysis", "Profile for Catalog",
	// … without types and constraints of the base, …
	"json-type", "rdf-type", "xml-type",
	// … with a choice that need not be there although its one type must, …
	"observation-bmi", "Device Metric Observation Profile",
	// … with a content reference to a slice, …
	"Provenance Relevant History",
	// … and without the binding or constraint that the differential or a type's profile has.
	"USCoreCarePlanProfile", "USCorePatientProfile",
}

func TestUSCore(t *testing.T) {
	for _, version := range published.USCoreVersions {
		t.Run(version, func(t *testing.T) { compare(t, published.USCore(version), false) })
	}
}

// TestChain makes the snapshots of profiles on profiles without any to begin with.
func TestChain(t *testing.T) {
	compare(t, "us-core/hl7.fhir.us.core-8.0.0.tgz", true)
}

func TestR4(t *testing.T) { compare(t, published.R4Core, false) }

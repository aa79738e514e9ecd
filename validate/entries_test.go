package validate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
)

// bundleOf is a Bundle of a type with entries: fullUrl, a space, the resource.
func bundleOf(kind string, entries ...string) string {
	var all []string
	for _, e := range entries {
		url, resource, _ := strings.Cut(e, " ")
		all = append(all, fmt.Sprintf(`{"fullUrl":%q,"resource":%s}`, url, resource))
	}
	return fmt.Sprintf(`{"resourceType":"Bundle","type":%q,"timestamp":"2020-01-01T00:00:00Z","identifier":{"system":"urn:x","value":"1"},"entry":[%s]}`, kind, strings.Join(all, ","))
}

// R78: references within a Bundle are to its entries, and fullUrls say what the
// resources say of themselves.
func TestBundles(t *testing.T) {
	v := New(definition.R4())
	const (
		patient      = `{"resourceType":"Patient","id":"1"}`
		practitioner = `{"resourceType":"Practitioner","id":"1"}`
		uuid         = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
		other        = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e1"
	)
	about := func(subject string) string {
		return fmt.Sprintf(`{"resourceType":"Condition","subject":{"reference":%q}}`, subject)
	}
	composition := func(subject, reference string) string {
		return fmt.Sprintf(`{"resourceType":"Composition","status":"final","type":{"text":"x"},"date":"2020","author":[{"display":"x"}],"title":"x","subject":{"reference":%q},"section":[{"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},"entry":[{"reference":%q}]}]}`, subject, reference)
	}
	for _, test := range []struct{ name, bundle, want string }{
		{"as it should be", bundleOf("collection", "http://a/Patient/1 "+patient, uuid+" "+about("http://a/Patient/1")), ""},
		{"another id", bundleOf("collection", "http://a/Patient/2 "+patient), `value Bundle.entry[0].fullUrl: "http://a/Patient/2" ends with the id 2, but that of the resource is 1`},
		{"another type", bundleOf("collection", "http://a/Group/1 "+patient), `value Bundle.entry[0].fullUrl: "http://a/Group/1" names a Group, but the resource is a Patient`},
		{"not absolute", bundleOf("collection", "Patient/1 "+patient), `value Bundle.entry[0].fullUrl: "Patient/1" is not absolute`},
		{"no RESTful URL", bundleOf("collection", "http://a/records "+patient), ""},
		{"a UUID of the wrong type", bundleOf("transaction", uuid+" "+practitioner, other+" "+about(uuid)), `value Bundle.entry[1].resource.subject.reference: "` + uuid + `" is of type Practitioner, which may not be referred to here; allowed: Patient, Group`},
		{"a UUID of the right type", bundleOf("transaction", uuid+" "+patient, other+" "+about(uuid)), ""},
		{"a UUID that is not there", bundleOf("collection", other+" "+about(uuid)), ""},
		{"a UUID that is not there, in a document", bundleOf("document", other+" "+about(uuid)), `not-found Bundle.entry[0].resource.subject.reference: "` + uuid + `" is no entry of the bundle`},
		{"a document with all", bundleOf("document", uuid+" "+composition("Patient/1", "http://a/Patient/1"), "http://a/Patient/1 "+patient), ""},
		{"a document with all, under a base", bundleOf("document", "http://a/Composition/9 "+composition("Patient/1", "Patient/1/_history/3"), "http://a/Patient/1 "+patient), ""},
		{"a document without an entry", bundleOf("document", uuid+" "+composition("Patient/1", "Observation/7"), "http://a/Patient/1 "+patient), `not-found Bundle.entry[0].resource.section[0].entry[0].reference: "Observation/7" is no entry of the bundle; a document has what its first resource refers to`},
		{"a message without its focus", bundleOf("message", uuid+` {"resourceType":"MessageHeader","eventUri":"http://x","source":{"endpoint":"http://x"},"focus":[{"reference":"Patient/1"}]}`), `not-found Bundle.entry[0].resource.focus[0].reference: "Patient/1" is no entry of the bundle; a message has`},
		{"a bundle in a bundle", bundleOf("collection", uuid+" "+bundleOf("collection", uuid+" "+practitioner), other+" "+about(uuid)), `subject.reference: "` + uuid + `" is of type Bundle`},
	} {
		var found []string
		for _, issue := range v.Validate(parse(t, []byte(test.bundle))) {
			found = append(found, show(issue))
		}
		if test.want == "" && len(found) > 0 || test.want != "" && (len(found) != 1 || !strings.Contains(found[0], test.want)) {
			t.Errorf("%s: %q, want %s", test.name, found, test.want)
		}
	}
}

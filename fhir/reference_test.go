package fhir

import "testing"

func TestParseReference(t *testing.T) {
	const base = "https://example.org/datastore/a/r4"
	tests := []struct {
		text string
		want Ref
	}{
		{"Patient/1", Ref{Kind: RefRelative, Type: "Patient", ID: "1"}},
		{"Patient/a-b.C/_history/3", Ref{Kind: RefRelative, Type: "Patient", ID: "a-b.C", Version: "3"}},
		{base + "/Patient/1", Ref{Kind: RefRelative, Type: "Patient", ID: "1"}},
		{base + "/Patient/1/_history/2", Ref{Kind: RefRelative, Type: "Patient", ID: "1", Version: "2"}},
		{base + "/Patient?identifier=a|b", Ref{Kind: RefConditional, Type: "Patient", Query: "identifier=a|b"}},
		{base + "x/Patient/1", Ref{Kind: RefAbsolute, Type: "Patient", ID: "1"}},
		{"http://other/fhir/Patient/1", Ref{Kind: RefAbsolute, Type: "Patient", ID: "1"}},
		{"http://other/fhir/Patient/1/_history/2", Ref{Kind: RefAbsolute, Type: "Patient", ID: "1", Version: "2"}},
		{"http://other/fhir/Questionnaire?a=Patient/x_y", Ref{Kind: RefAbsolute}},
		{"http://other/file.pdf", Ref{Kind: RefAbsolute}},
		{"ftp+x.1-2://other", Ref{Kind: RefAbsolute}},
		{"urn:uuid:c757873d-ec9a-4326-a141-556f43239520", Ref{Kind: RefURN}},
		{"urn:oid:1.2.3", Ref{Kind: RefURN}},
		{"#p1", Ref{Kind: RefContained, ID: "p1"}},
		{"#", Ref{Kind: RefContained}},
		{"#a b", Ref{}},
		{"Patient?identifier=a|b/c", Ref{Kind: RefConditional, Type: "Patient", Query: "identifier=a|b/c"}},
		{"Patient?", Ref{}},
		{"patient?x=1", Ref{}},
		{"", Ref{}},
		{"Patient", Ref{}},
		{"Patient/", Ref{}},
		{"/Patient/1", Ref{}},
		{"patient/1", Ref{}},
		{"Pat1ent/1", Ref{}},
		{"Patient/a_b", Ref{}},
		{"Patient/1/2", Ref{}},
		{"a/Patient/1", Ref{}},
		{"Patient/1/_history/", Ref{}},
		{"Patient/1/_history/a_b", Ref{}},
		{"/1/_history/2", Ref{}},
		{"_history/2", Ref{}},
		{"1://x", Ref{}},
		{"://x", Ref{}},
		{base, Ref{Kind: RefAbsolute}},
		{base + "/", Ref{}},
	}
	for _, tt := range tests {
		tt.want.Text = tt.text
		for _, b := range []string{base, base + "/"} {
			if got := ParseReference(tt.text, b); got != tt.want {
				t.Errorf("ParseReference(%q) = %+v, want %+v", tt.text, got, tt.want)
			}
		}
	}
	if got := ParseReference("Patient/1", ""); got.Kind != RefRelative {
		t.Errorf("without a base: %+v", got)
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"Patient/1", "Patient/1/_history/2", "#a", "http://b/Patient/1", "Patient?a=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := ParseReference(text, "http://b")
		if r.Kind != RefRelative {
			return
		}
		again := r.Type + "/" + r.ID
		if r.Version != "" {
			again += "/_history/" + r.Version
		}
		if text != again && text != "http://b/"+again {
			t.Errorf("%q is taken for %q", text, again)
		}
	})
}

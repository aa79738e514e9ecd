package fhir

import (
	"bytes"
	"strings"
	"testing"
)

func mustParseXML(t testing.TB, src string) *Tree {
	t.Helper()
	tree, err := ParseXML(testSchema, []byte(src), DefaultLimits)
	if err != nil {
		t.Fatalf("ParseXML(%.200s): %v", src, err)
	}
	return tree
}

func TestParseXML(t *testing.T) {
	// Each src is what a Patient holds, unless it begins with "!"; each want
	// what follows the resourceType.
	tests := []struct{ name, src, want string }{
		{"least", ``, ``},
		{"short", `!<Patient xmlns="http://hl7.org/fhir"/>`, ``},
		{"prologue", "!\ufeff<?xml version='1.0' encoding=\"utf-8\" standalone=\"yes\" ?>\n<!-- a --><?b c?><Patient xmlns=\"http://hl7.org/fhir\" /><!---->\n<?d?>", ""},
		{"schema location", `!<Patient xmlns="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"/>`, ``},
		{"prefix", `!<f:Patient xmlns:f="http://hl7.org/fhir" xmlns="http://www.w3.org/1999/xhtml"><f:text><div>a</div></f:text><f:active value="true" ></f:active ></f:Patient>`,
			`"text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"},"active":true`},
		{"comments between", "<!-- a --> <active value='true'><!-- b --><?c?></active>\n", `"active":true`},
		{"resource id and element id", `<id value="a"/><name id="b"><family id="c" value="d"/></name>`,
			`"id":"a","name":[{"id":"b","family":"d","_family":{"id":"c"}}]`},
		{"references", `<name><family value="&lt;&gt;&amp;&quot;&apos;&#65;&#x1F600;\/é"/></name>`, `"name":[{"family":"<>&\"'A😀\\/é"}]`},
		{"quotes", `<name><family value='"'/><given value="'"/></name>`, `"name":[{"family":"\"","given":["'"]}]`},
		{"line ends", "<name><family value=\"a\r\nb\nc\td&#10;e&#13;f&#9;g\"/></name>", `"name":[{"family":"a b c d\ne\rf\tg"}]`},
		{"numbers", `<extension url="a"><valueDecimal value="-0.10e+5"/></extension><extension url="b"><valueDecimal value="&#49;.00"/></extension>`,
			`"extension":[{"url":"a","valueDecimal":-0.10e+5},{"url":"b","valueDecimal":1.00}]`},
		{"companion", `<birthDate value="2000"><extension url="u"><valueCode value="c"/></extension></birthDate>`,
			`"birthDate":"2000","_birthDate":{"extension":[{"url":"u","valueCode":"c"}]}`},
		{"companion alone", `<birthDate id="b"/>`, `"_birthDate":{"id":"b"}`},
		{"aligned arrays", `<name><given id="0"/><given value="b"/><given value="c"><extension url="u"/></given><given value="d"/></name>`,
			`"name":[{"given":[null,"b","c","d"],"_given":[{"id":"0"},null,{"extension":[{"url":"u"}]},null]}]`},
		{"array without companions", `<name><given value="a"/><given value="b"/></name>`, `"name":[{"given":["a","b"]}]`},
		{"companions only", `<name><given id="0"/><given id="1"/></name>`, `"name":[{"_given":[{"id":"0"},{"id":"1"}]}]`},
		{"arrays inside companions", `<name><given><extension url="u"><valueString id="x"/></extension></given><given value="b" id="y"/></name><link value="l"/>`,
			`"name":[{"given":[null,"b"],"_given":[{"extension":[{"url":"u","_valueString":{"id":"x"}}]},{"id":"y"}]}],"link":["l"]`},
		{"contained", `<contained><Observation xmlns="http://hl7.org/fhir"><status value="s"/></Observation></contained><contained><Patient/></contained>`,
			`"contained":[{"resourceType":"Observation","status":"s"},{"resourceType":"Patient"}]`},
		{"div", "<text><status value=\"generated\"/><div xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:s='urn:s'  class='a'>\r\n\t<p s:x=\"\">&#160;&amp; \\ <br/><!-- c --></p ></div></text>",
			`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:s='urn:s'  class='a'>\r\n\t<p s:x=\"\">&#160;&amp; \\ <br/><!-- c --></p ></div>"}`},
		{"short div", `<text><div xmlns="http://www.w3.org/1999/xhtml"/></text>`, `"text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"/>"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src, other := strings.CutPrefix(tt.src, "!")
			if !other {
				src = `<Patient xmlns="http://hl7.org/fhir">` + src + `</Patient>`
			}
			tree := mustParseXML(t, src)
			want := strings.TrimSuffix(`{"resourceType":"Patient",`+tt.want, ",") + "}"
			if got := string(tree.Source); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// TestXMLPositions checks that nodes know their place in the XML.
func TestXMLPositions(t *testing.T) {
	src := `<Bundle xmlns="http://hl7.org/fhir">
 <entry>
  <resource>
   <Patient>
    <text><div xmlns="http://www.w3.org/1999/xhtml">
     a</div></text>
    <name id="n">
     <given id="0"/><given value="é"/>
     <given value="c"><extension url="u"/></given>
    </name>
    <birthDate id="b"/>
   </Patient>
  </resource>
 </entry>
</Bundle>`
	tree := mustParseXML(t, src)
	lines := strings.Split(src, "\n")
	var walk func(Node)
	walk = func(n Node) {
		line, column := n.Position()
		want := "<"
		switch p := n.Property(); {
		case p == nil, isResource(p.Type):
			want += n.Type().Name
		case isXMLAttribute(p):
			want = p.JSON + "="
		default:
			want += p.JSON
		}
		if got := lines[line-1][column-1:]; !strings.HasPrefix(got, want) || n.HasValue() && !isXHTML(n.Type()) && !strings.Contains(got, `"`+n.Text()+`"`) {
			t.Errorf("%s is at %d:%d, where %s stands", n.Path(), line, column, got)
		}
		for c := range n.Children() {
			walk(c)
		}
	}
	walk(tree.Root())
	patient := tree.Root().Child("entry").Child("resource").Detach().Root()
	if line, column := patient.Position(); line != 4 || column != 4 {
		t.Errorf("detached: %d:%d", line, column)
	}
}

func FuzzParseXML(f *testing.F) {
	const ns = ` xmlns="http://hl7.org/fhir"`
	for _, src := range []string{
		`<Patient` + ns + `><id value="a"/><active value="true" id="b"/><name><given id="c"/><given value="d&#10;"/></name></Patient>`,
		`<?xml version="1.0" encoding="UTF-8"?><!-- a --><Bundle` + ns + `><entry><resource><Observation><valueQuantity><value value="-1.50e3"/></valueQuantity></Observation></resource></entry></Bundle>`,
		`<f:Patient xmlns:f="http://hl7.org/fhir"><f:text><div xmlns="http://www.w3.org/1999/xhtml">&#160;<b c='d'/><![CDATA[<]]></div></f:text></f:Patient>`,
		`<Patient` + ns + `><contained><Patient/></contained><extension url="u"><valueString value="'&quot;&lt;"/></extension></Patient>`,
		`<!DOCTYPE a><a/>`, `<Patient` + ns + ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a"/>`, "<a", "",
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		tree, err := ParseXML(testSchema, src, DefaultLimits)
		if err != nil {
			checkIssues(t, src, err)
			return
		}
		checkTree(t, tree)
		doc := AppendXML(nil, tree.Root())
		for _, form := range [][]byte{doc, IndentXML(nil, doc)} {
			again, err := ParseXML(testSchema, form, DefaultLimits)
			if err != nil {
				t.Fatalf("%q makes %q: %v", src, form, err)
			}
			if dump(again.Root()) != dump(tree.Root()) {
				t.Errorf("%q makes %q", src, form)
			}
		}
		if second := AppendXML(nil, mustParse(t, string(tree.Source)).Root()); !bytes.Equal(doc, second) {
			t.Errorf("%q makes %q, then %q", src, doc, second)
		}
	})
}

package fhir

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

const xhtmlDiv = `<div xmlns="http://www.w3.org/1999/xhtml"`

func TestAppendXML(t *testing.T) {
	// Each src is what follows the resourceType of a Patient, each want what
	// the Patient holds.
	tests := []struct{ name, src, want string }{
		{"nothing", ``, ``},
		{"definition order", `"birthDate":"2000","name":[{"given":["b","c"],"family":"a"}],"active":true,"id":"x"`,
			`<id value="x"/><active value="true"/><name><family value="a"/><given value="b"/><given value="c"/></name><birthDate value="2000"/>`},
		{"attributes", `"extension":[{"valueCode":"c","_valueCode":{"id":"j"},"url":"u","id":"i"}]`,
			`<extension id="i" url="u"><valueCode id="j" value="c"/></extension>`},
		{"numbers", `"extension":[{"url":"u","valueDecimal":-0.10E+5}]`, `<extension url="u"><valueDecimal value="-0.10E+5"/></extension>`},
		{"companions", `"birthDate":"2000","_birthDate":{"extension":[{"url":"u"}]},"_active":{"id":"a"}`,
			`<active id="a"/><birthDate value="2000"><extension url="u"/></birthDate>`},
		{"aligned arrays", `"name":[{"_given":[{"id":"0"},null,{"id":"2"}],"given":[null,"b","c"]}]`,
			`<name><given id="0"/><given value="b"/><given id="2" value="c"/></name>`},
		{"escapes", `"name":[{"family":"<a&b>\"'\t\r\n\\\u00e9é"}]`, `<name><family value="&lt;a&amp;b&gt;&quot;'&#9;&#13;&#10;\éé"/></name>`},
		{"not in XML", `"name":[{"family":"a\u0000\u001fb\ufffe` + "\uffff\uffee" + `"}]`, "<name><family value=\"a\ufffd\ufffdb\ufffd\ufffd\uffee\"/></name>"},
		{"contained", `"contained":[{"id":"a","resourceType":"Observation"},{"resourceType":"Patient"}]`,
			`<contained><Observation><id value="a"/></Observation></contained><contained><Patient/></contained>`},
		{"div", `"text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">\n a&#160;<br/></div>"}`, "<text>" + xhtmlDiv + ">\n a&#160;<br/></div></text>"},
		{"blanks around a div", `"text":{"div":" <div xmlns=\"http://www.w3.org/1999/xhtml\"/>\n"}`, "<text>" + xhtmlDiv + "/></text>"},
		{"div without namespace", `"text":{"div":"<div class=\"a\"><p>b</p></div>"}`, "<text>" + xhtmlDiv + ` class="a"><p>b</p></div></text>`},
		{"names of HTML", `"text":{"div":"<div>&nbsp;&lt;&copy; &nosuch</div>"}`, "<text>" + xhtmlDiv + ">&lt;div&gt;&amp;nbsp;&amp;lt;&amp;copy; &amp;nosuch&lt;/div&gt;</div></text>"},
		{"names of HTML alone", `"text":{"div":"<div title='&eacute;'>&nbsp;&lt;&copy;&#65;</div>"}`, "<text>" + xhtmlDiv + " title='&#233;'>&#160;&lt;&#169;&#65;</div></text>"},
		{"div not well formed", `"text":{"div":"<div></div></text></Patient>"}`, "<text>" + xhtmlDiv + ">&lt;div&gt;&lt;/div&gt;&lt;/text&gt;&lt;/Patient&gt;</div></text>"},
		{"two divs", `"text":{"div":"<div/><div/>"}`, "<text>" + xhtmlDiv + ">&lt;div/&gt;&lt;div/&gt;</div></text>"},
		{"other namespace", `"text":{"div":"<div xmlns='u'/>"}`, "<text>" + xhtmlDiv + ">&lt;div xmlns='u'/&gt;</div></text>"},
		{"entity", `"text":{"div":"<!DOCTYPE div [<!ENTITY a 'b'>]><div>&a;</div>"}`,
			"<text>" + xhtmlDiv + ">&lt;!DOCTYPE div [&lt;!ENTITY a 'b'&gt;]&gt;&lt;div&gt;&amp;a;&lt;/div&gt;</div></text>"},
		{"not a div", `"text":{"div":"a"}`, "<text>" + xhtmlDiv + ">a</div></text>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := mustParse(t, strings.TrimSuffix(`{"resourceType":"Patient",`+tt.src, ",")+"}")
			want := `<Patient xmlns="http://hl7.org/fhir">` + tt.want + `</Patient>`
			if tt.want == "" {
				want = `<Patient xmlns="http://hl7.org/fhir"/>`
			}
			got := AppendXML([]byte("before"), tree.Root())
			if string(got) != "before"+want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if _, err := ParseXML(testSchema, []byte(want), DefaultLimits); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAppendXMLOfPart(t *testing.T) {
	bundle := mustParse(t, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","active":true}}]}`)
	want := `<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>`
	for _, n := range []Node{bundle.Root().Child("entry").Child("resource"), bundle.Root().Child("entry").Child("resource").Detach().Root()} {
		if got := string(AppendXML(nil, n)); got != want {
			t.Errorf("got %s", got)
		}
	}
	if got := AppendXML(nil, Node{}); got != nil {
		t.Errorf("an absent node makes %s", got)
	}
}

func TestXMLFromJSON(t *testing.T) {
	outcome := `{"resourceType":"Patient","active":true}`
	got, err := XMLFromJSON(testSchema, []byte(outcome))
	if want := `<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>`; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := XMLFromJSON(testSchema, []byte(`{}`)); KindOf(err) != KindInvalid {
		t.Errorf("no resource: %v", err)
	}
}

func TestIndentXML(t *testing.T) {
	src := `<Patient xmlns="http://hl7.org/fhir"><text>` + xhtmlDiv + `> <b>a</b>` + "\n" + `</div></text><active value="true"/><name></name><birthDate id="a"><extension url="u"/></birthDate></Patient>`
	want := `<Patient xmlns="http://hl7.org/fhir">
  <text>
    <div xmlns="http://www.w3.org/1999/xhtml"> <b>a</b>
</div>
  </text>
  <active value="true"/>
  <name></name>
  <birthDate id="a">
    <extension url="u"/>
  </birthDate>
</Patient>`
	tests := []struct{ src, want string }{
		{src, want},
		{want, want},
		{`<Patient/>`, `<Patient/>`},
		{`<Patient><a/>`, `<Patient><a/>`},
		{`<Patient>a</Patient>`, `<Patient>a</Patient>`},
		{"<Patient>\x01</Patient>", "<Patient>\x01</Patient>"},
		{`<Patient>` + xhtmlDiv + `><b></div></Patient>`, `<Patient>` + xhtmlDiv + `><b></div></Patient>`},
	}
	for _, tt := range tests {
		if got := string(IndentXML([]byte("> "), []byte(tt.src))); got != "> "+tt.want {
			t.Errorf("IndentXML(%s):\n%s", tt.src, got)
		}
	}
}

// FuzzAppendXML writes whatever JSON holds and reads it by the standard
// library's reader, whose idea of XML is its own.
func FuzzAppendXML(f *testing.F) {
	for _, src := range []string{
		`{"resourceType":"Patient","text":{"div":"<div>&nbsp;<b a='<'>]]></b></div>"},"name":[{"given":["a\u0000",null],"_given":[null,{"id":"<"}]}]}`,
		`{"resourceType":"Patient","text":{"div":"<div xmlns:a=\"b\"><a:b c=\"d\"/><!-- e --></div>"},"contained":[{"resourceType":"Observation","valueQuantity":{"value":1e5}}]}`,
		`{"resourceType":"Patient","text":{"div":"<div><![CDATA[a]]><?b c?></div>"},"extension":[{"url":"\"&\ud83d\ude00","valueString":"\r\n"}]}`,
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		tree, err := Parse(testSchema, src, fuzzLimits)
		if err != nil {
			return
		}
		doc := AppendXML(nil, tree.Root())
		d := xml.NewDecoder(bytes.NewReader(doc))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s makes %s: %v", src, doc, err)
			}
		}
	})
}

package fhir

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseXMLErrors(t *testing.T) {
	// Each src is the rest of a Patient whose start tag is the first line,
	// unless it begins with "!".
	const begin = `<Patient xmlns="http://hl7.org/fhir">` + "\n"
	tests := []struct{ src, want string }{
		{`!`,
			`1:1 fatal invalid [] not valid XML: there is no element; a resource is written as one element, such as <Patient>`},
		{`!   `,
			`1:4 fatal invalid [] not valid XML: there is no element; a resource is written as one element, such as <Patient>`},
		{`!<?xml version="1.0" encoding="ISO-8859-1"?><Patient xmlns="http://hl7.org/fhir"/>`,
			`1:31 fatal invalid [] not valid XML: the encoding is declared as "ISO-8859-1"; send the XML in UTF-8`},
		{`!<?xml version="1.1"?><Patient xmlns="http://hl7.org/fhir"/>`,
			`1:16 fatal invalid [] not valid XML: XML version "1.1" is not supported; write 1.0`},
		{`!<?xml encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"/>`,
			`1:1 fatal invalid [] not valid XML: the XML declaration must have version="1.0"`},
		{`!<?xml version="1.0" mood="glad"?><Patient xmlns="http://hl7.org/fhir"/>`,
			`1:21 fatal invalid [] not valid XML: the XML declaration takes version, encoding and standalone, not mood`},
		{`!<?xml version="1.0"><Patient xmlns="http://hl7.org/fhir"/>`,
			`1:20 fatal invalid [] not valid XML: the XML declaration must end with ?>`},
		{`! <?xml version="1.0"?><Patient xmlns="http://hl7.org/fhir"/>`,
			`1:2 fatal invalid [] not valid XML: an XML declaration must be the first thing in the text`},
		{`!<!DOCTYPE Patient [<!ENTITY x SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"/>`,
			`1:1 fatal invalid [] not valid XML: a DOCTYPE is not allowed in FHIR; leave it out`},
		{"!<?xml version=\"1.0\"?>\n<!DOCTYPE Patient><Patient xmlns=\"http://hl7.org/fhir\"/>",
			`2:1 fatal invalid [] not valid XML: a DOCTYPE is not allowed in FHIR; leave it out`},
		{`!<!ENTITY x "y"><Patient xmlns="http://hl7.org/fhir"/>`,
			`1:1 fatal invalid [] not valid XML: <! must begin a comment: <!-- … -->`},
		{`!{"resourceType":"Patient"}`,
			`1:1 fatal invalid [] not valid XML: expected <, found "{"`},
		{`!<Patient xmlns="http://hl7.org/fhir"/><Patient xmlns="http://hl7.org/fhir"/>`,
			`1:39 fatal invalid [] not valid XML: a second root element begins; send one resource`},
		{`!<Patient xmlns="http://hl7.org/fhir"/>x`,
			`1:39 fatal invalid [] not valid XML: text stands after the root element`},
		{`!<Patient xmlns="http://hl7.org/fhir"/></Patient>`,
			`1:39 fatal invalid [] not valid XML: </Patient> closes an element that is not open`},
		{`!<Patient xmlns="http://hl7.org/fhir"/><![CDATA[x]]>`,
			`1:39 fatal invalid [] not valid XML: text stands outside the root element`},
		{`!<Patient`,
			`1:1 fatal invalid [] not valid XML: <Patient is not closed with >`},
		{`!<Patient xmlns="http://hl7.org/fhir"`,
			`1:1 fatal invalid [] not valid XML: <Patient is not closed with >`},
		{`!<Patient xmlns="http://hl7.org/fhir>`,
			`1:16 fatal invalid [] not valid XML: the value of attribute xmlns has no closing quote`},
		{`!<Patient xmlns="http://hl7.org/fhir"/ >`,
			`1:37 fatal invalid [] not valid XML: expected a space, > or /> in <Patient, found "/"`},
		{`!<Patient/>`,
			`1:1 error structure [] <Patient> is in no namespace; write <Patient xmlns="http://hl7.org/fhir">`},
		{`!<Patient xmlns="http://www.w3.org/1999/xhtml"/>`,
			`1:1 error structure [] <Patient> is in namespace "http://www.w3.org/1999/xhtml"; write <Patient xmlns="http://hl7.org/fhir">`},
		{`!<f:Patient/>`,
			`1:2 fatal invalid [] not valid XML: prefix "f" is not declared; add xmlns:f="…"`},
		{`!<Patientt xmlns="http://hl7.org/fhir"/>`,
			`1:1 error value [] <Patientt> is not a resource type of FHIR 4.0.1; did you mean "Patient"?`},
		{`!<HumanName xmlns="http://hl7.org/fhir"/>`,
			`1:1 error value [] <HumanName> is not a resource type of FHIR 4.0.1`},
		{`!<Patient xmlns="http://hl7.org/fhir" id="a"/>`,
			`1:38 error structure [Patient] Patient has no attribute "id"; it is an element: <id value="…"/>`},
		{`!<Patient xmlns="http://hl7.org/fhir" xml:lang="en"/>`,
			`1:38 error structure [Patient] Patient has no attribute "xml:lang"`},
		{`!<Patient xmlns="http://hl7.org/fhir" xmlns="http://hl7.org/fhir"/>`,
			`1:38 fatal invalid [] not valid XML: attribute xmlns occurs twice; keep one`},
		{`!<Patient xmlns="http://hl7.org/fhir" xmlns:xml="urn:a"/>`,
			`1:38 fatal invalid [] not valid XML: xmlns:xml="urn:a" declares a namespace that XML reserves`},
		{`!<Patient xmlns="http://hl7.org/fhir" xmlns:a=""/>`,
			`1:38 fatal invalid [] not valid XML: xmlns:a declares an empty namespace`},
		{`!<Pâtient xmlns="http://hl7.org/fhir"/>`,
			`1:3 fatal invalid [] not valid XML: expected a name in ASCII letters, found "â"`},
		{`!<Patient xmlns="http://hl7.org/fhir"><1/></Patient>`,
			`1:38 fatal invalid [] not valid XML: < must begin a tag, or be written &lt;`},
		{`!<a:b:c xmlns="http://hl7.org/fhir"/>`,
			`1:2 fatal invalid [] not valid XML: a:b:c has more than one colon`},
		{`<active value="true"/>`,
			`1:1 fatal invalid [] not valid XML: <Patient> is not closed`},
		{`<active value="true"></Patient>`,
			`2:22 fatal invalid [] not valid XML: </Patient> stands where </active> must`},
		{`<active value="true"/></patient>`,
			`2:23 fatal invalid [] not valid XML: </patient> stands where </Patient> must`},
		{`<active value=true/></Patient>`,
			`2:15 fatal invalid [] not valid XML: the value of attribute value must be in quotes`},
		{`<active value/></Patient>`,
			`2:9 fatal invalid [] not valid XML: attribute value has no value; write value="…"`},
		{`<active value="tr<ue"/></Patient>`,
			`2:18 fatal invalid [] not valid XML: < must be written &lt; in the value of attribute value`},
		{`<active value="true"id="a"/></Patient>`,
			`2:21 fatal invalid [] not valid XML: expected a space, > or /> in <active, found "i"`},
		{`<active value="true" value="true"/></Patient>`,
			`2:22 fatal invalid [] not valid XML: attribute value occurs twice; keep one`},
		{`<active value="&nbsp;true"/></Patient>`,
			`2:16 fatal invalid [] not valid XML: &nbsp; is not defined in XML; write &#160;`},
		{`<active value="&x;"/></Patient>`,
			`2:16 fatal invalid [] not valid XML: &x; is not defined in XML; & itself is written &amp;`},
		{`<active value="&"/></Patient>`,
			`2:16 fatal invalid [] not valid XML: & must be written &amp;`},
		{`<active value="&#0;"/></Patient>`,
			`2:16 fatal invalid [] not valid XML: &#0; is not a character that XML allows`},
		{`<active value="&#xD800;"/></Patient>`,
			`2:16 fatal invalid [] not valid XML: &#xD800; is not a character that XML allows`},
		{`<active value=""/></Patient>`,
			`2:9 error value [Patient.active] value is empty; leave the attribute out`},
		{`<active value="1"/></Patient>`,
			`2:9 error value [Patient.active] "1" is not a boolean: write true or false`},
		{`<active value=" true"/></Patient>`,
			`2:9 error value [Patient.active] " true" is not a boolean: write true or false`},
		{`<active/></Patient>`,
			`2:1 error structure [Patient.active] the element has neither a value nor an extension; add value="…", or leave it out`},
		{`<active>true</active></Patient>`,
			`2:9 error structure [Patient.active] text "true" stands between elements; a value is written as an attribute: value="…"`},
		{`<active value="true">x</active></Patient>`,
			`2:22 error structure [Patient.active] text "x" stands between elements; a value is written as an attribute: value="…"`},
		{`<active value="true"><![CDATA[ ]]></active></Patient>`,
			`2:22 error structure [Patient.active] text "<![CDATA[ ]]>" stands between elements; a value is written as an attribute: value="…"`},
		{`text</Patient>`,
			`2:1 error structure [Patient] text "text" stands between elements; a value is written as an attribute: value="…"`},
		{`a ]]> b</Patient>`,
			`2:3 fatal invalid [] not valid XML: ]]> must be written ]]&gt; in text`},
		{`a &copy; b</Patient>`,
			`2:3 fatal invalid [] not valid XML: &copy; is not defined in XML; write &#169;`},
		{`<!-- a -- b --></Patient>`,
			`2:8 fatal invalid [] not valid XML: -- may not stand inside a comment`},
		{`<!-- a</Patient>`,
			`2:1 fatal invalid [] not valid XML: a comment is not closed with -->`},
		{`<!x></Patient>`,
			`2:1 fatal invalid [] not valid XML: <! must begin a comment: <!-- … -->`},
		{`<?xml version="1.0"?></Patient>`,
			`2:1 fatal invalid [] not valid XML: an XML declaration must be the first thing in the text`},
		{`<?go </Patient>`,
			`2:1 fatal invalid [] not valid XML: a processing instruction is not closed with ?>`},
		{`<?a:b c?></Patient>`,
			`2:1 fatal invalid [] not valid XML: a processing instruction begins with a name and a space`},
		{`<![CDATA[ </Patient>`,
			`2:1 fatal invalid [] not valid XML: a CDATA section is not closed with ]]>`},
		{`<active valu="true"/></Patient>`,
			`2:9 error structure [Patient.active] a primitive has no attribute "valu"; it takes value and id`},
		{`<active value="true" url="a"/></Patient>`,
			`2:22 error structure [Patient.active] a primitive has no attribute "url"; it takes value and id`},
		{`<active value="true"><id value="a"/></active></Patient>`,
			`2:22 error structure [Patient.active] Element has no element <id>; it is an attribute: id="…"`},
		{`<active value="true"><url value="a"/></active></Patient>`,
			`2:22 error structure [Patient.active] Element has no element <url>`},
		{`<active id="" value="true"/></Patient>`,
			`2:9 error value [Patient.active.id] id is empty; leave the attribute out`},
		{`<id value="a" id="b"/></Patient>`,
			`2:1 error structure [Patient.id] <id> takes a value alone, without id attribute and extensions`},
		{`<extension url="u"><valueDecimal value="+1"/></extension></Patient>`,
			`2:34 error value [Patient.extension[0].value] "+1" is not a number (decimal): write digits, such as -1.50`},
		{`<extension url="u"><valueDecimal value="1."/></extension></Patient>`,
			`2:34 error value [Patient.extension[0].value] "1." is not a number (decimal): write digits, such as -1.50`},
		{`<extension url="u"><valueDecimal value="01"/></extension></Patient>`,
			`2:34 error value [Patient.extension[0].value] "01" is not a number (decimal): write digits, such as -1.50`},
		{`<extension url="u"><valueDecimal value="1 "/></extension></Patient>`,
			`2:34 error value [Patient.extension[0].value] "1 " is not a number (decimal): write digits, such as -1.50`},
		{`<extension url="u"><valueDecimal value="INF"/></extension></Patient>`,
			`2:34 error value [Patient.extension[0].value] "INF" is not a number (decimal): write digits, such as -1.50`},
		{`<extension url=""><valueDecimal value="1"/></extension></Patient>`,
			`2:12 error value [Patient.extension[0].url] url is empty; leave the attribute out`},
		{`<extension><url value="u"/></extension></Patient>`,
			`2:12 error structure [Patient.extension[0]] Extension has no element <url>; it is an attribute: url="…"`},
		{`<extension url="u" value="a"/></Patient>`,
			`2:20 error structure [Patient.extension[0]] Extension has no attribute "value"`},
		{`<extension/></Patient>`,
			`2:1 error structure [Patient.extension[0]] the element is empty; leave it out, or give it content`},
		{`<brithDate value="2000"/></Patient>`,
			`2:1 error structure [Patient] Patient has no element <brithDate>; did you mean "birthDate"?`},
		{`<birthDate value="2000"/><active value="true"/></Patient>`,
			`2:26 error structure [Patient.active] <active> must stand before <birthDate>`},
		{`<birthDate value="2000"/><birthDate value="2000"/></Patient>`,
			`2:26 error structure [Patient.birthDate] <birthDate> occurs twice; keep one`},
		{`<name><family value="a"/></name><birthDate value="2000"/><name><family value="b"/></name></Patient>`,
			`2:58 error structure [Patient.name] <name> must stand before <birthDate>`},
		{`<name><given value="a"/><family value="b"/></name></Patient>`,
			`2:25 error structure [Patient.name[0].family] <family> must stand before <given>`},
		{`<name family="a"/></Patient>`,
			`2:7 error structure [Patient.name[0]] HumanName has no attribute "family"; it is an element: <family value="…"/>`},
		{`<name><given value="a"/><given value=""/></name></Patient>`,
			`2:32 error value [Patient.name[0].given[1]] value is empty; leave the attribute out`},
		{`<name><given value="a"/><given/></name></Patient>`,
			`2:25 error structure [Patient.name[0].given[1]] the element has neither a value nor an extension; add value="…", or leave it out`},
		{`<name value="Ann"/></Patient>`,
			`2:7 error structure [Patient.name[0]] HumanName has no attribute "value"`},
		{`<name>Ann</name></Patient>`,
			`2:7 error structure [Patient.name[0]] text "Ann" stands between elements; a value is written as an attribute: value="…"`},
		{`<name/></Patient>`,
			`2:1 error structure [Patient.name[0]] the element is empty; leave it out, or give it content`},
		{`<name> <!-- nothing --> </name></Patient>`,
			`2:1 error structure [Patient.name[0]] the element is empty; leave it out, or give it content`},
		{`<name><family value="a"/></name><name><famly value="b"/></name></Patient>`,
			`2:39 error structure [Patient.name[1]] HumanName has no element <famly>; did you mean "family"?`},
		{`<hidden value="x"/></Patient>`,
			`2:1 error structure [Patient] Patient has no element <hidden>`},
		{`<deceased value="true"/></Patient>`,
			`2:1 error structure [Patient] Patient has no element <deceased>; the type is part of the name: "deceasedBoolean", "deceasedDate"`},
		{`<deceasedBoolean value="true"/><deceasedDate value="2000"/></Patient>`,
			`2:32 error structure [Patient.deceased] <deceasedBoolean> and <deceasedDate> are both forms of deceased[x]; keep one`},
		{`<resourceType value="Patient"/></Patient>`,
			`2:1 error structure [Patient] Patient has no element <resourceType>`},
		{`<x:active xmlns:x="urn:x" value="true"/></Patient>`,
			`2:1 error structure [Patient.active] <x:active> is in namespace "urn:x"; the elements of a resource are in http://hl7.org/fhir`},
		{`<active xmlns="" value="true"/></Patient>`,
			`2:1 error structure [Patient.active] <active> is in no namespace; the elements of a resource are in http://hl7.org/fhir`},
		{`<x:active value="true"/></Patient>`,
			`2:2 fatal invalid [] not valid XML: prefix "x" is not declared; add xmlns:x="…"`},
		{`<contained/></Patient>`,
			`2:1 error structure [Patient.contained[0]] the element holds no resource; leave it out, or write one inside, such as <Patient>`},
		{`<contained id="a"><Patient><id value="a"/></Patient></contained></Patient>`,
			`2:12 error structure [Patient.contained[0]] attribute "id" cannot stand here; the element holds a resource and nothing else`},
		{`<contained>x<Patient/></contained></Patient>`,
			`2:12 error structure [Patient.contained[0]] text "x" stands between elements; a value is written as an attribute: value="…"`},
		{`<contained><Patient/><Patient/></contained></Patient>`,
			`2:22 error structure [Patient.contained[0]] a second resource stands here; keep one`},
		{`<contained><Patient/></contained><contained><Patientt/></contained></Patient>`,
			`2:45 error value [Patient.contained[1]] <Patientt> is not a resource type of FHIR 4.0.1; did you mean "Patient"?`},
		{`<contained><id value="a"/></contained></Patient>`,
			`2:12 error value [Patient.contained[0]] <id> is not a resource type of FHIR 4.0.1`},
		{`<contained><Patient xmlns="urn:x"/></contained></Patient>`,
			`2:12 error structure [Patient.contained[0]] <Patient> is in namespace "urn:x"; write <Patient xmlns="http://hl7.org/fhir">`},
		{`<text><status value="generated"/><div>a</div></text></Patient>`,
			`2:34 error structure [Patient.text.div] <div> is in namespace "http://hl7.org/fhir"; write <div xmlns="http://www.w3.org/1999/xhtml">, without a prefix`},
		{`<text><status value="generated"/><h:div xmlns:h="http://www.w3.org/1999/xhtml">a</h:div></text></Patient>`,
			`2:34 error structure [Patient.text.div] <h:div> is in namespace "http://www.w3.org/1999/xhtml"; write <div xmlns="http://www.w3.org/1999/xhtml">, without a prefix`},
		{`<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><b>a</div></text></Patient>`,
			`2:80 fatal invalid [] not valid XML: </div> stands where </b> must`},
		{`<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">&nbsp;</div></text></Patient>`,
			`2:76 fatal invalid [] not valid XML: &nbsp; is not defined in XML; write &#160;`},
		{`<text xmlns:s="urn:s"><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><s:b/></div></text></Patient>`,
			`2:93 fatal invalid [] not valid XML: prefix "s" is not declared inside the div; add xmlns:s="…"`},
		{`<text xmlns:s="urn:s"><status value="generated"/><div s:a="b" xmlns="http://www.w3.org/1999/xhtml"><b/></div></text></Patient>`,
			`2:55 fatal invalid [] not valid XML: prefix "s" is not declared inside the div; add xmlns:s="…"`},
		{`<text><div xmlns="http://www.w3.org/1999/xhtml">a</div><status value="generated"/></text></Patient>`,
			`2:56 error structure [Patient.text.status] <status> must stand before <div>`},
		{`<text><div xmlns="http://www.w3.org/1999/xhtml">a</div><div xmlns="http://www.w3.org/1999/xhtml">a</div></text></Patient>`,
			`2:56 error structure [Patient.text.div] <div> occurs twice; keep one`},
		{`<active value="1"/><birthDate value=""/><nme/></Patient>`,
			`2:9 error value [Patient.active] "1" is not a boolean: write true or false
2:31 error value [Patient.birthDate] value is empty; leave the attribute out
2:41 error structure [Patient] Patient has no element <nme>; did you mean "name"?`},
	}
	for _, tt := range tests {
		src, other := strings.CutPrefix(tt.src, "!")
		if !other {
			src = begin + src
		}
		_, err := ParseXML(testSchema, []byte(src), DefaultLimits)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("ParseXML(%s): got no error, want %s", src, tt.want)
			continue
		}
		var got []string
		for _, i := range e.Issues {
			got = append(got, issueLine(i))
		}
		if want := strings.Split(tt.want, "\n"); !slices.Equal(got, want) || e.Kind != KindInvalid {
			t.Errorf("ParseXML(%s)\n got %s\nwant %s", src, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
}

// TestParseXMLEncoding covers bytes that the table cannot show.
func TestParseXMLEncoding(t *testing.T) {
	tests := []struct{ src, want string }{
		{"\xff\xfe<\x00", "1:1 fatal invalid [] not valid XML: the text is encoded in UTF-16; send it in UTF-8"},
		{"<a>\n\xff</a>", "2:1 fatal invalid [] not valid XML: byte 0xff is not valid UTF-8; FHIR is exchanged in UTF-8"},
		{"<a>\n \x0b</a>", "2:2 fatal invalid [] not valid XML: control character 0x0b is not allowed in XML"},
		{"<a>\ufffe</a>", "1:4 fatal invalid [] not valid XML: character U+FFFE is not allowed in XML"},
	}
	for _, tt := range tests {
		_, err := ParseXML(testSchema, []byte(tt.src), DefaultLimits)
		if got := issuesOf(err); len(got) != 1 || issueLine(got[0]) != tt.want {
			t.Errorf("ParseXML(%q) = %v, want %s", tt.src, err, tt.want)
		}
	}
}

// TestParseXMLLimits checks that depth and size are limited as they are in
// JSON, and that nothing makes reading slow.
func TestParseXMLLimits(t *testing.T) {
	deep := func(n int) string {
		return `<Patient xmlns="http://hl7.org/fhir">` + strings.Repeat(`<extension url="u">`, n) +
			`<valueCode id="a" value="c"/>` + strings.Repeat(`</extension>`, n) + `</Patient>`
	}
	var bound, wrong strings.Builder
	for i := range 100 {
		bound.WriteString(` xmlns:a` + string(rune('a'+i/26)) + string(rune('a'+i%26)) + `="u"`)
		wrong.WriteString(`<x/>`)
	}
	many := `<Observation xmlns="http://hl7.org/fhir">` + strings.Repeat(`<note value="a"/>`, 100) + `</Observation>`
	tests := []struct {
		name, src string
		limits    Limits
		kind      Kind
		want      string
	}{
		{"deep", deep(31), DefaultLimits, KindInvalid, ""},
		{"too deep", deep(32), DefaultLimits, KindInvalid, "nested more than 64 deep"},
		{"far too deep", deep(100000), DefaultLimits, KindInvalid, "nested more than 64 deep"},
		{"deep in the unknown", `<Patient xmlns="http://hl7.org/fhir">` + strings.Repeat("<x>", 100000), DefaultLimits, KindInvalid, "<x> is not closed"},
		{"values", many, Limits{Depth: 64, Nodes: 100}, KindTooLarge, "more than 100 values"},
		{"just as many values", many, Limits{Depth: 2, Nodes: 101}, KindInvalid, ""},
		{"namespaces", `<Patient` + bound.String() + `/>`, DefaultLimits, KindInvalid, "more than 64 attributes"},
		{"namespaces on the way", strings.Repeat(`<Patient xmlns:a="b">`, 100), DefaultLimits, KindInvalid, "more than 64 namespaces"},
		{"issues", `<Patient xmlns="http://hl7.org/fhir">` + wrong.String(), DefaultLimits, KindInvalid, "there may be more errors"},
	}
	for _, tt := range tests {
		_, err := ParseXML(testSchema, []byte(tt.src), tt.limits)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %.200v, want %q", tt.name, err, tt.want)
		}
	}
	text := string(mustParseXML(t, deep(31)).Source)
	if _, err := Parse(testSchema, []byte(text), Limits{Depth: 63, Nodes: 1000}); err == nil {
		t.Error("JSON counts depth in another way")
	}
}

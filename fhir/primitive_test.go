package fhir

import (
	"strings"
	"testing"
)

func TestCheckPrimitive(t *testing.T) {
	// good and bad are separated by "|", "∅" is the empty text.
	tests := []struct{ name, good, bad string }{
		{"boolean", "true|false", "∅|True|1|0|yes"},
		{"integer", "0|1|-1|2147483647|-2147483648", "∅|-|01|-0|+1|1.0|1e2|2147483648|-2147483649|99999999999999999999"},
		{"unsignedInt", "0|2147483647", "∅|-1|-0|00|2147483648"},
		{"positiveInt", "1|2147483647", "∅|0|-1|2147483648"},
		{"decimal", "0|-0|1.00|-1.5e-10|1E5", "∅|01|.5|1.|1e|+1|NaN"},
		{"string", "a| a |a\tb\r\nc|é", "∅|a\x00b|\x1f"},
		{"markdown", "# a\n\n* b", "∅|\x07"},
		{"code", "a|a b|a-b/c", "∅| a|a |a  b|a\t b"},
		{"id", "a|A-b.9|" + strings.Repeat("a", 64), "∅|a_b|a b|é|" + strings.Repeat("a", 65)},
		{"uri", "http://a/b|urn:oid:1.2|abc|#a", "∅|a b|http://a/\tb|a\n"},
		{"url", "http://a/b", "∅|a b"},
		{"canonical", "http://a/b¦1.0#x", "∅|a b"},
		{"oid", "urn:oid:1.2.840|urn:oid:2.16|urn:oid:0.0", "∅|1.2|urn:oid:|urn:oid:1|urn:oid:3.1|urn:oid:1.02|urn:oid:1..2|urn:oid:1.2.|urn:oid:12.1"},
		{"uuid", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
			"∅|c757873d-ec9a-4326-a141-556f43239520|urn:uuid:C757873D-EC9A-4326-A141-556F43239520|urn:uuid:c757873dec9a4326a141556f43239520|urn:uuid:c757873d-ec9a-4326-a141-556f4323952g"},
		{"base64Binary", "YQ==|YWI=|YWJj|YW Jj\n|a+/9", "∅|a|YQ=|YQ|YQ==YQ==|Y===|YQ=a|Y-_j| |===="},
		{"instant", "2020-01-31T09:30:00Z|2020-01-31T09:30:00.123+02:00", "∅|2020|2020-01-31|2020-01-31T09:30Z|2020-01-31T09:30:00|2020-01-31T24:00:00Z|2020-02-30T09:30:00Z"},
		{"date", "2020|2020-01|2020-01-31", "∅|2020-1|2020-01-32|2020-01-31T09:30:00Z|20-01-01|0000"},
		{"dateTime", "2020|2020-01|2020-01-31|2020-01-31T09:30:00Z|2020-01-31T09:30:00.1-05:00",
			"∅|2020-01-31T09:30|2020-01-31T09:30Z|2020-01-31T09:30:00|2020-01-31T09:30:60Z|2020-01-31T|2020-02-30"},
		{"time", "00:00:00|23:59:59|09:30:00.123", "∅|09:30|24:00:00|09:60:00|09:30:60|9:30:00|09:30:00Z|09:30:00."},
		{"xhtml", `<div xmlns="http://www.w3.org/1999/xhtml"/>| <div>a<br/>b &lt; &#39; &#x27; <p class='x'>é</p><!-- <c> --></div> |<div><img src="a" alt="b" /></div>|<div><svg:g/></div>`,
			`∅|a|<p>a</p>|<div>|<div></p></div>|<div><p></div></p>|<div></div>a|<div></div><div></div>|<div>&</div>|<div>a & b</div>|<div a></div>|<div a=b></div>|<div a="b></div>` +
				`|<div><script>x</script></div>|<div><SCRIPT/></div>|<div><p onclick="x"/></div>|<div><a href="JavaScript:x">a</a></div>|<div><a href=" java script:x">a</a></div>` +
				`|<div><!DOCTYPE html></div>|<div><?x?></div>|<div><form/></div>|<div><|<div><!-- </div>|<div>a < b</div>|<div`},
	}
	seen := map[string]bool{}
	for _, tt := range tests {
		seen[tt.name] = true
		for _, text := range strings.Split(tt.good, "|") {
			if err := CheckPrimitive(tt.name, strings.ReplaceAll(text, "¦", "|")); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		for _, text := range strings.Split(tt.bad, "|") {
			if text == "∅" {
				text = ""
			}
			err := CheckPrimitive(tt.name, text)
			if err == nil {
				t.Errorf("%s: %q is accepted", tt.name, text)
			} else if KindOf(err) != KindInvalid || !strings.Contains(err.Error(), "is not a valid "+tt.name+": ") {
				t.Errorf("%s: %q: %v", tt.name, text, err)
			}
		}
	}
	for name := range primitives {
		if !seen[name] {
			t.Errorf("%s is not tested", name)
		}
	}
	if err := CheckPrimitive("HumanName", "a"); err == nil {
		t.Error("HumanName counts as a primitive")
	}
	if err := CheckPrimitive("string", strings.Repeat("a", maxStringBytes+1)); err == nil || len(err.Error()) > 300 {
		t.Errorf("a string of more than 1 MB: %.300v", err)
	}
}

func FuzzCheckXHTML(f *testing.F) {
	f.Add(`<div xmlns="http://www.w3.org/1999/xhtml"><p>a &amp; b</p><br/><!-- c --></div>`)
	f.Fuzz(func(t *testing.T, s string) {
		if checkXHTML(s) == "" && strings.Contains(strings.ToLower(s), "<script") && !strings.Contains(s, "<!--") {
			t.Errorf("%q is accepted", s)
		}
	})
}

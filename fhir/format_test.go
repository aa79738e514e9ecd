package fhir

import (
	"bytes"
	"encoding/json"
	"testing"
)

var layouts = []string{
	`{}`, ` [ ] `, `[[],{}]`, `{"a":[],"b":{}}`, "{ \"a\" : [ 1 , 1.00,-2e5 ,\n\t{ } ], \"b \\\" {[,: \\\\\" : null }",
	`"a"`, ` 1 `, `{"a":{"b":{"c":[true,false]}},"d":"<é&>"}`, `"\\"`, `["\\","\""]`,
}

func checkLayout(t *testing.T, src []byte) {
	t.Helper()
	var want bytes.Buffer
	if err := json.Compact(&want, src); err != nil {
		t.Fatal(err)
	}
	if got := Compact([]byte("x"), src); string(got) != "x"+want.String() {
		t.Errorf("Compact(%s) = %s, want %s", src, got, want.String())
	}
	want.Reset()
	if err := json.Indent(&want, bytes.TrimSpace(src), "", "  "); err != nil {
		t.Fatal(err)
	}
	if got := Indent([]byte("x"), src); string(got) != "x"+want.String() {
		t.Errorf("Indent(%s) =\n%s\nwant\n%s", src, got, want.String())
	}
}

func TestLayout(t *testing.T) {
	for _, src := range layouts {
		checkLayout(t, []byte(src))
	}
}

func FuzzLayout(f *testing.F) {
	for _, src := range layouts {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if json.Valid(src) {
			checkLayout(t, src)
		} else { // must end
			Indent(nil, src)
			Compact(nil, src)
		}
	})
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "a", `a"b\c`, "\x00\x01\x1f\n\r\t\b\f\x7f", "é😀\u2028", "<&>"} {
		got := AppendString([]byte("x"), s)
		var back string
		if err := json.Unmarshal(got[1:], &back); err != nil || back != s {
			t.Errorf("AppendString(%q) = %s, read back as %q, %v", s, got, back, err)
		}
	}
	if got := string(AppendString(nil, "a\xffb\xe2\x82")); got != "\"a\ufffdb\ufffd\ufffd\"" {
		t.Errorf("invalid UTF-8 became %s", got)
	}
	if got := string(AppendString(nil, "<é&>")); got != `"<é&>"` {
		t.Errorf("got %s", got)
	}
}

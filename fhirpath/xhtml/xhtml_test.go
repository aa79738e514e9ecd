package xhtml_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath/xhtml"
)

func TestCheck(t *testing.T) {
	for _, test := range []struct{ inner, problem string }{
		{"<p>Peter <b>Chalmers</b><br/></p>", ""},
		{"text &amp; &#160; more", ""},
		{`<table border="1"><tr><td colspan="2" style="color: red">x</td></tr></table>`, ""},
		{`<img src="#pic" alt="a picture"/>`, ""},
		{`<a href="Patient/1">him</a>`, ""},
		{`<span xml:lang="de">Guten Tag</span>`, ""},
		{"", "neither text nor an image"},
		{" \n\t<p> </p>", "neither text nor an image"},
		{"<p>open", "not well-formed"},
		{"a &nbsp; b", "not well-formed"},
		{"<script>alert(1)</script>", "element script"},
		{"<form><input/></form>", "element form"},
		{"<iframe src='x'/>", "element iframe"},
		{"<object/>x", "element object"},
		{"<font>x</font>", "element font"},
		{"<head/>x", "element head"},
		{`<p onclick="x()">x</p>`, "attribute onclick"},
		{`<p href="x">x</p>`, "attribute href"},
		{`<a href="javascript:x()">x</a>`, "run"},
		{`<a href=" java&#10;script:x()">x</a>`, "run"},
		{`<img src="data:text/html,x"/>`, "run"},
		{`<p style="width: expression(x())">x</p>`, "run"},
		{`<svg xmlns="http://www.w3.org/2000/svg"/>x`, "namespace"},
		{"<?php x ?>x", "processing instructions"},
		{strings.Repeat("<b>", 300) + "x" + strings.Repeat("</b>", 300), "nested deeper"},
	} {
		check(t, `<div xmlns="http://www.w3.org/1999/xhtml">`+test.inner+`</div>`, test.problem)
	}
	check(t, "", "no div")
	check(t, "text", "outside its div")
	check(t, "<div>x</div>", "namespace")
	check(t, `<p xmlns="http://www.w3.org/1999/xhtml">x</p>`, "only one div")
	check(t, `<div xmlns="http://www.w3.org/1999/xhtml">x</div><div xmlns="http://www.w3.org/1999/xhtml">x</div>`, "only one div")
	check(t, `<!DOCTYPE html><div xmlns="http://www.w3.org/1999/xhtml">x</div>`, "declarations")
}

func check(t *testing.T, div, problem string) {
	t.Helper()
	err := xhtml.Check(div)
	if problem == "" && err != nil {
		t.Errorf("%s: %v", div, err)
	}
	if problem != "" && (err == nil || !strings.Contains(err.Error(), problem)) {
		t.Errorf("%s:\n got %v\nwant an error with %q", div, err, problem)
	}
}

// hollow are the published examples whose narrative has nothing to see, which
// rule txt-2 forbids.
var hollow = map[string]bool{
	"ActivityDefinition/blood-tubes-supply": true, "ActivityDefinition/heart-valve-replacement": true,
	"EventDefinition/example": true, "Questionnaire/zika-virus-exposure-assessment": true,
}

// TestOfficialExamples checks the narratives of all published examples.
func TestOfficialExamples(t *testing.T) {
	data, err := os.ReadFile("../../../shared/data/examples/r4-official/all-examples.ndjson.gz")
	if err != nil {
		t.Skip("../shared/data is absent")
	}
	unzip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, line := range bytes.Split(bytes.TrimSpace(lines), []byte("\n")) {
		tree, err := fhir.Parse(definition.R4().Schema, line, fhir.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		root := tree.Root()
		div := root.Child("text").Child("div")
		if !div.Exists() {
			continue
		}
		checked++
		name := root.Type().Name + "/" + root.TextOf("id")
		if err := xhtml.Check(div.Text()); (err != nil) != hollow[name] {
			t.Errorf("%s: %v", name, err)
		}
	}
	if checked < 600 {
		t.Errorf("only %d narratives were found", checked)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(`<div xmlns="http://www.w3.org/1999/xhtml"><p>x</p></div>`)
	f.Add(`<div xmlns="http://www.w3.org/1999/xhtml" onload="x">&#1;</div>`)
	f.Fuzz(func(t *testing.T, div string) {
		if xhtml.Check(div) == nil && strings.Contains(strings.ToLower(div), "<script") && !strings.Contains(div, "<!--") && !strings.Contains(div, "CDATA") {
			t.Errorf("%q passes", div)
		}
	})
}

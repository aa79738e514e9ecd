package fhir_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// TestOfficialExamplesInXML writes every example as XML and reads that back:
// the JSON of what comes out must say the same, to the digit and the blank.
func TestOfficialExamplesInXML(t *testing.T) {
	schema := definition.R4().Schema
	for _, file := range dataFiles(t, examples) {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		doc, err := fhir.XMLFromJSON(schema, src)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := wellFormed(doc); err != nil {
			t.Errorf("%s: encoding/xml: %v", name, err)
		}
		if again := readBack(t, name, schema, src, doc); !bytes.Equal(again, doc) {
			t.Errorf("%s: the XML changes when it is read and written", name)
		}
		if again := readBack(t, name, schema, src, fhir.IndentXML(nil, doc)); !bytes.Equal(again, doc) {
			t.Errorf("%s: the XML changes when it is indented", name)
		}
	}
}

// readBack reads a resource's XML, compares it with its JSON and writes it
// again.
func readBack(t *testing.T, name string, schema *fhir.Schema, want, doc []byte) []byte {
	t.Helper()
	tree, err := fhir.ParseXML(schema, doc, fhir.DefaultLimits)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return nil
	}
	if !reflect.DeepEqual(decode(t, tree.Source), decode(t, want)) {
		t.Errorf("%s: the resource changes on its way through XML", name)
	}
	return fhir.AppendXML(nil, tree.Root())
}

// decode reads JSON with the text of its numbers.
func decode(t *testing.T, src []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// wellFormed reads XML by the standard library's reader.
func wellFormed(doc []byte) error {
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// TestRealXML takes the XML of another release apart: what the reader passes
// over must be well formed to it as well.
func TestRealXML(t *testing.T) {
	files := dataFiles(t, "../../shared/data/definitions/stu3/firely-stu3-specification.zip")
	z, err := zip.OpenReader(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	count := 0
	for _, f := range z.File {
		if filepath.Ext(f.Name) != ".xml" && filepath.Ext(f.Name) != ".xsd" || f.UncompressedSize64 > 1<<20 {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		src, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		_, err = fhir.ParseXML(definition.R4().Schema, src, fhir.DefaultLimits)
		if err != nil && strings.Contains(err.Error(), "not valid XML") && wellFormed(src) == nil {
			t.Errorf("%s: %.300v", f.Name, err)
		}
		count++
	}
	if count < 100 {
		t.Errorf("%d files", count)
	}
}

func BenchmarkParseXML(b *testing.B) {
	schema := definition.R4().Schema
	docs, size := exampleXML(b)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, doc := range docs {
			if _, err := fhir.ParseXML(schema, doc, fhir.DefaultLimits); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkAppendXML(b *testing.B) {
	schema := definition.R4().Schema
	docs, size := exampleXML(b)
	var trees []*fhir.Tree
	for _, doc := range docs {
		tree, err := fhir.ParseXML(schema, doc, fhir.DefaultLimits)
		if err != nil {
			b.Fatal(err)
		}
		trees = append(trees, tree)
	}
	var out []byte
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, tree := range trees {
			out = fhir.AppendXML(out[:0], tree.Root())
		}
	}
}

// exampleXML is the XML of all examples and its size.
func exampleXML(b *testing.B) (docs [][]byte, size int) {
	for _, file := range dataFiles(b, examples) {
		src, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		doc, err := fhir.XMLFromJSON(definition.R4().Schema, src)
		if err != nil {
			b.Fatal(err)
		}
		docs, size = append(docs, doc), size+len(doc)
	}
	return docs, size
}

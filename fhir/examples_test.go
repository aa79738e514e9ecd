package fhir_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

const (
	examples = "../../shared/data/examples/r4-official/*.json"
	synthea  = "../../shared/data/synthea/dev/ndjson/*.ndjson.gz"
)

// dataFiles lists test data, or skips the test where there is none.
func dataFiles(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("../shared/data is absent")
	}
	return files
}

func TestOfficialExamples(t *testing.T) {
	schema := definition.R4().Schema
	files := dataFiles(t, examples)
	if len(files) != 754 {
		t.Errorf("%d examples, want 754", len(files))
	}
	primitives := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := fhir.Parse(schema, src, fhir.DefaultLimits)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		checkRoundTrip(t, filepath.Base(file), tree)
		primitives += checkPrimitives(t, filepath.Base(file), tree.Root())
	}
	if primitives != 65_205 {
		t.Errorf("%d primitives, want 65205", primitives)
	}
}

// checkPrimitives checks every primitive below a node and counts them.
func checkPrimitives(t *testing.T, name string, n fhir.Node) (count int) {
	t.Helper()
	if n.IsPrimitive() && n.HasValue() {
		if err := fhir.CheckPrimitive(n.Type().Name, n.Text()); err != nil {
			t.Errorf("%s: %s: %v", name, n.Path(), err)
		}
		count++
	}
	for c := range n.Children() {
		count += checkPrimitives(t, name, c)
	}
	return count
}

// checkRoundTrip stores and sends a resource under its own id and compares
// what comes out with what went in.
func checkRoundTrip(t *testing.T, name string, tree *fhir.Tree) {
	t.Helper()
	root := tree.Root()
	body := fhir.NewBody(root, root.TextOf("id"))
	meta := root.Child("meta")
	if !meta.Child("versionId").Exists() && !meta.Child("lastUpdated").Exists() {
		if want := bytes.TrimSpace(tree.Source); root.Child("id").Exists() && !bytes.Equal(body.JSON, want) {
			t.Errorf("%s: the body differs from the source", name)
		}
	}
	sent := body.Append(nil, "7", time.Unix(1600000000, 0))
	again, err := fhir.Parse(tree.Schema, sent, fhir.DefaultLimits)
	if err != nil {
		t.Errorf("%s: what Append wrote: %v", name, err)
		return
	}
	if got := again.Root().Child("meta").TextOf("versionId"); got != "7" {
		t.Errorf("%s: versionId is %q", name, got)
	}
	second := fhir.NewBody(again.Root(), root.TextOf("id"))
	if !bytes.Equal(second.JSON, body.JSON) || second.At != body.At || second.Form != body.Form {
		t.Errorf("%s: the body changes when it is read and sent back", name)
	}
}

func TestSynthea(t *testing.T) {
	schema := definition.R4().Schema
	for _, file := range dataFiles(t, synthea) {
		for i, line := range ndjson(t, file) {
			tree, err := fhir.Parse(schema, line, fhir.DefaultLimits)
			if err != nil {
				t.Errorf("%s line %d: %v", filepath.Base(file), i+1, err)
				break
			}
			if i < 20 {
				checkRoundTrip(t, filepath.Base(file), tree)
			}
			if i%20 == 0 {
				checkPrimitives(t, filepath.Base(file), tree.Root())
			}
		}
	}
}

// TestSyntheaBundles reads whole transactions and takes each entry's resource
// out of them.
func TestSyntheaBundles(t *testing.T) {
	schema := definition.R4().Schema
	files := dataFiles(t, "../../shared/data/synthea/dev/bundles/*.json.gz")
	if testing.Short() {
		files = files[:5]
	}
	for _, file := range files {
		src := unpack(t, file)
		tree, err := fhir.Parse(schema, src, fhir.DefaultLimits)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		entries := 0
		for e := range tree.Root().Each("entry") {
			entries++
			root := e.Child("resource").Detach().Root()
			if body := fhir.NewBody(root, root.TextOf("id")); !bytes.Equal(body.JSON, root.Raw()) {
				t.Fatalf("%s: the body of %s differs", filepath.Base(file), e.Path())
			}
		}
		if entries == 0 {
			t.Errorf("%s: no entries", filepath.Base(file))
		}
	}
}

// ndjson reads the lines of a packed file.
func ndjson(t testing.TB, file string) [][]byte {
	t.Helper()
	return bytes.Split(bytes.TrimSpace(unpack(t, file)), []byte("\n"))
}

func unpack(t testing.TB, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func BenchmarkParseSynthea(b *testing.B) {
	schema := definition.R4().Schema
	var lines [][]byte
	size := 0
	for _, file := range dataFiles(b, synthea) {
		for _, line := range ndjson(b, file) {
			lines = append(lines, line)
			size += len(line)
		}
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ReportMetric(float64(len(lines)), "resources")
	for b.Loop() {
		for _, line := range lines {
			if _, err := fhir.Parse(schema, line, fhir.DefaultLimits); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkParseBundle(b *testing.B) {
	schema := definition.R4().Schema
	src, err := os.ReadFile("../../shared/data/examples/r4-official/Bundle-terminologies.json")
	if err != nil {
		b.Skip("../shared/data is absent")
	}
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fhir.Parse(schema, src, fhir.DefaultLimits); err != nil {
			b.Fatal(err)
		}
	}
}

package conformance_test

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	stderrors "errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/conformance"
)

const shared = "../../../shared/data/"

// usCore is US Core in a version, and the examples in its package.
func usCore(t *testing.T, version string) (g *conformance.Guides, examples map[string][]byte) {
	t.Helper()
	open := func() io.ReadCloser {
		file, err := os.Open(shared + "definitions/us-core/hl7.fhir.us.core-" + version + ".tgz")
		if err != nil {
			t.Skip("../shared/data is absent")
		}
		return file
	}
	file := open()
	defer file.Close()
	p, err := guide.Read(file, guide.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	set, err := guide.NewSet(p)
	if err != nil {
		t.Fatal(err)
	}
	if g, err = conformance.New(set, conformance.Settings{}); err != nil {
		t.Fatal(err)
	}
	again := open()
	defer again.Close()
	unzip, err := gzip.NewReader(again)
	if err != nil {
		t.Fatal(err)
	}
	examples = map[string][]byte{}
	for files := tar.NewReader(unzip); ; {
		header, err := files.Next()
		if stderrors.Is(err, io.EOF) {
			return g, examples
		}
		if err != nil {
			t.Fatal(err)
		}
		if path.Dir(header.Name) != "package/example" || path.Ext(header.Name) != ".json" {
			continue
		}
		if examples[path.Base(header.Name)], err = io.ReadAll(files); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExamples: with R4's own profiles and extensions known, the examples of US
// Core and those of R4 have no more errors than are theirs.
func TestExamples(t *testing.T) {
	g, examples := usCore(t, "6.1.0")
	checked := 0
	for name, src := range examples {
		tree, err := fhir.Parse(definition.R4().Schema, src, fhir.DefaultLimits)
		if err != nil {
			continue // it is no resource
		}
		checked++
		g.Check(tree, func(i fhir.Issue) {
			if i.Severity == fhir.SeverityError {
				t.Errorf("%s: %s: %s", name, i.Expression, i.Diagnostics)
			}
		})
	}
	if checked < 100 {
		t.Errorf("only %d examples were checked", checked)
	}
}

func TestReleaseExamples(t *testing.T) {
	file, err := os.Open(shared + "examples/r4-official/all-examples.ndjson.gz")
	if err != nil {
		t.Skip("../shared/data is absent")
	}
	defer file.Close()
	unzip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReaderSize(unzip, 1<<20)
	broken := map[string][]string{}
	for {
		line, err := lines.ReadBytes('\n')
		if tree, parseErr := fhir.Parse(definition.R4().Schema, line, fhir.DefaultLimits); parseErr == nil {
			root := tree.Root()
			conformance.None().Check(tree, func(i fhir.Issue) {
				if i.Severity == fhir.SeverityError {
					name := root.Type().Name + "/" + root.TextOf("id")
					broken[name] = append(broken[name], i.Expression+": "+i.Diagnostics)
				}
			})
		}
		if stderrors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, issues := range broken {
		if !slices.Contains(brokenExamples, name) {
			t.Errorf("%s:\n\t%s", name, strings.Join(issues, "\n\t"))
		}
	}
}

// brokenExamples break profiles or definitions of extensions of R4.
var brokenExamples = []string{}

package distribution_test

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tarnhealth/tarn/terminology/codebook"
	"github.com/tarnhealth/tarn/terminology/distribution"
)

// TestSamples reads small files with made-up codes in the publishers' layouts,
// from a folder and from an archive.
func TestSamples(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) < 7 {
		t.Fatalf("there are %d samples: %v", len(names), err)
	}
	for _, name := range names {
		sample, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		system := strings.TrimSpace(string(sample.Comment))
		want := string(sample.Files[len(sample.Files)-1].Data)
		files := sample.Files[:len(sample.Files)-1]
		for _, from := range []string{folder(t, files), archive(t, files)} {
			if diff := cmp.Diff(want, read(t, system, from)); diff != "" {
				t.Errorf("%s from %s: %s", name, filepath.Base(from), diff)
			}
		}
	}
}

func folder(t *testing.T, files []txtar.File) string {
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func archive(t *testing.T, files []txtar.File) string {
	path := filepath.Join(t.TempDir(), "release.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	for _, file := range files {
		to, err := w.Create(file.Name)
		if err == nil {
			_, err = to.Write(file.Data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// read loads files into a book, and tells all that is in it.
func read(t *testing.T, system, from string) string {
	t.Helper()
	_, builder, err := distribution.Read(system, from, distribution.Options{})
	if err != nil {
		return "error: " + err.Error()
	}
	path := filepath.Join(t.TempDir(), "book")
	if _, err := builder.Write(path); err != nil {
		t.Fatal(err)
	}
	b, err := codebook.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(b.URL + " " + b.Version)
	if b.Hierarchy {
		text += " hierarchy"
	}
	text += "\n"
	for at := range b.Len() {
		text += describe(b, at)
	}
	for _, name := range b.Sets {
		text += "set " + name + ":"
		for at := range b.Len() {
			if b.Set(name).Has(at) {
				text += " " + b.Code(at)
			}
		}
		text += "\n"
	}
	return text
}

func describe(b *codebook.Book, at int) string {
	c := b.At(at)
	text := fmt.Sprintf("%s %q", c.Code, c.Display)
	if c.Inactive {
		text += " inactive"
	}
	if c.Abstract {
		text += " abstract"
	}
	for _, parent := range b.Parents(at) {
		text += " < " + b.Code(parent)
	}
	text += "\n"
	if c.Definition != "" {
		text += fmt.Sprintf("  definition %q\n", c.Definition)
	}
	for _, d := range c.Designations {
		text += fmt.Sprintf("  %s %s %q\n", d.Use.Code, d.Language, d.Value)
	}
	var properties []string
	for _, p := range c.Properties {
		properties = append(properties, p.Code+"="+p.Text)
	}
	if len(properties) > 0 {
		text += "  " + strings.Join(properties, " ") + "\n"
	}
	return text
}

// TestRefused reads what is not as it should be.
func TestRefused(t *testing.T) {
	file := func(name, text string) []txtar.File { return []txtar.File{{Name: name, Data: []byte(text)}} }
	for _, test := range []struct {
		system, want string
		files        []txtar.File
	}{
		{"icpc", `"icpc" cannot be loaded; known are loinc, snomed`, nil},
		{"loinc", "has no Loinc.csv", nil},
		{"loinc", "no column LONG_COMMON_NAME", file("Loinc.csv", "LOINC_NUM,STATUS\n")},
		{"loinc", "which version of LOINC", file("Loinc.csv", "LOINC_NUM,LONG_COMMON_NAME,STATUS\n1-8,x,ACTIVE\n")},
		{"snomed", "unpack the whole release", file("sct2_Concept_Snapshot_INT_20300101.txt", "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId\n1\t2\t1\t3\t4\n")},
		{"snomed", "names of RF2's columns", file("sct2_Concept_Snapshot_INT_20300101.txt", "1\t2\t3\t4\t5\n")},
		{"rxnorm", "line 1: it has 2 fields", file("RXNCONSO.RRF", "1|2\n")},
		{"icd-10-cm", "order file", nil},
		{"icd-10-cm", "line 1: it is not number, code", file("icd10cm_order_2030.txt", "hello\n")},
		{"cvx", "line 1: it has 1 fields", file("cvx.txt", "hello\n")},
		{"cvx", "has no concepts of CVX", file("cvx.txt", "")},
		{"ucum", "ucum-essence.xml", file("ucum-essence.xml", "<root>")},
	} {
		if got := read(t, test.system, folder(t, test.files)); !strings.Contains(got, test.want) || !strings.HasPrefix(got, "error: ") {
			t.Errorf("%s: got %q, want an error with %q", test.system, got, test.want)
		}
	}
}

// TestUTF16 reads a table in UTF-16, as the CDC publishes some.
func TestUTF16(t *testing.T) {
	data := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune("901 |good shot|good shot||Active|False|2030/02/01\r\n")) {
		data = binary.LittleEndian.AppendUint16(data, unit)
	}
	got := read(t, "cvx", folder(t, []txtar.File{{Name: "cvx.txt", Data: data}}))
	if want := "http://hl7.org/fhir/sid/cvx 20300201\n901 \"good shot\"\n  VaccineStatus=Active updated=20300201\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

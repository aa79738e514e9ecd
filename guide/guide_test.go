package guide_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/guidetest"
)

// archive is a package of files given as name, content, name, content …
func archive(t testing.TB, files ...string) *bytes.Buffer {
	return bytes.NewBuffer(guidetest.Archive(t, files...))
}

func manifest(name, version, dependencies string) string {
	return fmt.Sprintf(`{"name":%q,"version":%q,"fhirVersions":["4.0.1"],"dependencies":{%s}}`, name, version, dependencies)
}

func read(t testing.TB, files ...string) *guide.Package {
	t.Helper()
	p, err := guide.Read(archive(t, files...), guide.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var small = guide.Limits{Files: 10, File: 2 << 20, Total: 8 << 20}

func TestBadPackages(t *testing.T) {
	many := []string{"package/package.json", manifest("a", "1.0.0", "")}
	for i := range 10 {
		many = append(many, fmt.Sprintf("package/%d.json", i), "{}")
	}
	good := manifest("a", "1.0.0", "")
	link := func() *bytes.Buffer {
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		w := tar.NewWriter(zip)
		_ = w.WriteHeader(&tar.Header{Name: "package/x.json", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})
		_ = w.Close()
		_ = zip.Close()
		return &b
	}
	bomb := func() *bytes.Buffer {
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		w := tar.NewWriter(zip)
		_ = w.WriteHeader(&tar.Header{Name: "package/other.bin", Typeflag: tar.TypeReg, Size: 20 << 20, Mode: 0o644})
		zeros := make([]byte, 1<<20)
		for range 20 {
			_, _ = w.Write(zeros)
		}
		_ = w.Close()
		_ = zip.Close()
		return &b
	}
	for name, test := range map[string]struct {
		data *bytes.Buffer
		want string
	}{
		"not gzip":         {bytes.NewBufferString("hello"), "not a gzip archive"},
		"no manifest":      {archive(t, "package/ValueSet-a.json", "{}"), "no package/package.json"},
		"broken manifest":  {archive(t, "package/package.json", "{"), "package/package.json"},
		"unnamed":          {archive(t, "package/package.json", "{}"), "no name"},
		"out of it":        {archive(t, "package/package.json", good, "package/../../evil.json", "{}"), "leads out of it"},
		"absolute":         {archive(t, "/etc/x.json", "{}"), "leads out of it"},
		"backslashes":      {archive(t, `..\..\evil.json`, "{}"), "leads out of it"},
		"a link":           {link(), "is a link"},
		"a bomb":           {bomb(), "unpacks to more than 8 MB"},
		"another release":  {archive(t, "package/package.json", `{"name":"a","version":"1","fhirVersions":["5.0.0"]}`), "is for FHIR 5.0.0"},
		"too many files":   {archive(t, many...), "more than 10 files"},
		"a file too large": {archive(t, "package/package.json", good, "package/ValueSet-x.json", strings.Repeat(" ", 3<<20)), "more than 2 MB"},
	} {
		if _, err := guide.Read(test.data, small); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want an error with %q", name, err, test.want)
		}
	}
}

func TestDependencies(t *testing.T) {
	pkg := func(name, version, dependencies string) *guide.Package {
		return read(t, "package/package.json", manifest(name, version, dependencies))
	}
	for name, test := range map[string]struct {
		packages []*guide.Package
		err      string
		missing  int
	}{
		"none":            {[]*guide.Package{pkg("a", "1.0.0", "")}, "", 0},
		"the core":        {[]*guide.Package{pkg("a", "1.0.0", `"hl7.fhir.r4.core":"4.0.1"`)}, "", 0},
		"there":           {[]*guide.Package{pkg("a", "1.0.0", `"b":"2.0.0"`), pkg("b", "2.0.0", "")}, "", 0},
		"by pattern":      {[]*guide.Package{pkg("a", "1.0.0", `"b":"2.0.x"`), pkg("b", "2.0.7", "")}, "", 0},
		"missing":         {[]*guide.Package{pkg("a", "1.0.0", `"b":"2.0.0"`)}, "", 1},
		"a wrong version": {[]*guide.Package{pkg("a", "1.0.0", `"b":"2.0.0"`), pkg("b", "2.1.0", "")}, "needs b in version 2.0.0; there is 2.1.0", 0},
		"a circle":        {[]*guide.Package{pkg("a", "1.0.0", `"b":"1.0.0"`), pkg("b", "1.0.0", `"a":"1.0.0"`)}, "a#1.0.0 needs b#1.0.0 needs a#1.0.0", 0},
		"twice":           {[]*guide.Package{pkg("a", "1.0.0", ""), pkg("a", "1.0.0", "")}, "a#1.0.0 is there twice", 0},
		"two versions":    {[]*guide.Package{pkg("a", "1.0.0", ""), pkg("a", "1.0.1", "")}, "", 0},
	} {
		set, err := guide.NewSet(test.packages...)
		switch {
		case test.err == "" && err != nil, test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: %v; want %q", name, err, test.err)
		case err == nil && len(set.Missing) != test.missing:
			t.Errorf("%s: missing are %v", name, set.Missing)
		}
	}
}

func TestVersionsBesideEachOther(t *testing.T) {
	of := func(version, title string) *guide.Package {
		return read(t, "package/package.json", manifest("a", version, ""), "package/ValueSet-v.json",
			`{"resourceType":"ValueSet","url":"http://x/v","version":"`+version+`","title":"`+title+`","status":"active"}`,
			"package/ValueSet-r5.json", `{"resourceType":"ValueSet","url":"http://x/w","scope":{}}`)
	}
	set, err := guide.NewSet(of("1.9.0", "old"), of("1.10.0", "new"), of("1.10.0-ballot", "ballot"))
	if err != nil {
		t.Fatal(err)
	}
	for canonical, want := range map[string]string{
		"http://x/v": "new", "http://x/v|1.9.0": "old", "http://x/v|1.10.0-ballot": "ballot", "http://x/v|3": "", "http://x/w": "",
	} {
		tree, err := set.Find("ValueSet", canonical)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if tree != nil {
			got = tree.Root().TextOf("title")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", canonical, got, want)
		}
	}
	if skipped := set.Packages()[0].Skipped; len(skipped) != 1 || !strings.Contains(skipped[0].Reason, "scope") {
		t.Errorf("skipped are %v", skipped)
	}
}

// TestUSCore reads all versions of US Core and puts them beside each other.
func TestUSCore(t *testing.T) {
	var all []*guide.Package
	for _, version := range []string{"3.1.1", "4.0.0", "5.0.1", "6.1.0", "7.0.0", "8.0.0"} {
		p := guidetest.USCore(t, version).Packages()[0]
		for _, s := range p.Skipped {
			t.Errorf("%s: %s: %s", p, s.File, s.Reason)
		}
		if n := len(p.URLs("StructureDefinition")); n < 20 {
			t.Errorf("%s has %d StructureDefinitions", p, n)
		}
		all = append(all, p)
	}
	set, err := guide.NewSet(all...)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := set.Find("StructureDefinition", "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|5.0.1")
	if err != nil || tree == nil || tree.Root().TextOf("version") != "5.0.1" {
		t.Errorf("us-core-patient 5.0.1 is not found: %v", err)
	}
}

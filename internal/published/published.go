// Package published owns the reading of data that others have published and
// tests are run on: examples and packages of FHIR and of guides, and Synthea
// samples. They are in ../shared/data beside the repository; a test that asks
// for what is not there is skipped.
package published

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"testing"
)

// USCoreVersions are those of US Core that there are packages of.
var USCoreVersions = []string{"3.1.1", "4.0.0", "5.0.1", "6.1.0", "7.0.0", "8.0.0"}

// USCore is the name of US Core's package in a version.
func USCore(version string) string {
	return "definitions/us-core/hl7.fhir.us.core-" + version + ".tgz"
}

// R4Core is the name of the package of R4's own definitions.
const R4Core = "definitions/r4-core-package/hl7.fhir.r4.core-4.0.1.tgz"

// Path is where a file or folder of the data is, by its name below
// ../shared/data.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("the test does not run in the repository")
		}
		dir = filepath.Dir(dir)
	}
	found := filepath.Join(dir, "..", "shared", "data", filepath.FromSlash(name))
	if _, err := os.Stat(found); err != nil {
		t.Skip("../shared/data is absent")
	}
	return found
}

// Glob are the names of the files that a pattern matches. None is an error.
func Glob(t testing.TB, pattern string) []string {
	t.Helper()
	folder := path.Dir(pattern)
	files, err := filepath.Glob(filepath.Join(Path(t, folder), path.Base(pattern)))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file is %s: %v", pattern, err)
	}
	for i := range files {
		files[i] = folder + "/" + filepath.Base(files[i])
	}
	return files
}

// Read is the content of a file, unpacked where it is gzipped.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data
	}
	unzip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(unzip); err != nil {
		t.Fatal(err)
	}
	return data
}

// Lines are the resources of an NDJSON file.
func Lines(t testing.TB, name string) [][]byte {
	t.Helper()
	return bytes.Split(bytes.TrimSpace(Read(t, name)), []byte("\n"))
}

// Package has the files of a package by their names in it, "package/…".
func Package(t testing.TB, name string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for files := tar.NewReader(bytes.NewReader(Read(t, name))); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if all[header.Name], err = io.ReadAll(files); err != nil {
			t.Fatal(err)
		}
	}
}

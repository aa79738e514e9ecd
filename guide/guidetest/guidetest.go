// Package guidetest owns packages of implementation guides, and a registry of
// them, for tests.
package guidetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/internal/published"
)

// A Package is one that a test needs.
type Package struct {
	Name, Version string
	// Needs are versions of dependencies by name.
	Needs map[string]string
	// Resources are in JSON, each of a type that packages have.
	Resources []string
}

// Archive is the package's archive (.tgz).
func (p Package) Archive(t testing.TB) []byte {
	t.Helper()
	manifest, err := json.Marshal(map[string]any{
		"name": p.Name, "version": p.Version, "canonical": "http://example.org/" + p.Name, "fhirVersions": []string{"4.0.1"}, "dependencies": p.Needs,
	})
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"package/package.json", string(manifest)}
	for i, r := range p.Resources {
		var head struct{ ResourceType string }
		if err := json.Unmarshal([]byte(r), &head); err != nil {
			t.Fatalf("%v: %s", err, r)
		}
		files = append(files, fmt.Sprintf("package/%s-%d.json", head.ResourceType, i), r)
	}
	return Archive(t, files...)
}

// Archive is an archive of files given as name, content, name, content …
func Archive(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// USCore is US Core in a version, alone.
func USCore(t testing.TB, version string) *guide.Set {
	t.Helper()
	file, err := os.Open(published.Path(t, published.USCore(version)))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p, err := guide.Read(file, guide.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	set, err := guide.NewSet(p)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// USCoreExamples are the examples in a package of US Core, by file name.
func USCoreExamples(t testing.TB, version string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for name, data := range published.Package(t, published.USCore(version)) {
		if path.Dir(name) != "package/example" || path.Ext(name) != ".json" {
			continue
		}
		var is struct{ ResourceType string }
		if err := json.Unmarshal(data, &is); err == nil && is.ResourceType != "" { // the rest is the package's own index
			all[path.Base(name)] = data
		}
	}
	return all
}

// Registry serves packages in the layout of NPM until the test ends.
func Registry(t testing.TB, packages ...Package) *httptest.Server {
	t.Helper()
	archives, listings := map[string][]byte{}, map[string]map[string]any{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if data := archives[r.URL.Path]; data != nil {
			_, _ = w.Write(data)
			return
		}
		name := strings.TrimPrefix(r.URL.Path, "/")
		if listings[name] == nil {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(listings[name])
	}))
	t.Cleanup(server.Close)
	for _, p := range packages {
		data := p.Archive(t)
		at := fmt.Sprintf("/%s/-/%s-%s.tgz", p.Name, p.Name, p.Version)
		archives[at] = data
		sum := sha512.Sum512(data)
		if listings[p.Name] == nil {
			listings[p.Name] = map[string]any{"name": p.Name, "versions": map[string]any{}}
		}
		listings[p.Name]["dist-tags"] = map[string]string{"latest": p.Version}
		listings[p.Name]["versions"].(map[string]any)[p.Version] = map[string]any{"dist": map[string]string{
			"tarball": server.URL + at, "integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:]),
		}}
	}
	return server
}

// Profile is a StructureDefinition with a snapshot: an element of Patient that
// must be there.
func Profile(url, version, element string) string {
	return fmt.Sprintf(`{"resourceType":"StructureDefinition","url":%q,"version":%q,"name":"P","status":"active","kind":"resource","abstract":false,"type":"Patient",
"baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
"snapshot":{"element":[{"id":"Patient","path":"Patient","min":0,"max":"*"},{"id":"Patient.%[3]s","path":"Patient.%[3]s","min":1,"max":"*"}]}}`, url, version, element)
}

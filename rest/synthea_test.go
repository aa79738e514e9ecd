package rest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const syntheaBundles = "../../shared/data/synthea/dev/bundles"

// TestSynthea posts Bundles of a real size: the organizations and practitioners
// (batches of conditional creates), and patients (transactions) that refer to
// them by conditional references.
func TestSynthea(t *testing.T) {
	if _, err := os.Stat(syntheaBundles); err != nil {
		t.Skip("../shared/data is absent")
	}
	s := newServer(t)
	c := s.newConversation(t, "synthea")
	want := map[string]int{}
	for _, pattern := range []string{"*hospitalInformation*", "*practitionerInformation*", "synthea2021__aaac7c75*", "synthea2021__8*", "synthea2019__A*"} {
		files, err := filepath.Glob(filepath.Join(syntheaBundles, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files[:min(3, len(files))] {
			body := unzip(t, file)
			count(t, body, want)
			res := c.post(t, "/", bytes.NewReader(body))
			if res.status != 200 {
				t.Fatalf("%s: %d %.1000s", file, res.status, res.body)
			}
			if p := c.soundness(res); len(p) > 0 || bytes.Contains(res.body, []byte(`"outcome":`)) {
				t.Fatalf("%s: %v %.1000s", file, p, res.body)
			}
		}
	}
	if len(want) < 5 {
		t.Fatalf("only these types are in the Bundles: %v", want)
	}
	for name, n := range want {
		res := c.send(t, "GET /"+name+"?_count=0")
		if !strings.Contains(string(res.body), fmt.Sprintf(`"total":%d,`, n)) {
			t.Errorf("%s: posted %d; got %s", name, n, res.body)
		}
	}
}

// count adds up the resource types of a Bundle's entries.
func count(t *testing.T, body []byte, types map[string]int) {
	t.Helper()
	var bundle struct {
		Entry []struct {
			Resource struct{ ResourceType string }
		}
	}
	if err := json.Unmarshal(body, &bundle); err != nil {
		t.Fatal(err)
	}
	for _, e := range bundle.Entry {
		types[e.Resource.ResourceType]++
	}
}

func unzip(t *testing.T, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

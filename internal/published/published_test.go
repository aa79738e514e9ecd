package published_test

import (
	"bytes"
	"testing"

	"github.com/tarnhealth/tarn/internal/published"
)

func TestData(t *testing.T) {
	if lines := published.Lines(t, "examples/r4-official/all-examples.ndjson.gz"); len(lines) < 700 || !bytes.HasPrefix(lines[0], []byte("{")) {
		t.Errorf("%d examples, the first of which is %.20s", len(lines), lines[0])
	}
	for _, version := range published.USCoreVersions {
		files := published.Package(t, published.USCore(version))
		if manifest := files["package/package.json"]; !bytes.Contains(manifest, []byte(version)) {
			t.Errorf("the manifest of US Core %s is %s", version, manifest)
		}
	}
}

// TestAbsent: what is not there skips the test that asks.
func TestAbsent(t *testing.T) {
	skipped := false
	t.Run("asks", func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		published.Read(t, "nothing/of/that/name")
	})
	if !skipped {
		t.Error("the test went on")
	}
}

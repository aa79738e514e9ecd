package endtoend

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSyntheaLoads loads a realistic population twice, as transaction bundles
// and as NDJSON, and compares the number of resources of each type with the
// published counts.
func TestSyntheaLoads(t *testing.T) {
	if testing.Short() {
		t.Skip("loads 67,000 resources")
	}
	dir := needShared(t, "synthea/dev")
	s := serve(t, t.TempDir())
	state := filepath.Join(t.TempDir(), "state")

	tarn(t, "load", "--to", s.url("default"), "--state", state, filepath.Join(dir, "bundles"))
	tarn(t, "datastore", "create", "--data", s.dir, "--id", "second", "--name", "second")
	tarn(t, "load", "--to", s.url("second"), "--state", state, filepath.Join(dir, "ndjson"))

	for name, counts := range syntheaCounts(t, filepath.Join(dir, "COUNTS.txt")) {
		for i, store := range []string{"default", "second"} {
			if got := getBundle(t, s.url(store)+"/"+name+"?_count=0").Total; got != counts[i] {
				t.Errorf("%s of data store %s: %d, want %d", name, store, got, counts[i])
			}
		}
	}
}

// syntheaCounts reads the columns "entries" and "ndjson".
func syntheaCounts(t *testing.T, path string) map[string][2]int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string][2]int{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 4 || f[0] == "TOTAL" {
			continue
		}
		entries, err1 := strconv.Atoi(f[1])
		ndjson, err2 := strconv.Atoi(f[2])
		if err1 == nil && err2 == nil {
			counts[f[0]] = [2]int{entries, ndjson}
		}
	}
	if len(counts) < 20 {
		t.Fatalf("only %d counts read", len(counts))
	}
	return counts
}

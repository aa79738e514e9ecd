package endtoend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/tarnhealth/tarn/synth"
)

// largeBundle is the size of the transaction that must work, in bytes: just
// below the default limit of a request body.
const largeBundle = 48 << 20

// TestLargeTransaction commits one transaction of some 30,000 resources.
func TestLargeTransaction(t *testing.T) {
	if testing.Short() {
		t.Skip("commits 48 MB")
	}
	body, counts := manyPatients(t)
	s := serve(t, t.TempDir())
	resp, err := http.Post(s.url("default"), "application/fhir+json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %v %.500s", resp.StatusCode, err, answer)
	}
	var response struct{ Entry []struct{} }
	if err := json.Unmarshal(answer, &response); err != nil {
		t.Fatal(err)
	}
	total := 0
	for name, n := range counts {
		total += n
		if got := getBundle(t, s.url("default")+"/"+name+"?_count=0").Total; got != n {
			t.Errorf("%d of %d %s", got, n, name)
		}
	}
	if len(response.Entry) != total {
		t.Errorf("the response has %d entries for %d", len(response.Entry), total)
	}
}

// manyPatients joins the bundles of synthetic patients into one transaction,
// and counts its resources by type.
func manyPatients(t *testing.T) ([]byte, map[string]int) {
	t.Helper()
	counts := map[string]int{}
	var out bytes.Buffer
	out.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	separator := ""
	for bundle := range synth.New(synth.Options{Patients: 1000, Seed: 3}).Bundles(t.Context()) {
		var b struct{ Entry []json.RawMessage }
		if err := json.Unmarshal(bundle, &b); err != nil {
			t.Fatal(err)
		}
		if out.Len()+len(bundle) > largeBundle {
			break
		}
		for _, e := range b.Entry {
			var entry struct {
				Resource struct{ ResourceType string }
			}
			if err := json.Unmarshal(e, &entry); err != nil {
				t.Fatal(err)
			}
			counts[entry.Resource.ResourceType]++
			fmt.Fprintf(&out, "%s%s", separator, e)
			separator = ","
		}
	}
	out.WriteString("]}")
	return out.Bytes(), counts
}

package access

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/validate"
)

// many stores resources in one commit, behind the test's own record of versions.
func (w *world) many(n int, content func(n int) string) {
	w.t.Helper()
	ops := make([]datastore.Op, n)
	for i := range ops {
		src := []byte(content(i))
		tree, err := w.ds.Parse(src)
		if err != nil {
			w.t.Fatal(err)
		}
		o := decode(w.t, src)
		ops[i] = datastore.Op{Interaction: authz.Update, Type: typeOf(nameOf(o)), ID: text(o["id"]), Resource: tree, Level: validate.Minimal}
	}
	if _, err := w.ds.Commit(ctx, authz.Unrestricted(), ops, nil); err != nil {
		w.t.Fatal(err)
	}
}

// walk follows the pages of a history to the end.
func (w *world) walk(c *caller, path string) (names []string, pages int) {
	w.t.Helper()
	for path != "" && pages < 50 {
		a := w.ask(c, "GET", path, "")
		if a.status != http.StatusOK || strings.Contains(string(a.body), secret("p2")) {
			w.t.Fatalf("%s: %d %.500s", path, a.status, a.body)
		}
		page, _ := entries(w.t, a, "history")
		names = append(names, page...)
		path, pages = link(w.t, a, "next"), pages+1
	}
	slices.Sort(names)
	return names, pages
}

// TestHistoriesGoOnBehindWhatIsHidden has thousands of versions of somebody else
// between those of a patient: none is lost, and no page is refused.
func TestHistoriesGoOnBehindWhatIsHidden(t *testing.T) {
	w := tellWorld(t, nil)
	const hidden = 10_500 // more than one page looks at
	observation := func(id, p, rest string) string {
		return fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/%s","display":%q}%s}`, id, p, secret(p), rest)
	}
	w.tell(`{"resourceType":"Patient","id":"p1"}`)
	w.tell(`{"resourceType":"Patient","id":"p2"}`)
	w.tell(observation("first", "p1", ""))
	w.tell(observation("moves", "p1", ""))
	w.tell(observation("moves", "p2", ""))
	w.tell(observation("goes", "p1", ""))
	w.many(hidden, func(n int) string { return observation(fmt.Sprint("o", n), "p2", "") })
	w.tell("-Observation/goes")
	w.many(hidden, func(n int) string {
		return fmt.Sprintf(`{"resourceType":"Binary","id":"b%d","contentType":"text/plain","securityContext":{"reference":"Patient/p2"}}`, n)
	})
	w.tell(observation("last", "p1", ""))
	w.tell("-Observation/moves")
	want := []string{"Observation/first#1", "Observation/goes#1", "Observation/goes#2", "Observation/last#1", "Observation/moves#1"}
	all := append(slices.Clone(want), "Patient/p1#1")
	for _, scopes := range []string{"patient/*.rs", "patient/*.cruds"} {
		c := w.as("patient p1", scopes)
		if got, pages := w.walk(c, "Observation/_history?_count=50"); !slices.Equal(got, want) || pages != 1 {
			t.Errorf("of a type: %v on %d pages, want %v on one", got, pages, want)
		}
		if got, pages := w.walk(c, "_history?_count=50"); !slices.Equal(got, all) || pages != 2 {
			t.Errorf("of all: %v on %d pages, want %v on two", got, pages, all)
		}
		if got, _ := w.walk(c, "_history?_count=2"); !slices.Equal(got, all) {
			t.Errorf("in small pages: %v, want %v", got, all)
		}
		if got, _ := w.walk(c, "_history?_count=50&_sort=_lastUpdated"); !slices.Equal(got, all) {
			t.Errorf("oldest first: %v, want %v", got, all)
		}
		if got, pages := w.walk(c, "Binary/_history?_count=50"); len(got) > 0 || pages != 2 {
			t.Errorf("of what is somebody else's: %v on %d pages", got, pages)
		}
	}
	expect(t, "count alone", w.ask(w.as("patient p1", "patient/*.rs"), "GET", "_history?_count=0", ""), http.StatusOK, "history")
}

package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/server/admin"
)

// TestEvents posts what changes, also where the receiver was away until the next
// start.
func TestEvents(t *testing.T) {
	var away atomic.Bool
	away.Store(true)
	refused, taken := make(chan struct{}, 100), make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var e struct {
			Type   string `json:"detail-type"`
			Detail struct{ DatastoreID string }
		}
		if err := json.Unmarshal(body, &e); err != nil || !strings.HasPrefix(r.Header.Get("Webhook-Signature"), "v1,") {
			t.Errorf("%s %v: %v", body, r.Header, err)
		}
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			refused <- struct{}{}
			return
		}
		taken <- e.Type + " " + e.Detail.DatastoreID
	}))
	defer receiver.Close()
	c := testConfig(t.TempDir())
	c.Events.SecretFile = filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(c.Events.SecretFile, []byte("whsec_"+strings.Repeat("QUJD", 8)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Events.Sinks = []string{receiver.URL + "/tarn"}
	r := start(t, c)
	<-refused
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	away.Store(false)
	start(t, c)
	for _, want := range []string{"Data Store Creating default", "Data Store Active default"} {
		if got := <-taken; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	a, err := OpenAdmin(t.Context(), c.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.CreateStore(t.Context(), admin.NewStore{ID: "trial"}); err != nil {
		t.Fatal(err)
	}
	if r, err := a.Delete(t.Context(), "trial"); err != nil || r.Status != datastore.StatusDeleted {
		t.Fatal(r, err)
	}
	for _, want := range []string{"Creating", "Active", "Deleting", "Deleted"} {
		if got := <-taken; got != "Data Store "+want+" trial" {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

package server

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/crypt/awskms/kmstest"
	"github.com/tarnhealth/tarn/server/vault"
)

// nobody is an endpoint that refuses connections.
const nobody = "http://127.0.0.1:1"

// TestCustomerKeyAway starts a server whose key management service does not
// answer, or is not there at all: a data store with a customer's key is
// unavailable and says why, others work, nothing is half made, and all is there
// when the service is.
func TestCustomerKeyAway(t *testing.T) {
	kms := kmstest.New(t)
	kms.Make("1234abcd", "alias/clinic")
	c := testConfig(t.TempDir())
	c.Encryption.AtRest, c.Encryption.Endpoint = vault.AtRestOff, kms.URL
	path := fillClinic(t, c)
	for _, away := range []struct {
		name     string
		endpoint string
	}{{"never answers", kms.URL}, {"refuses connections", nobody}} {
		t.Run(away.name, func(t *testing.T) {
			c := c
			c.Encryption.Endpoint, c.Encryption.Timeout = away.endpoint, time.Second
			end := kms.Hang()
			r := start(t, c)
			checkAway(t, r, c.Data, path)
			end()
			if away.endpoint == nobody {
				r.stop()
				if err := r.wait(); err != nil {
					t.Fatal(err)
				}
				c.Encryption.Endpoint = kms.URL
				r = start(t, c)
			}
			for status := 0; status != http.StatusOK; status, _ = r.get(path + "/Patient/wolfe") {
				checkKeys(t, c.Data) // the first answer may take longer than the limit
			}
			r.want(path+"/Patient/wolfe", 200, "Wolfeschlegelstein", `"versionId":"1"`)
			r.want(path+"/Condition?code=snowman-44054006&subject=Patient/wolfe", 200, `"total":1`)

			defer kms.Hang()()
			checkKeys(t, c.Data)
			if status, body := r.do(http.MethodPut, path+"/Patient/later", `{"resourceType":"Patient","id":"later"}`); status/100 != 2 {
				t.Errorf("an open data store does not go on: %d %s", status, body)
			}
		})
	}
}

// fillClinic makes a data store with a customer's key and returns its path.
func fillClinic(t *testing.T, c Config) string {
	t.Helper()
	r := start(t, c)
	path := "/datastore/" + makeClinic(t, r) + "/r4"
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	return path
}

func checkKeys(t *testing.T, dir string) {
	t.Helper()
	a := openTestAdmin(t, dir)
	defer a.Close()
	if _, err := a.CheckKeys(context.Background()); err != nil {
		t.Error(err)
	}
}

// checkAway looks at a server whose key management service is away.
func checkAway(t *testing.T, r *running, dir, path string) {
	t.Helper()
	before := folders(t, dir)
	for range 2 {
		r.want(path+"/Patient/wolfe", 503, "the service that keeps the key that it is encrypted with cannot be reached")
		if status, body := r.do(http.MethodPut, path+"/Patient/wolfe", `{"resourceType":"Patient","id":"wolfe"}`); status != 503 || !strings.Contains(body, "cannot be reached") {
			t.Errorf("%d %s", status, body)
		}
		if status, body := r.do(http.MethodPut, "/datastore/default/r4/Patient/p", `{"resourceType":"Patient","id":"p"}`); status/100 != 2 {
			t.Errorf("another data store: %d %s", status, body)
		}
		if status, body := createWithKey(t, r, "alias/clinic"); status/100 != 5 || !strings.Contains(body, "cannot be reached") {
			t.Errorf("a new one: %d %s", status, body)
		}
		checkKeys(t, dir)
	}
	if now := folders(t, dir); !slices.Equal(now, before) {
		t.Errorf("there are %v, and before there were %v", now, before)
	}
}

// folders are the names of the data stores and of the files of keys in a data
// folder.
func folders(t *testing.T, dir string) (names []string) {
	t.Helper()
	for _, below := range []string{"stores", "keys"} {
		entries, err := os.ReadDir(filepath.Join(dir, below))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, below+"/"+e.Name())
		}
	}
	return names
}

package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/crypt/awskms/kmstest"
	"github.com/tarnhealth/tarn/server/vault"
)

// secretsOf are words that a data folder must not show: of names, identifiers,
// codes, and of what a user and a client are called.
var secretsOf = []string{"Wolfeschlegelstein", "MRN-77-1234567", "snowman-44054006", "observed by the window", "Amblyopia-Ward-9"}

const secretBundle = `{"resourceType":"Bundle","type":"transaction","entry":[
 {"resource":{"resourceType":"Patient","id":"wolfe","identifier":[{"system":"http://h.example/mrn","value":"MRN-77-1234567"}],"name":[{"family":"Wolfeschlegelstein","given":["Zephyrine"]}]},"request":{"method":"PUT","url":"Patient/wolfe"}},
 {"resource":{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/wolfe"},"code":{"coding":[{"system":"http://snomed.info/sct","code":"snowman-44054006"}],"text":"observed by the window"}},"request":{"method":"PUT","url":"Condition/c"}}]}`

// fillSecrets writes what secretsOf has through the FHIR API and the admin API,
// in a server that then stops.
func fillSecrets(t *testing.T, c Config) {
	t.Helper()
	r := start(t, c)
	if status, body := r.do(http.MethodPost, "/datastore/default/r4", secretBundle); status != 200 {
		t.Fatalf("%d: %s", status, body)
	}
	r.want("/datastore/default/r4/Patient?name=Wolfeschlegelstein", 200, `"total":1`)
	r.want("/datastore/default/r4/Condition?code=snowman-44054006&subject=Patient/wolfe", 200, `"total":1`)
	a := openTestAdmin(t, c.Data)
	if _, err := a.Create(context.Background(), "second", "Amblyopia-Ward-9", nil); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
}

// found are the words that are in the files of a folder, as they are or in
// base64.
func found(t *testing.T, dir string, words []string) map[string]string {
	t.Helper()
	in := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, w := range words {
			if bytes.Contains(bytes.ToLower(content), []byte(strings.ToLower(w))) || strings.Contains(strings.ToLower(path), strings.ToLower(w)) {
				in[w] = path
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestNothingReadableInTheFolder looks for what was stored in the raw files:
// nothing is there with encryption, and all of it without, so that the search
// is known to find things.
func TestNothingReadableInTheFolder(t *testing.T) {
	c := testConfig(t.TempDir())
	c.Audit.Mode, c.Encryption.AtRest = AuditOn, vault.AtRestOff
	fillSecrets(t, c)
	words := append([]string{`"wolfe"`}, secretsOf...)
	if in := found(t, c.Data, words); len(in) != len(words) {
		t.Errorf("without encryption only these are found: %v", in)
	}
	c.Data = t.TempDir()
	c.Encryption.AtRest = vault.AtRestOn
	fillSecrets(t, c)
	if in := found(t, c.Data, words); len(in) != 0 {
		t.Errorf("with encryption the folder shows %v", in)
	}
	r := start(t, c)
	r.want("/datastore/default/r4/Patient/wolfe", 200, "Wolfeschlegelstein")
	r.want("/datastore/default/r4/Condition?code=snowman-44054006", 200, `"total":1`)
}

// TestFolderFromBeforeEncryption opens as it is, and so does an encrypted one
// where encryption is off.
func TestFolderFromBeforeEncryption(t *testing.T) {
	for _, mode := range []string{vault.AtRestOff, vault.AtRestOn} {
		c := testConfig(t.TempDir())
		c.Encryption.AtRest = mode
		fillSecrets(t, c)
		c.Encryption.AtRest = map[string]string{vault.AtRestOff: vault.AtRestOn, vault.AtRestOn: vault.AtRestOff}[mode]
		r := start(t, c)
		r.want("/datastore/default/r4/Patient/wolfe", 200, "Wolfeschlegelstein")
	}
}

// TestKeysLost says which of the keys is missing and changes nothing.
func TestKeysLost(t *testing.T) {
	c := testConfig(t.TempDir())
	c.Encryption.AtRest = vault.AtRestOn
	fillSecrets(t, c)
	master := filepath.Join(c.Data, "master.key")
	keys := filepath.Join(c.Data, "keys", "default.json")
	away := func(name string, wants ...string) {
		t.Helper()
		if err := os.Rename(name, name+".away"); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, run(t, c).wait(), nil, wants...)
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s was made again", name)
		}
		if err := os.Rename(name+".away", name); err != nil {
			t.Fatal(err)
		}
	}
	away(master, "the master key is not there", "nothing was changed")
	away(keys, "default.json", "restore that file")
	away(filepath.Join(c.Data, "keys", "_records.json"), "_records.json", "restore that file")
	t.Setenv(crypt.MasterKeyVariable, strings.Repeat("A", 43)+"=")
	wantRefusal(t, run(t, c).wait(), nil, "the master key", "is not the one")
	t.Setenv(crypt.MasterKeyVariable, "")
	r := start(t, c)
	r.want("/datastore/default/r4/Patient/wolfe", 200, "Wolfeschlegelstein")
}

// TestCryptoShredding deletes a data store while somebody keeps a copy of its
// files: nothing in the folder opens them again.
func TestCryptoShredding(t *testing.T) {
	c := testConfig(t.TempDir())
	c.Encryption.AtRest = vault.AtRestOn
	fillSecrets(t, c)
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.CopyFS(kept, os.DirFS(filepath.Join(c.Data, "stores", "default"))); err != nil {
		t.Fatal(err)
	}
	a := openTestAdmin(t, c.Data)
	if _, err := a.Delete(context.Background(), "default"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Create(context.Background(), "default", "again", nil); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	stores := filepath.Join(c.Data, "stores", "default")
	if err := errors.Join(os.RemoveAll(stores), os.CopyFS(stores, os.DirFS(kept))); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, run(t, c).wait(), nil, "is damaged")
}

// createWithKey asks for a data store with a customer's key.
func createWithKey(t *testing.T, r *running, key string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+r.Addr()+"/", strings.NewReader(fmt.Sprintf(
		`{"DatastoreTypeVersion":"R4","DatastoreName":"clinic","SseConfiguration":{"KmsEncryptionConfig":{"CmkType":"CUSTOMER_MANAGED_KMS_KEY","KmsKeyId":%q}}}`, key)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "HealthLake.CreateFHIRDatastore")
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	_, _ = b.ReadFrom(res.Body)
	return res.StatusCode, b.String()
}

// makeClinic makes a data store with a customer's key, which has the resources of
// secretBundle, and returns its id.
func makeClinic(t *testing.T, r *running) (id string) {
	t.Helper()
	status, body := createWithKey(t, r, "alias/clinic")
	var made struct {
		DatastoreID string `json:"DatastoreId"`
	}
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := r.do(http.MethodPost, "/datastore/"+made.DatastoreID+"/r4", secretBundle); status != 200 {
		t.Fatalf("%d: %s", status, body)
	}
	return made.DatastoreID
}

// TestCustomerKey disables and enables the key of a data store while the server
// runs, and while it starts.
func TestCustomerKey(t *testing.T) {
	kms := kmstest.New(t)
	kms.Make("1234abcd", "alias/clinic")
	c := testConfig(t.TempDir())
	c.Encryption.AtRest, c.Encryption.Endpoint = vault.AtRestOff, kms.URL
	r := start(t, c)
	if status, body := createWithKey(t, r, "alias/none"); status != 400 || !strings.Contains(body, "alias/none") {
		t.Errorf("a key that is not there: %d %s", status, body)
	}
	id := makeClinic(t, r)
	path := "/datastore/" + id + "/r4"
	r.want(path+"/Patient/wolfe", 200)

	check := func() {
		t.Helper()
		if _, err := openTestAdmin(t, c.Data).CheckKeys(context.Background()); err != nil {
			t.Error(err)
		}
	}
	kms.Refuse("1234abcd", "DisabledException")
	check()
	r.want(path+"/Patient/wolfe", 503, "the key that it is encrypted with")
	r.want("/datastore/default/r4/metadata", 200)
	kms.Refuse("1234abcd", "")
	check()
	r.want(path+"/Patient/wolfe", 200, "Wolfeschlegelstein")

	kms.Refuse("1234abcd", "KMSInternalException")
	check()
	r.want(path+"/Patient/wolfe", 200)
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	if in := found(t, filepath.Join(c.Data, "stores", id), secretsOf); len(in) != 0 {
		t.Errorf("the data store shows %v", in)
	}

	r = start(t, c)
	r.want(path+"/Patient/wolfe", 503)
	r.want("/datastore/default/r4/metadata", 200)
	kms.Refuse("1234abcd", "")
	check()
	r.want(path+"/Patient/wolfe", 200)
}

// TestKeysChange turns encryption on for a folder that has none, rotates data
// keys and the master key while the server runs, and starts it again.
func TestKeysChange(t *testing.T) {
	ctx := context.Background()
	c := testConfig(t.TempDir())
	c.Encryption.AtRest = vault.AtRestOff
	fillSecrets(t, c)
	c.Encryption.AtRest = vault.AtRestOn
	r := start(t, c)
	a := openTestAdmin(t, c.Data)
	if _, err := a.RotateMasterKey(ctx); err == nil || !strings.Contains(err.Error(), "cannot be replaced") {
		t.Errorf("the master key of a folder from before: %v", err)
	}
	if _, err := a.RotateDataKey(ctx, "default"); err == nil || !strings.Contains(err.Error(), "not encrypted") {
		t.Errorf("keys that are not there: %v", err)
	}
	for _, id := range []string{"default", "second", "_records"} {
		if _, err := a.Seal(ctx, id, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Seal(ctx, "default", ""); err == nil {
		t.Error("encrypted twice")
	}
	r.want("/datastore/default/r4/Patient/wolfe", 200, "Wolfeschlegelstein")
	again := func() {
		t.Helper()
		r.stop()
		if err := r.wait(); err != nil {
			t.Fatal(err)
		}
		r = start(t, c)
		a = openTestAdmin(t, c.Data)
	}
	again() // from now on the records are sealed
	if _, err := a.RotateDataKey(ctx, "_records"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.RotateDataKey(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	r.want("/datastore/default/r4/Condition?code=snowman-44054006", 200, `"total":1`)
	again()
	again() // the manifest with the old key was replaced by the start before
	all, err := a.CheckKeys(ctx)
	settled := func(s vault.Status) bool { return len(s.Keys) == 1 && !s.Plain }
	for tries := 0; tries < 2000 && err == nil && slices.ContainsFunc(all, func(s vault.Status) bool { return !settled(s) }); tries++ {
		all, err = a.CheckKeys(ctx) // the engine removes old files in the background
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if len(s.Keys) != 1 || s.Plain || s.Unsealed != 0 {
			t.Errorf("%+v", s)
		}
	}
	r.want("/datastore/default/r4/Patient/wolfe", 200, "Wolfeschlegelstein")
	if in := found(t, c.Data, secretsOf); len(in) != 0 {
		t.Errorf("the folder shows %v", in)
	}
}

// TestMasterKeyRotates replaces the master key in its file while the server
// runs, and one in the environment between two starts.
func TestMasterKeyRotates(t *testing.T) {
	ctx := context.Background()
	c := testConfig(t.TempDir())
	c.Encryption.AtRest = vault.AtRestOn
	fillSecrets(t, c)
	name := filepath.Join(c.Data, "master.key")
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, c)
	a := openTestAdmin(t, c.Data)
	if _, err := a.RotateMasterKey(ctx); err != nil {
		t.Fatal(err)
	}
	r.want("/datastore/default/r4/Patient/wolfe", 200)
	if _, err := a.Create(ctx, "third", "", nil); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	recent, err := os.ReadFile(name)
	if err != nil || bytes.Equal(old, recent) {
		t.Fatalf("the file has the old key, or %v", err)
	}
	t.Setenv(crypt.MasterKeyVariable, string(old))
	wantRefusal(t, run(t, c).wait(), nil, "is not the one")
	t.Setenv(crypt.PreviousMasterKeyVariable, string(recent))
	for range 2 {
		r = start(t, c)
		r.want("/datastore/default/r4/Patient/wolfe", 200)
		r.want("/datastore/third/r4/metadata", 200)
		r.stop()
		if err := r.wait(); err != nil {
			t.Fatal(err)
		}
		t.Setenv(crypt.PreviousMasterKeyVariable, "")
	}
}

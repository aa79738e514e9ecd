package browser

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/server"
)

// An external is an authorization server of another maker.
type external struct {
	t      *testing.T
	issuer string
	in     io.Writer
	out    *bufio.Reader
}

func newExternal(t *testing.T) *external {
	t.Helper()
	e := &external{t: t}
	e.in, e.out = startNode(t, "external.mjs")
	e.issuer = e.line()
	return e
}

// startNode runs a script of Node.js until the test ends, whose problems are shown
// where that fails.
func startNode(t *testing.T, script string) (in io.Writer, out *bufio.Reader) {
	t.Helper()
	node := exec.Command("node", script)
	var problems bytes.Buffer
	node.Stderr = &problems
	in, err := node.StdinPipe()
	must(t, err)
	said, err := node.StdoutPipe()
	must(t, err)
	must(t, node.Start())
	t.Cleanup(func() {
		_ = node.Process.Kill()
		_ = node.Wait()
		if t.Failed() {
			t.Log(problems.String())
		}
	})
	return in, bufio.NewReader(said)
}

func (e *external) line() string {
	e.t.Helper()
	line, err := e.out.ReadString('\n')
	must(e.t, err)
	return strings.TrimSpace(line)
}

// tell gives a command and waits until it is done.
func (e *external) tell(command string) {
	e.t.Helper()
	_, err := fmt.Fprintln(e.in, command)
	must(e.t, err)
	for e.line() != command { // it says other things too
	}
}

// token gets one for a resource.
func (e *external) token(scope, resource string) string {
	e.t.Helper()
	req, err := http.NewRequest("POST", e.issuer+"/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "scope": {scope}, "resource": {resource}}.Encode()))
	must(e.t, err)
	req.SetBasicAuth("service", url.QueryEscape("of the tests"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	must(e.t, err)
	defer res.Body.Close()
	var body struct {
		Access string `json:"access_token"`
	}
	text, err := io.ReadAll(res.Body)
	must(e.t, err)
	if must(e.t, json.Unmarshal(text, &body)); body.Access == "" {
		e.t.Fatalf("no token for %s: %s", resource, text)
	}
	return body.Access
}

// asks is the status of a request for the patients of a data store.
func (w *world) asks(t *testing.T, base, token string) int {
	t.Helper()
	req, err := http.NewRequest("GET", base+"/Patient", nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	return res.StatusCode
}

// TestExternalIssuer gives data stores another maker's authorization server:
// by its keys, by introspection, and both beside the server's own.
func TestExternalIssuer(t *testing.T) {
	needs(t, "node_modules/oidc-provider")
	e, dir := newExternal(t), t.TempDir()
	w := startServer(t, func() server.Config { c := server.Default(); c.Data = dir; return c }())
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("asks\n"), 0o600))
	admin, err := server.OpenAdmin(t.Context(), dir)
	must(t, err)
	defer admin.Close()
	metadata := json.RawMessage(`{"token_endpoint":"` + e.issuer + `/token"}`)
	keys := datastore.ExternalIssuer{Issuer: e.issuer, Required: []string{"client_id"}}
	none := 0
	asked := datastore.ExternalIssuer{IntrospectionURL: e.issuer + "/token/introspection", ClientID: "tarn", SecretFile: secret, CacheSeconds: &none}
	for id, p := range map[string]*datastore.IdentityProvider{
		"keys":   {Strategy: datastore.StrategySMART, Metadata: metadata, External: &keys},
		"asked":  {Strategy: datastore.StrategySMART, Metadata: metadata, External: &asked},
		"v1":     {Strategy: datastore.StrategySMART1, Metadata: metadata, External: &keys},
		"claims": {Strategy: datastore.StrategySMART, Metadata: metadata, External: &datastore.ExternalIssuer{Issuer: e.issuer, Required: []string{"tenant"}}},
		"tenant": {Strategy: datastore.StrategySMART, Metadata: metadata, External: &keys, Tenant: "north"},
		"all":    {Strategy: datastore.StrategySMART, BuiltIn: true, Issuers: []datastore.ExternalIssuer{keys, asked}},
	} {
		_, err := admin.Create(t.Context(), id, "", p)
		must(t, err)
	}
	base := func(id string) string { return w.home + "/datastore/" + id + "/r4" }
	want := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	of := map[string]string{}
	for _, id := range []string{"keys", "v1", "claims", "tenant", "all"} {
		of[id] = e.token("system/*.rs", base(id))
	}
	want("by keys", w.asks(t, base("keys"), of["keys"]), 200)
	want("of another audience", w.asks(t, base("keys"), of["v1"]), 401)
	want("scopes of version 2 where there are none", w.asks(t, base("v1"), of["v1"]), 403)
	want("scopes of version 1", w.asks(t, base("v1"), e.token("system/Patient.read", base("v1"))), 200)
	want("without a claim that is required", w.asks(t, base("claims"), of["claims"]), 401)
	want("without the tenant", w.asks(t, base("tenant"), of["tenant"]), 403)
	want("beside the server's own", w.asks(t, base("all"), of["all"]), 200)
	parts := strings.Split(of["keys"], ".")
	want("with another signature", w.asks(t, base("keys"), parts[0]+"."+parts[1]+"."+strings.Repeat("A", len(parts[2]))), 401)
	opaque := e.token("system/*.rs", base("asked")+"/")
	want("by introspection", w.asks(t, base("asked"), opaque), 200)
	want("introspected, of another audience", w.asks(t, base("all"), opaque), 401)
	want("not issued", w.asks(t, base("asked"), "nonsense"), 401)

	e.tell("down")
	want("by keys, in an outage", w.asks(t, base("keys"), of["keys"]), 200)
	want("by introspection, in an outage", w.asks(t, base("asked"), opaque), 503)
	e.tell("up")
	e.tell("rotate") // forgets opaque tokens, and signs with another key
	want("by introspection, revoked", w.asks(t, base("asked"), opaque), 401)
	// The new key is looked for ten seconds after the last at the earliest: here
	// the data store tells who cannot wait that the key is not known.
	if got := w.asks(t, base("keys"), e.token("system/*.rs", base("keys"))); got != 200 && got != 401 {
		t.Errorf("signed with a new key: %d", got)
	}
}

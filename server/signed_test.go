package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/sigv4"
)

// A signer sends requests to the FHIR API of a server, signed by AWS's own
// signer.
type signer struct {
	r           *running
	id, secret  string
	at          time.Time
	header      http.Header
	alter       func(*http.Request)
	service     string
	presignedIn time.Duration
}

func (r *running) signer(key admin.AccessKey) signer {
	return signer{r: r, id: key.ID, secret: key.Secret, at: time.Now(), service: signingName, header: http.Header{}}
}

func (s signer) do(method, path, body string) (status int, text string, header http.Header) {
	s.r.t.Helper()
	req, err := http.NewRequest(method, "http://"+s.r.Addr()+path, strings.NewReader(body))
	if err != nil {
		s.r.t.Fatal(err)
	}
	req.Header = s.header.Clone()
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	credentials := aws.Credentials{AccessKeyID: s.id, SecretAccessKey: s.secret}
	if s.presignedIn > 0 {
		q := req.URL.Query()
		q.Set("X-Amz-Expires", "60")
		req.URL.RawQuery = q.Encode()
		uri, signed, err := v4.NewSigner().PresignHTTP(context.Background(), credentials, req, hash, s.service, "eu-west-1", s.at)
		if err != nil {
			s.r.t.Fatal(err)
		}
		if req.URL, err = url.Parse(uri); err != nil {
			s.r.t.Fatal(err)
		}
		for name, values := range signed {
			req.Header[name] = values
		}
	} else if err := v4.NewSigner().SignHTTP(context.Background(), credentials, req, hash, s.service, "eu-west-1", s.at); err != nil {
		s.r.t.Fatal(err)
	}
	if s.alter != nil {
		s.alter(req)
	}
	return s.r.send(req)
}

// awsServer has a data store "signed" with AWS_AUTH, and one "both" with tokens
// beside it.
func awsServer(t *testing.T, change func(*Config)) (*running, *admin.Admin) {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	cfg := testConfig(dir)
	cfg.Auth = AuthSMART
	cfg.Control.Roles = []string{"intake=CreateResource,ReadResource,SearchWithGet", "tagger=TagResource"}
	cfg.Roles = map[string]authz.Role{"patients": {Rules: []authz.Rule{{Types: []string{"Patient"}}}}}
	if change != nil {
		change(&cfg)
	}
	r := start(t, cfg)
	a := openTestAdmin(t, dir)
	for id, p := range map[string]*datastore.IdentityProvider{
		"signed": {Strategy: datastore.StrategyAWS},
		"both":   {Strategy: datastore.StrategySMART, FineGrained: true, Signed: true},
	} {
		if _, err := a.Create(ctx, id, "", p); err != nil {
			t.Fatal(err)
		}
	}
	return r, a
}

func accessKey(t *testing.T, a *admin.Admin, role string, stores ...string) admin.AccessKey {
	t.Helper()
	key, err := a.AddAccessKey(context.Background(), sigv4.Key{Role: role, DataStores: stores})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

const (
	signedBase = "/datastore/signed/r4"
	someone    = `{"resourceType":"Patient","active":true}`
)

// TestSignedRequests holds the FHIR API of AWS_AUTH data stores to AWS's signer.
func TestSignedRequests(t *testing.T) {
	r, a := awsServer(t, nil)
	s := r.signer(accessKey(t, a, sigv4.RoleAdmin))
	status, body, header := s.do("POST", signedBase+"/Patient", someone)
	if status != 201 {
		t.Fatalf("create: %d %s", status, body)
	}
	path := strings.TrimPrefix(header.Get("Location"), r.cfg.BaseURL)
	path, _, _ = strings.Cut(path, "/_history")
	presigned := s
	presigned.presignedIn = time.Minute
	for name, s := range map[string]signer{"in the header": s, "in the URL": presigned} {
		if status, body, _ := s.do("GET", path, ""); status != 200 {
			t.Errorf("read, signed %s: %d %s", name, status, body)
		}
		status, body, _ := s.do("GET", signedBase+"/Patient?_count=1&active=true", "")
		if status != 200 || !strings.Contains(body, `"total":1`) || strings.Contains(body, "X-Amz") {
			t.Errorf("search, signed %s: %d %s", name, status, body)
		}
	}
	later := s
	later.header = http.Header{"Prefer": {"respond-async"}}
	if status, body, header := later.do("GET", signedBase+"/Patient", ""); status != 202 {
		t.Errorf("respond-async: %d %s", status, body)
	} else if status, _, _ := s.do("GET", strings.TrimPrefix(header.Get("Content-Location"), r.cfg.BaseURL), ""); status != 200 && status != 202 {
		t.Errorf("the answer to come: %d", status)
	}
	later.header.Set("Content-Type", "application/fhir+json")
	if status, body, _ := later.do("POST", signedBase, `{"resourceType":"Bundle","type":"batch","entry":[]}`); status != 202 {
		t.Errorf("respond-async of a change, whose signature is good once: %d %s", status, body)
	}
	r.want(signedBase+"/metadata", 200, "AWS Signature Version 4")
	if _, text := r.get(signedBase + "/metadata"); strings.Contains(text, `"code":"SMART-on-FHIR"`) {
		t.Error("the CapabilityStatement tells of tokens, and there are none")
	}
	r.want(signedBase+"/.well-known/smart-configuration", 404, "signed requests")
}

func TestSignedRequestsRefused(t *testing.T) {
	r, a := awsServer(t, nil)
	s := r.signer(accessKey(t, a, sigv4.RoleAdmin))
	for name, c := range map[string]struct {
		change func(*signer)
		code   string
	}{
		"old":             {func(s *signer) { s.at = s.at.Add(-6 * time.Minute) }, "expired"},
		"of the future":   {func(s *signer) { s.at = s.at.Add(6 * time.Minute) }, "not yet current"},
		"presigned, old":  {func(s *signer) { s.at, s.presignedIn = s.at.Add(-2*time.Minute), time.Minute }, "expired"},
		"another service": {func(s *signer) { s.service = "s3" }, "service"},
		"another secret":  {func(s *signer) { s.secret += "x" }, "does not match"},
		"unknown key":     {func(s *signer) { s.id = "AKIANONE" }, "not known"},
		"altered body": {func(s *signer) {
			s.alter = func(r *http.Request) {
				r.Body = io.NopCloser(strings.NewReader(strings.Replace(someone, "true", "tru1", 1)))
			}
		}, "does not match"},
		"altered header": {func(s *signer) {
			s.header.Set("X-Amz-Meta", "a")
			s.alter = func(r *http.Request) { r.Header.Set("X-Amz-Meta", "b") }
		}, "does not match"},
		"header not signed": {func(s *signer) { s.alter = func(r *http.Request) { r.Header.Set("X-Amz-Meta", "b") } }, "must be among"},
		"altered query":     {func(s *signer) { s.alter = func(r *http.Request) { r.URL.RawQuery = "x=1" } }, "does not match"},
		"altered path":      {func(s *signer) { s.alter = func(r *http.Request) { r.URL.Path = "/datastore/both/r4/Patient" } }, "does not match"},
	} {
		altered := s
		altered.header = http.Header{}
		c.change(&altered)
		status, body, header := altered.do("POST", signedBase+"/Patient", someone)
		if status != 401 || !strings.Contains(body, c.code) || header.Get("Www-Authenticate") != "AWS4-HMAC-SHA256" && name != "altered path" || header.Get("X-Amzn-Errortype") == "" {
			t.Errorf("%s: %d %s %v", name, status, body, header)
		}
	}
	var replayed *http.Request
	again := s
	again.alter = func(r *http.Request) { replayed = r.Clone(context.Background()) }
	if status, body, _ := again.do("POST", signedBase+"/Patient", someone); status != 201 {
		t.Fatalf("create: %d %s", status, body)
	}
	replayed.Body = io.NopCloser(strings.NewReader(someone))
	if status, body, _ := r.send(replayed); status != 401 || !strings.Contains(body, "received before") {
		t.Errorf("a replay: %d %s", status, body)
	}
	if status, body := r.get(signedBase + "/Patient"); status != 401 || !strings.Contains(body, "must be signed") {
		t.Errorf("without a signature: %d %s", status, body)
	}
	if status, body, _ := s.do("GET", "/datastore/default/r4/Patient", ""); status != 401 || !strings.Contains(body, "takes no signed requests") {
		t.Errorf("at a data store with tokens: %d %s", status, body)
	}
}

// TestSignedRoles is what the roles of access keys allow.
func TestSignedRoles(t *testing.T) {
	keys := map[string]admin.AccessKey{}
	r, a := awsServer(t, func(c *Config) {
		// The key is older than the configuration, which has no such role any more.
		before, err := OpenAdmin(context.Background(), c.Data)
		if err != nil {
			t.Fatal(err)
		}
		keys["unheard-of"] = accessKey(t, before, "unheard-of")
		if err := before.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if status, body, _ := r.signer(accessKey(t, a, sigv4.RoleAdmin)).do("PUT", signedBase+"/Patient/p", `{"resourceType":"Patient","id":"p"}`); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	for _, c := range []struct {
		role                                string
		read, create, remove, search, other int // statuses
	}{
		{sigv4.RoleReadOnly, 200, 403, 403, 200, 404},
		{"intake", 200, 201, 403, 200, 404},
		{"tagger", 403, 403, 403, 403, 403},
		{"patients", 200, 201, 204, 200, 403},
		{authz.RoleAuditor, 200, 403, 403, 200, 403},
		{"unheard-of", 403, 403, 403, 403, 403},
	} {
		key, made := keys[c.role]
		if !made {
			key = accessKey(t, a, c.role)
		}
		s := r.signer(key)
		for _, try := range []struct {
			method, path, body string
			want               int
		}{
			{"GET", "/Patient/p", "", c.read},
			{"POST", "/Patient", someone, c.create},
			{"GET", "/Patient", "", c.search},
			{"GET", "/Observation/none", "", c.other},
			{"DELETE", "/Patient/none", "", c.remove},
		} {
			if status, body, _ := s.do(try.method, signedBase+try.path, try.body); status != try.want {
				t.Errorf("%s: %s %s: %d, want %d: %s", c.role, try.method, try.path, status, try.want, body)
			}
		}
	}
	// A role has the actions that it names, and not others of the same scope.
	intake := r.signer(accessKey(t, a, "intake"))
	if status, body, _ := intake.do("POST", signedBase+"/Patient/_search", ""); status != 403 || !strings.Contains(body, "healthlake:SearchWithPost") {
		t.Errorf("a search by POST: %d %s", status, body)
	}
	confined := r.signer(accessKey(t, a, sigv4.RoleAdmin, "both"))
	if status, _, _ := confined.do("GET", signedBase+"/Patient/p", ""); status != 403 {
		t.Errorf("a key for another data store: %d", status)
	}
	if status, _, _ := confined.do("GET", "/datastore/both/r4/Patient", ""); status != 200 {
		t.Errorf("a key for its data store: %d", status)
	}
	if status, body := r.get("/datastore/both/r4/Patient"); status != 401 || !strings.Contains(body, "or must be signed") {
		t.Errorf("without a credential: %d %s", status, body)
	}
}

// TestAPIKeys is the second factor of clients, and what it counts.
func TestAPIKeys(t *testing.T) {
	ctx := context.Background()
	r, a := awsServer(t, nil)
	if _, err := a.SetIdentity(ctx, "signed", &datastore.IdentityProvider{Strategy: datastore.StrategyAWS, APIKey: true}); err != nil {
		t.Fatal(err)
	}
	s := r.signer(accessKey(t, a, sigv4.RoleAdmin))
	try := func(name, value string, want int, text string) http.Header {
		t.Helper()
		s := s
		if value != "" {
			s.header = http.Header{"X-Api-Key": {value}}
		}
		status, body, header := s.do("GET", signedBase+"/Patient", "")
		if status != want || !strings.Contains(body, text) {
			t.Errorf("%s: %d, want %d: %s", name, status, want, body)
		}
		return header
	}
	make := func(k apikey.Key) admin.APIKey {
		t.Helper()
		made, err := a.AddAPIKey(ctx, k)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	mine := make(apikey.Key{Name: "mine", Client: s.id, Plan: apikey.Plan{Rate: 0.001, Burst: 2}})
	theirs := make(apikey.Key{Client: "other"})
	elsewhere := make(apikey.Key{DataStores: []string{"both"}})
	daily := make(apikey.Key{Plan: apikey.Plan{Quota: 1, Period: apikey.Month}})
	try("none", "", 403, "X-Api-Key")
	try("unknown", "none.none", 403, "not known")
	try("of another client", theirs.Value, 403, "another client")
	try("of another data store", elsewhere.Value, 403, "another data store")
	try("first", mine.Value, 200, "Bundle")
	try("second", mine.Value, 200, "Bundle")
	if wait := try("beyond the burst", mine.Value, 429, "throttled").Get("Retry-After"); wait == "" || wait == "0" {
		t.Errorf("Retry-After is %q", wait)
	}
	try("of the quota", daily.Value, 200, "Bundle")
	try("beyond the quota", daily.Value, 429, "is used up")
	if _, err := a.ChangeAPIKey(ctx, daily.ID, admin.APIKeyChange{Plan: apikey.Plan{Quota: 3, Period: apikey.Month}}); err != nil {
		t.Error(err)
	}
	try("of a greater quota", daily.Value, 200, "Bundle")
	if _, err := a.ChangeAPIKey(ctx, daily.ID, admin.APIKeyChange{Disabled: true}); err != nil {
		t.Error(err)
	}
	try("disabled", daily.Value, 403, "disabled")
	list, err := a.APIKeys(ctx)
	if err != nil || len(list) != 4 || list[0].Used != 2 || list[0].Value != "" {
		t.Errorf("%+v, %v", list, err)
	}
	bundles := make(apikey.Key{Plan: apikey.Plan{Quota: 3, Period: apikey.Month}})
	packed := s
	packed.header = http.Header{"X-Api-Key": {bundles.Value}}
	entry := `{"request":{"method":"GET","url":"Patient?_count=0"}}`
	if status, body, _ := packed.do("POST", signedBase, `{"resourceType":"Bundle","type":"batch","entry":[`+strings.Repeat(entry+",", 4)+entry+`]}`); status != 200 {
		t.Errorf("a batch: %d %s", status, body)
	}
	try("after a batch", bundles.Value, 429, "each entry of a Bundle counts")
	if _, err := a.DeleteAPIKey(ctx, mine.ID); err != nil {
		t.Error(err)
	}
	try("deleted", mine.Value, 403, "not known")
	r.want(signedBase+"/metadata", 200, "X-Api-Key")
}

// TestRolesOfAccessKeys are those that the configuration knows.
func TestRolesOfAccessKeys(t *testing.T) {
	_, a := awsServer(t, nil)
	for role, want := range map[string]string{
		sigv4.RoleAdmin: "", sigv4.RoleReadOnly: "", authz.RoleAuditor: "", "patients": "", "tagger": "",
		"pateints": "the role \"pateints\" means nothing to this server; use one of admin, auditor,",
	} {
		_, err := a.AddAccessKey(context.Background(), sigv4.Key{Role: role})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", role, err, want)
		}
	}
}

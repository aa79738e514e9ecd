package sigv4_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/tarnhealth/tarn/sigv4"
)

const service = "healthlake"

var credentials = aws.Credentials{AccessKeyID: exampleID, SecretAccessKey: exampleSecret}

// request is one as a server receives it, not signed yet.
func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, "http://fhir.example.org:8080"+target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/fhir+json")
	r.Header.Set("X-Amz-Target", "HealthLake.ListFHIRDatastores")
	return r
}

func hash(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// sign signs with AWS's own signer.
func sign(t *testing.T, r *http.Request, body string, at time.Time) *http.Request {
	t.Helper()
	err := v4.NewSigner().SignHTTP(ctx, credentials, r, hash(body), service, "eu-central-1", at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// presign returns the request that a presigned URL makes.
func presign(t *testing.T, r *http.Request, at time.Time, expires string) *http.Request {
	t.Helper()
	r.Header = http.Header{}
	if expires != "" {
		query := r.URL.Query()
		query.Set("X-Amz-Expires", expires)
		r.URL.RawQuery = query.Encode()
	}
	url, header, err := v4.NewSigner().PresignHTTP(ctx, credentials, r, hash(""), service, "eu-central-1", at)
	if err != nil {
		t.Fatal(err)
	}
	signed := httptest.NewRequest(r.Method, url, nil)
	for name, values := range header {
		signed.Header[name] = values
	}
	signed.Header.Del("Host")
	return signed
}

func TestRequestsThatTheSDKSigns(t *testing.T) {
	v, c := exampleVerifier(t, service)
	for i, test := range []struct{ method, target, body string }{
		{"POST", "/", `{"MaxResults":10}`},
		{"POST", "/", ""},
		{"GET", "/datastore/a/r4/Patient?name:exact=O%27Hara&name-x=1&name=b&name=a", ""},
		{"GET", "/datastore/a/r4//Patient?_id=1,2&date=ge2020-01-01T00:00:00%2B01:00", ""},
		{"GET", "/datastore/a/r4/Patient/$everything?_since=a+b&_count", ""},
		{"GET", "/datastore/a/r4/Patient/%E1%88%B4%2F?code=http://loinc.org%7C1234-5", ""},
		{"PUT", "/datastore/a/r4/Patient/1", `{"resourceType":"Patient"}`},
	} {
		c.at = c.at.Add(time.Second)
		r := sign(t, request(test.method, test.target, test.body), test.body, c.at)
		key, err := v.Verify(r)
		if err != nil || key.ID != exampleID || key.Role != sigv4.RoleAdmin {
			t.Errorf("%d: Verify = %+v, %v", i, key, err)
			continue
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != test.body {
			t.Errorf("%d: the body is %q afterwards, %v", i, body, err)
		}
	}
}

// TestWhatIsAlteredIsRefused alters one thing after signing.
func TestWhatIsAlteredIsRefused(t *testing.T) {
	const body = `{"DatastoreId":"a"}`
	for name, test := range map[string]struct {
		alter func(*http.Request)
		code  string
		text  string
	}{
		"body":           {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"DatastoreId":"b"}`)) }, sigv4.CodeInvalid, "does not match"},
		"no body":        {func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 0 }, sigv4.CodeInvalid, "does not match"},
		"target":         {func(r *http.Request) { r.Header.Set("X-Amz-Target", "HealthLake.DeleteFHIRDatastore") }, sigv4.CodeInvalid, "does not match"},
		"second target":  {func(r *http.Request) { r.Header.Add("X-Amz-Target", "HealthLake.DeleteFHIRDatastore") }, sigv4.CodeInvalid, "does not match"},
		"no target":      {func(r *http.Request) { r.Header.Del("X-Amz-Target") }, sigv4.CodeInvalid, "x-amz-target was signed"},
		"content type":   {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, sigv4.CodeInvalid, "does not match"},
		"unsigned x-amz": {func(r *http.Request) { r.Header.Set("X-Amz-Fhir-Idempotency-Key", "1") }, sigv4.CodeInvalid, "x-amz-fhir-idempotency-key"},
		"host":           {func(r *http.Request) { r.Host = "other.example.org" }, sigv4.CodeInvalid, "does not match"},
		"path":           {func(r *http.Request) { r.URL.Path = "/datastore" }, sigv4.CodeInvalid, "does not match"},
		"dots":           {func(r *http.Request) { r.URL.Path = "/x/.." }, sigv4.CodeInvalid, "segments"},
		"query":          {func(r *http.Request) { r.URL.RawQuery = "a=b" }, sigv4.CodeInvalid, "does not match"},
		"method":         {func(r *http.Request) { r.Method = "PUT" }, sigv4.CodeInvalid, "does not match"},
		"date":           {func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150830T123601Z") }, sigv4.CodeInvalid, "does not match"},
		"another day":    {func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150829T123600Z") }, sigv4.CodeInvalid, "not that of X-Amz-Date"},
		"no date":        {func(r *http.Request) { r.Header.Del("X-Amz-Date") }, sigv4.CodeIncomplete, "X-Amz-Date"},
		"security token": {func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") }, sigv4.CodeInvalid, "x-amz-security-token"},
		"stated hash":    {func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", hash(body)) }, sigv4.CodeInvalid, "x-amz-content-sha256"},
		"twice":          {func(r *http.Request) { r.Header.Add("Authorization", "Bearer x") }, sigv4.CodeIncomplete, "2 Authorization"},
		"not signed":     {func(r *http.Request) { r.Header.Del("Authorization") }, sigv4.CodeMissing, "not signed"},
		"another scheme": {func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, sigv4.CodeIncomplete, "must begin"},
		"key":            {edit("Credential="+exampleID, "Credential=AKIAUNKNOWN12345"), sigv4.CodeUnknownKey, "not known"},
		"region":         {edit("/eu-central-1/", "/us-east-1/"), sigv4.CodeInvalid, "does not match"},
		"service":        {edit("/healthlake/", "/s3/"), sigv4.CodeInvalid, `scoped to "healthlake"`},
		"terminator":     {edit("/aws4_request", "/aws5_request"), sigv4.CodeIncomplete, "scope"},
		"short scope":    {edit("/eu-central-1/", "/"), sigv4.CodeIncomplete, "scope"},
		"signature":      {edit("Signature=", "Signature=00"), sigv4.CodeIncomplete, "64 hex"},
		"no hex":         {edit("Signature=", "Signature=x"), sigv4.CodeIncomplete, "64 hex"},
		"unsigned host":  {edit(";host;", ";"), sigv4.CodeInvalid, "host"},
		"unsigned date":  {edit("x-amz-date;", ""), sigv4.CodeInvalid, "x-amz-date"},
		"order":          {edit("SignedHeaders=", "SignedHeaders=z;"), sigv4.CodeIncomplete, "sorted"},
		"case":           {edit(";host;", ";Host;"), sigv4.CodeIncomplete, "lower case"},
		"more parts":     {edit("SignedHeaders=", "X=1, SignedHeaders="), sigv4.CodeIncomplete, "nothing else"},
		"part twice":     {edit("SignedHeaders=", "Credential=1, SignedHeaders="), sigv4.CodeIncomplete, "once each"},
		"algorithm":      {edit("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), sigv4.CodeIncomplete, "AWS4-HMAC-SHA256"},
		"both forms":     {func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=00" }, sigv4.CodeIncomplete, "one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			v, c := exampleVerifier(t, service)
			r := sign(t, request("POST", "/", body), body, c.at)
			test.alter(r)
			_, err := v.Verify(r)
			wantRefused(t, err, test.code, test.text)
		})
	}
}

// edit replaces a part of the Authorization header, which must be there.
func edit(from, to string) func(*http.Request) {
	return func(r *http.Request) {
		old := r.Header.Get("Authorization")
		if !strings.Contains(old, from) {
			panic(fmt.Sprintf("%q is not in %q", from, old))
		}
		r.Header.Set("Authorization", strings.Replace(old, from, to, 1))
	}
}

func TestStatedHashOfTheBody(t *testing.T) {
	v, c := exampleVerifier(t, service)
	for stated, ok := range map[string]bool{hash("a"): true, hash("b"): false, "UNSIGNED-PAYLOAD": false, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": false} {
		r := request("POST", "/", "a")
		r.Header.Set("X-Amz-Content-Sha256", stated)
		if err := v4.NewSigner().SignHTTP(ctx, credentials, r, stated, service, "x", c.at); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(r); ok != (err == nil) {
			t.Errorf("%s: %v", stated, err)
		}
	}
}

func TestWindowOfTime(t *testing.T) {
	v, c := exampleVerifier(t, service)
	for _, test := range []struct {
		off  time.Duration
		text string
	}{
		{-5*time.Minute - time.Second, "expired"}, {-5 * time.Minute, ""}, {0, ""}, {5 * time.Minute, ""},
		{5*time.Minute + time.Second, "not yet current"}, {-24 * time.Hour, "expired"}, {24 * time.Hour, "not yet current"},
	} {
		_, err := v.Verify(sign(t, request("GET", "/", ""), "", c.at.Add(test.off)))
		if test.text == "" {
			if err != nil {
				t.Errorf("%v off: %v", test.off, err)
			}
			continue
		}
		wantRefused(t, err, sigv4.CodeInvalid, test.text)
	}
}

func TestReplay(t *testing.T) {
	v, c := exampleVerifier(t, service)
	signed := sign(t, request("POST", "/", "a"), "a", c.at)
	again := func() *http.Request {
		r := request("POST", "/", "a")
		r.Header = signed.Header.Clone()
		return r
	}
	if _, err := v.Verify(again()); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		_, err := v.Verify(again())
		wantRefused(t, err, sigv4.CodeInvalid, "received before")
		c.at = c.at.Add(time.Minute)
	}
	_, err := v.Verify(again())
	wantRefused(t, err, sigv4.CodeInvalid, "received before")
	c.at = c.at.Add(time.Second)
	_, err = v.Verify(again())
	wantRefused(t, err, sigv4.CodeInvalid, "expired")

	read := sign(t, request("GET", "/", ""), "", c.at)
	for range 2 {
		if _, err := v.Verify(read); err != nil {
			t.Errorf("a read: %v", err)
		}
	}
}

func TestPresignedURLs(t *testing.T) {
	v, c := exampleVerifier(t, service)
	make := func(target, expires string) *http.Request {
		return presign(t, request("GET", target, ""), c.at, expires)
	}
	r := make("/datastore/a/r4/Patient?name:exact=x&_count=1", "900")
	key, err := v.Verify(r)
	if err != nil || key.ID != exampleID {
		t.Fatalf("Verify = %+v, %v", key, err)
	}
	if query := r.URL.Query(); len(query) != 2 || query.Get("name:exact") != "x" {
		t.Errorf("the query is %q afterwards", r.URL.RawQuery)
	}

	for _, test := range []struct{ expires, code, text string }{
		{"901", sigv4.CodeInvalid, "at most 900"}, {"0", sigv4.CodeIncomplete, "X-Amz-Expires"}, {"-1", sigv4.CodeIncomplete, "X-Amz-Expires"},
		{"x", sigv4.CodeIncomplete, "X-Amz-Expires"}, {"", sigv4.CodeIncomplete, "X-Amz-Expires"}, {"99999999999999999999", sigv4.CodeIncomplete, "X-Amz-Expires"},
	} {
		_, err := v.Verify(make("/", test.expires))
		wantRefused(t, err, test.code, test.text)
	}
	for _, from := range []string{"a/r4", "X-Amz-Date=20150830T123600Z", "X-Amz-Expires=60", "X-Amz-Algorithm=AWS4-HMAC-SHA256&", "%2Fhealthlake%2F"} {
		url := make("/datastore/a/r4/Patient", "60").URL.String()
		altered := strings.Replace(url, from, strings.Replace(from, from[len(from)-3:len(from)-1], "59", 1), 1)
		if altered == url {
			t.Fatalf("%q is not in %s", from, url)
		}
		if _, err := v.Verify(httptest.NewRequest("GET", altered, nil)); err == nil {
			t.Errorf("taken without its %s", from)
		}
	}
	late := make("/", "60")
	c.at = c.at.Add(61 * time.Second)
	_, err = v.Verify(late)
	wantRefused(t, err, sigv4.CodeInvalid, "expired")
	_, err = v.Verify(presign(t, request("GET", "/", ""), c.at.Add(5*time.Minute+time.Second), "60"))
	wantRefused(t, err, sigv4.CodeInvalid, "not yet current")

	signed := presign(t, request("DELETE", "/", ""), c.at, "60")
	if _, err := v.Verify(signed.Clone(ctx)); err != nil {
		t.Error(err)
	}
	_, err = v.Verify(signed.Clone(ctx))
	wantRefused(t, err, sigv4.CodeInvalid, "received before")
}

func TestRegionHostAndSize(t *testing.T) {
	_, c := exampleVerifier(t, service)
	keys := newKeys(t, c)
	if err := keys.Import(ctx, sigv4.Key{ID: exampleID, Role: "clerk"}, exampleSecret); err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, sigv4.Config{
		Keys: keys, Service: service, Region: "us-east-1", MaxBody: 3, Now: c.now,
		Host: func(r *http.Request) string { return r.Header.Get("X-Forwarded-Host") },
	})
	signed := func(region, body string) *http.Request {
		r := request("POST", "/", body)
		if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hash(body), service, region, c.at); err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-Host", r.Host)
		r.Host = "inside:1"
		return r
	}
	if _, err := v.Verify(signed("us-east-1", "abc")); err != nil {
		t.Error(err)
	}
	_, err := v.Verify(signed("us-east-2", "abc"))
	wantRefused(t, err, sigv4.CodeInvalid, `scoped to "us-east-1"`)
	for _, length := range []int64{4, -1} {
		r := signed("us-east-1", "abcd")
		r.ContentLength = length
		_, err = v.Verify(r)
		wantRefused(t, err, sigv4.CodeTooLarge, "bytes")
	}
}

func TestSigned(t *testing.T) {
	for _, test := range []struct {
		authorization, query string
		want                 bool
	}{
		{"", "", false}, {"Bearer x", "", false}, {"Bearer x", "X-Amz-Signature=1", false},
		{"AWS4-HMAC-SHA256 x", "", true}, {"", "X-Amz-Signature=1", true},
	} {
		r := httptest.NewRequest("GET", "/?"+test.query, nil)
		if test.authorization != "" {
			r.Header.Set("Authorization", test.authorization)
		}
		if got := sigv4.Signed(r); got != test.want {
			t.Errorf("Signed(%+v) = %v", test, got)
		}
	}
}

// FuzzVerify looks for requests that panic, or are taken without a key.
func FuzzVerify(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=A/20150830/x/healthlake/aws4_request, SignedHeaders=host;x-amz-date, Signature="+hash(""), "20150830T123600Z", "a=b")
	f.Add("", "", "X-Amz-Signature=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20150830T123600Z&X-Amz-Expires=1&X-Amz-Credential=A/20150830/x/healthlake/aws4_request&X-Amz-SignedHeaders=host")
	f.Fuzz(func(t *testing.T, authorization, date, query string) {
		c := &clock{exampleTime}
		v := newVerifier(t, sigv4.Config{Keys: newKeys(t, c), Service: service, Now: c.now})
		r := httptest.NewRequest("GET", "/a%2Fb/", nil)
		r.URL.RawQuery = query
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		r.Header.Set("X-Amz-Date", date)
		if _, err := v.Verify(r); err == nil {
			t.Error("taken")
		}
	})
}

package healthlake_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/sigv4"
)

var ctx = context.Background()

// A server is the control API over HTTP, with signed requests.
type server struct {
	*testing.T
	url string
	// files is a folder that jobs may use, s3 opens buckets.
	files  string
	s3     func(context.Context, string) (blob.Bucket, error)
	stores *datastore.Catalog
	keys   *sigv4.Keys

	mu     sync.Mutex
	events []healthlake.Event
	// ahead is how far the clock is put forward.
	ahead time.Duration
}

// patience is how long what must happen may take: longer than the tests.
const patience = time.Hour

func (s *server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.ahead)
}

// start starts a server; with changes its configuration.
func start(t *testing.T, with func(*healthlake.Config)) *server {
	t.Helper()
	s := &server{T: t}
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem(), Now: s.now})
	if err != nil {
		t.Fatal(err)
	}
	s.stores, err = datastore.Open(ctx, datastore.Options{Backend: folder, BaseURL: "https://fhir.example.org", Now: s.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stores.Close() })
	box, err := crypt.NewBox(bytes.Repeat([]byte{7}, crypt.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	s.keys = sigv4.NewKeys(folder.Records(), box, nil)
	verifier, err := sigv4.NewVerifier(sigv4.Config{Keys: s.keys, Service: "healthlake", Changes: healthlake.Changes})
	if err != nil {
		t.Fatal(err)
	}
	s.files, s.s3 = t.TempDir(), nil
	cfg := healthlake.Config{
		Stores: s.stores, Bulk: newJobs(t, s.stores, folder.Records(), s), PreloadPatients: 5, Authenticate: verifier.Verify, BaseURL: "https://fhir.example.org", Account: "123456789012",
		Logger: slog.New(slog.DiscardHandler), Now: s.now,
		Record: func(_ context.Context, e healthlake.Event) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e)
			return nil
		},
	}
	if with != nil {
		with(&cfg)
	}
	handler, err := healthlake.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	s.url = web.URL
	return s
}

// newJobs makes jobs that run; s, where not nil, says which places there are.
func newJobs(t testing.TB, stores *datastore.Catalog, records kv.DB, s *server) *bulk.Service {
	t.Helper()
	files, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	opt := bulk.Options{
		Stores: stores, Records: records, Files: files, Logger: slog.New(slog.DiscardHandler),
		Keep: func(*http.Request, *datastore.Store) (string, []byte, error) { return "", nil, nil },
		Restore: func(context.Context, *datastore.Store, []byte) (authz.Access, error) {
			return authz.Unrestricted(), nil
		},
	}
	if s != nil {
		opt.Places = blob.Places{Roots: []string{s.files}, Buckets: []string{"*"}, S3: func(ctx context.Context, name string) (blob.Bucket, error) { return s.s3(ctx, name) }}
	}
	service, err := bulk.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	work, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); service.Run(work) }()
	t.Cleanup(func() { cancel(); <-ended })
	return service
}

// client is AWS's own, with a new access key; only its endpoint is set.
func (s *server) client(key sigv4.Key) *sdk.Client {
	s.Helper()
	made, secret, err := s.keys.Create(ctx, key)
	if err != nil {
		s.Fatal(err)
	}
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(made.ID, secret, ""),
	})
}

func (s *server) admin() *sdk.Client { return s.client(sigv4.Key{Role: sigv4.RoleAdmin}) }

// A caller sends requests that AWS's client would not.
type caller struct {
	s   *server
	key aws.Credentials
}

func (s *server) caller(key sigv4.Key) *caller {
	s.Helper()
	made, secret, err := s.keys.Create(ctx, key)
	if err != nil {
		s.Fatal(err)
	}
	return &caller{s, aws.Credentials{AccessKeyID: made.ID, SecretAccessKey: secret}}
}

// An answer is one of the control API.
type answer struct {
	status        int
	header        http.Header
	body          string
	code, message string
}

func (c *caller) do(operation, body string, alter ...func(*http.Request)) answer {
	c.s.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.s.url+"/", strings.NewReader(body))
	if err != nil {
		c.s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "HealthLake."+operation)
	r.Header.Set("Amz-Sdk-Invocation-Id", c.s.Name()+time.Now().String())
	for _, a := range alter {
		a(r)
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, c.key, r, hex.EncodeToString(sum[:]), "healthlake", "us-east-1", time.Now()); err != nil {
		c.s.Fatal(err)
	}
	return c.s.send(r)
}

func (s *server) send(r *http.Request) answer {
	s.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, body: string(raw)}
	if a.status != http.StatusOK {
		var told struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal(raw, &told); err != nil {
			s.Fatalf("%s: %v", raw, err)
		}
		a.code, a.message = told.Type, told.Message
	}
	return a
}

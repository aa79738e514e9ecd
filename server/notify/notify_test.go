package notify_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble/record"
	"github.com/tarnhealth/tarn/server/notify"
	"github.com/tarnhealth/tarn/server/settings"
)

// output tells when it has so many lines.
type output struct {
	mu    sync.Mutex
	lines []string
	want  int
	full  chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lines = append(o.lines, string(b)); len(o.lines) == o.want {
		close(o.full)
	}
	return len(b), nil
}

// varying are the parts of an event that are never the same.
var varying = regexp.MustCompile(`"id":"[0-9a-f-]{36}"|"time":"[0-9-]+T[0-9:]+Z"`)

const eventsOfALife = `{"version":"0",ID,"detail-type":"Data Store Creating","source":"aws.healthlake","account":"123456789012",TIME,"region":"eu-west-1","resources":["arn:aws:healthlake:eu-west-1:123456789012:datastore/fhir/one"],"detail":{"datastoreId":"one","datastoreName":"first","datastoreTypeVersion":"R4","datastoreEndpoint":"https://fhir.example.org/datastore/one/r4/","datastoreStatus":"CREATING"}}
{"version":"0",ID,"detail-type":"Data Store Creation Failed","source":"aws.healthlake","account":"123456789012",TIME,"region":"eu-west-1","resources":["arn:aws:healthlake:eu-west-1:123456789012:datastore/fhir/one"],"detail":{"datastoreId":"one","datastoreName":"first","datastoreTypeVersion":"R4","datastoreEndpoint":"https://fhir.example.org/datastore/one/r4/","datastoreStatus":"CREATE_FAILED","message":"the disk is full"}}
{"version":"0",ID,"detail-type":"Data Store Active","source":"aws.healthlake","account":"123456789012",TIME,"region":"eu-west-1","resources":["arn:aws:healthlake:eu-west-1:123456789012:datastore/fhir/one"],"detail":{"datastoreId":"one","datastoreName":"first","datastoreTypeVersion":"R4","datastoreEndpoint":"https://fhir.example.org/datastore/one/r4/","datastoreStatus":"ACTIVE"}}
{"version":"0",ID,"detail-type":"Import Job Submitted","source":"aws.healthlake","account":"123456789012",TIME,"region":"eu-west-1","resources":["arn:aws:healthlake:eu-west-1:123456789012:datastore/fhir/one"],"detail":{"jobId":"j1","jobName":"nightly","jobStatus":"SUBMITTED","submitTime":"2026-01-31T12:00:00.123Z","datastoreId":"one","inputDataConfig":{"s3Uri":"s3://in/"},"outputDataConfig":{"s3Uri":"s3://out/"}}}
{"version":"0",ID,"detail-type":"Import Job Completed With Errors","source":"aws.healthlake","account":"123456789012",TIME,"region":"eu-west-1","resources":["arn:aws:healthlake:eu-west-1:123456789012:datastore/fhir/one"],"detail":{"jobId":"j1","jobStatus":"COMPLETED_WITH_ERRORS","submitTime":"2026-01-31T12:00:00.123Z","endTime":"2026-01-31T12:01:00.123Z","datastoreId":"one"}}
{"version":"0",ID,"detail-type":"Export Job Cancelled","source":"aws.healthlake","account":"000000000000",TIME,"region":"us-east-1","resources":["arn:aws:healthlake:us-east-1:000000000000:datastore/fhir/two"],"detail":{"jobId":"j2","jobStatus":"CANCEL_COMPLETED","submitTime":"2026-01-31T12:00:00.123Z","datastoreId":"two"}}
{"version":"0",ID,"detail-type":"Data Store Deleted","source":"aws.healthlake","account":"123456789012",TIME,"region":"eu-west-1","resources":["arn:aws:healthlake:eu-west-1:123456789012:datastore/fhir/one"],"detail":{"datastoreId":"one","datastoreName":"first","datastoreTypeVersion":"R4","datastoreEndpoint":"https://fhir.example.org/datastore/one/r4/","datastoreStatus":"DELETED"}}
`

// TestEvents is how changes are told.
func TestEvents(t *testing.T) {
	db, err := record.Open("kv", record.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	out := &output{want: strings.Count(eventsOfALife, "\n"), full: make(chan struct{})}
	teller := (&notify.Config{Sinks: []string{"stdout"}}).Open(db, "https://fhir.example.org/", out, slog.New(slog.DiscardHandler))
	teller.Region, teller.Account = "us-east-1", "000000000000"
	r := datastore.Record{ID: "one", Name: "first", Release: "R4", Control: &datastore.Control{Region: "eu-west-1", Account: "123456789012"}}
	at := time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC)
	store := func(s datastore.Status) func(kv.Tx) error {
		return func(tx kv.Tx) error { r.Status = s; return teller.Store(tx, r) }
	}
	job := func(c bulk.Change) func(kv.Tx) error {
		c.Submitted = at
		if c.Store.ID == "" {
			c.Store = r
		}
		return func(tx kv.Tx) error { return teller.Job(tx, c) }
	}
	for _, change := range []func(kv.Tx) error{
		store(datastore.StatusCreating),
		job(bulk.Change{Action: "preload", Status: bulk.Status{State: bulk.InProgress}}), // says nothing of the data store
		job(bulk.Change{Action: "preload", Status: bulk.Status{State: bulk.Failed, Message: "the disk is full"}}),
		job(bulk.Change{Action: "restore", Status: bulk.Status{State: bulk.Completed}}),
		job(bulk.Change{Action: "import", Status: bulk.Status{ID: "j1", State: bulk.Submitted}, Name: "nightly", Input: "s3://in/", Output: "s3://out/"}),
		job(bulk.Change{Action: "import", Status: bulk.Status{ID: "j1", State: bulk.CompletedWithErrors, EndTime: at.Add(time.Minute)}}),
		job(bulk.Change{Action: "export", Store: datastore.Record{ID: "two"}, Status: bulk.Status{ID: "j2", State: bulk.CancelCompleted}}),
		store(datastore.StatusDeleted),
	} {
		if err := db.Update(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); teller.Tend(ctx, nil) }()
	<-out.full
	stop()
	<-ended
	got := varying.ReplaceAllStringFunc(strings.Join(out.lines, ""), func(s string) string {
		name, _, _ := strings.Cut(s[1:], `"`)
		return strings.ToUpper(name)
	})
	if got != eventsOfALife {
		t.Error(got)
	}
	for _, l := range out.lines {
		if !json.Valid([]byte(l)) {
			t.Error(l)
		}
	}
}

// TestNobodyIsTold is the usual server.
func TestNobodyIsTold(t *testing.T) {
	teller := (&notify.Config{}).Open(nil, "", nil, nil)
	if err := teller.Store(nil, datastore.Record{}); err != nil {
		t.Error(err)
	}
	if err := teller.Job(nil, bulk.Change{}); err != nil {
		t.Error(err)
	}
	teller.Tend(t.Context(), nil)
}

func TestSettings(t *testing.T) {
	type config struct{ notify.Config }
	all := notify.Settings(func(c *config) *notify.Config { return &c.Config })
	secret := filepath.Join(t.TempDir(), "secret")
	for _, test := range []struct{ sinks, file, text, problem, check string }{
		{"stdout,log", "", "", "", ""},
		{"https://a.example.org/x,http://127.0.0.1:1/,http://localhost/x", secret, "whsec_" + strings.Repeat("QUJD", 8), "", ""},
		{"http://a.example.org", "", "", "https", ""},
		{"ftp://a.example.org", "", "", "https", ""},
		{"https://u:p@a.example.org", "", "", "https", ""},
		{"syslog", "", "", "stdout", ""},
		{"log,log", "", "", "twice", ""},
		{"https://a.example.org", "", "", "", "secret_file does not say"},
		{"log", secret, "", "", "names no URL"},
		{"https://a.example.org", secret + "2", "", "", "no such file"},
		{"https://a.example.org", secret, "hunter2", "", "line 1 is no secret"},
	} {
		if err := os.WriteFile(secret, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := &config{}
		l := settings.Loader[config]{Config: c, Given: map[string]bool{}}
		l.Give("a flag", settings.Named(all, "events.sinks"), test.sinks)
		if test.file != "" {
			l.Give("a flag", settings.Named(all, "events.secret_file"), test.file)
		}
		problem := ""
		for _, p := range l.Problems {
			problem += p.Text
		}
		if (problem == "") != (test.problem == "") || !strings.Contains(problem, test.problem) {
			t.Errorf("%+v: %s", test, problem)
			continue
		}
		if check := c.Check(); problem == "" && ((check == "") != (test.check == "") || !strings.Contains(check, test.check)) {
			t.Errorf("%+v: %s", test, check)
		}
	}
}

package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/klauspost/compress/gzip"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	records "github.com/tarnhealth/tarn/pebble/record"
	"github.com/tarnhealth/tarn/validate"
)

func openDB(t testing.TB) kv.DB {
	t.Helper()
	db, err := records.Open("db", records.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// collector is a Sink that keeps the ids.
type collector struct {
	ids  []string
	fail error
	// got has an element for each call, where not nil.
	got chan int
}

func (c *collector) Write(_ context.Context, events []Event) error {
	if c.fail != nil {
		err := c.fail
		c.fail = nil
		return err
	}
	for _, e := range events {
		c.ids = append(c.ids, e.ID)
	}
	if c.got != nil {
		c.got <- len(events)
	}
	return nil
}

func ids(from, to int) string {
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprintf("audit-%d", n))
	}
	return strings.Join(all, " ")
}

func TestFollowerRemembers(t *testing.T) {
	l, db, ctx := openLog(t, t.TempDir(), small), openDB(t), context.Background()
	appendAll(t, l, 1, 20)
	first := &collector{}
	f := &Follower{Log: l, Sink: first, Name: "x", DB: db, Batch: 3}
	if left, err := f.CatchUp(ctx, 10); left != 0 || err != nil {
		t.Fatal(left, err)
	}
	f.Close()
	second := &collector{fail: errors.New("not now")}
	f = &Follower{Log: l, Sink: second, Name: "x", DB: db, Batch: 3}
	if left, err := f.CatchUp(ctx, 20); err == nil || left == 0 {
		t.Fatal("the sink's error is lost")
	}
	if _, err := f.CatchUp(ctx, 20); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, 21, 25)
	if _, err := f.CatchUp(ctx, 25); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if got := strings.Join(append(first.ids, second.ids...), " "); got != ids(1, 25) {
		t.Errorf("handed on: %s", got)
	}
}

func TestFollowerRuns(t *testing.T) {
	l, db := openLog(t, t.TempDir(), small), openDB(t)
	ctx, stop := context.WithCancel(context.Background())
	c := &collector{got: make(chan int, 100), fail: errors.New("not now")}
	rested := make(chan time.Time)
	close(rested)
	f := &Follower{Log: l, Sink: c, Name: "x", DB: db, Share: 0.1, After: func(time.Duration) <-chan time.Time { return rested }, Logger: slog.New(slog.DiscardHandler)}
	ended := make(chan struct{})
	go func() { f.Run(ctx); close(ended) }()
	for n := 0; n < 30; {
		if n%10 == 0 {
			appendAll(t, l, n+1, n+10)
		}
		n += <-c.got
	}
	stop()
	<-ended
	f.Close()
	if got := strings.Join(c.ids, " "); got != ids(1, 30) {
		t.Errorf("handed on: %s", got)
	}
}

// TestFollowerGathers lets records come while a batch is handed on, and during
// the pause after it: they are one batch.
func TestFollowerGathers(t *testing.T) {
	l, db := openLog(t, t.TempDir(), small), openDB(t)
	ctx, stop := context.WithCancel(context.Background())
	appendAll(t, l, 1, 3)
	var lots []int
	sink := sinkFunc(func(events []Event) {
		if lots = append(lots, len(events)); len(lots) == 1 {
			appendAll(t, l, 4, 6)
			return
		}
		stop()
	})
	after := func(d time.Duration) <-chan time.Time {
		if len(lots) != 1 || d != aWhile {
			t.Errorf("a pause of %s behind %v", d, lots)
		}
		appendAll(t, l, 7, 10)
		over := make(chan time.Time)
		close(over)
		return over
	}
	f := &Follower{Log: l, Sink: sink, Name: "x", DB: db, Share: 0.5, Pause: aWhile, After: after}
	f.Run(ctx)
	f.Close()
	if !slices.Equal(lots, []int{3, 7}) {
		t.Errorf("lots of %v", lots)
	}
}

type sinkFunc func([]Event)

func (f sinkFunc) Write(_ context.Context, events []Event) error {
	f(events)
	return nil
}

// samples are records of every class.
func samples() []Stored {
	who := Agent{User: "u1", FHIRUser: "Practitioner/1", Client: "app", Address: "192.0.2.1", Roles: []string{"practitioner"}, Purpose: "TREAT"}
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	of := []Record{
		{Action: "read", Status: 200, Entities: []string{"Patient/1/_history/2"}, Patients: []string{"1"}, Agent: who, Request: "r1", Store: "default"},
		{Action: "search-type", Status: 200, Query: "Patient?name=x", Patients: []string{"1", "2", "3"}, Agent: who, Request: "r2", Entry: 3},
		{Action: "read", Status: 404, Entities: []string{"Patient/no such id!"}, Agent: who},
		{Action: "unknown", Status: 401, Query: "x"},
		{Action: "update", Status: 500, Entities: []string{"Patient/1"}, Patients: []string{"1"}, Agent: Agent{Client: "service"}},
		{Action: "$everything", Status: 200, Patients: []string{"1"}, Query: "Patient/1/$everything"},
		{Action: "$erase", Status: 200, Entities: []string{"Patient/1"}},
		{Action: "sign-in", Class: ClassSignIn, Agent: Agent{User: "u1"}, Detail: "pwd otp"},
		{Action: "sign-in-failed", Class: ClassSignIn, Refused: true},
		{Action: "token", Class: ClassGrant, Agent: who, Detail: "patient/*.rs"},
		{Action: "datastore-created", Class: ClassAdmin, Entities: []string{"trial"}},
		{Action: "recovered", Class: ClassLog},
	}
	var all []Stored
	for i, r := range of {
		r.Time = at
		all = append(all, Stored{Number: uint64(i + 1), Record: r})
	}
	return all
}

func TestAuditEventsAreValid(t *testing.T) {
	check, count := eventCheck(), 0
	for _, s := range samples() {
		count += check(t, &s)
	}
	if count != len(samples())+2 {
		t.Errorf("%d events", count)
	}
}

// eventCheck checks the AuditEvents of a record and counts them.
func eventCheck() func(*testing.T, *Stored) int {
	set := definition.R4()
	validator := validate.New(set)
	return func(t *testing.T, s *Stored) int {
		t.Helper()
		events, err := Events(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			tree, err := fhir.Parse(set.Schema, e.JSON, fhir.DefaultLimits)
			if err != nil {
				t.Fatalf("%s: %v", e.JSON, err)
			}
			for _, issue := range validator.Validate(tree) {
				t.Errorf("%s: %+v", e.JSON, issue)
			}
			if !fhir.ValidID(e.ID) || strings.Count(string(e.JSON), `"requestor":true`) != 1 {
				t.Errorf("%s", e.JSON)
			}
		}
		return len(events)
	}
}

// FuzzAuditEvents: whatever callers send and is recorded, the AuditEvents of it
// are valid. One that a data store refuses would keep back all after it.
func FuzzAuditEvents(f *testing.F) {
	for _, text := range []string{
		"", "Patient/1\x00", "Patient/1\x7f", "\xff\xfe", " ", "\t", "Patient/" + strings.Repeat("a", 65), "Patient/1/_history/\n", "http://\x01/Patient/1",
		"https:// a b", "Observation/a b", "$x  y", "$\u00a0\u2028", "\ufeff", "//", "Patient//", "_/1", "urn:uuid:1",
	} {
		for class := range 4 {
			f.Add(text, class)
		}
	}
	check, classes := eventCheck(), []Class{ClassREST, ClassSignIn, ClassAdmin, ClassErasure}
	f.Fuzz(func(t *testing.T, text string, class int) {
		all := []string{text}
		check(t, &Stored{Number: 1, Record: Record{
			Time: time.Unix(1_800_000_000, 0), Action: text, Class: classes[uint(class)%4], Request: text, Status: 404, Entities: all, Patients: all, Query: text, Detail: text,
			Agent: Agent{User: text, FHIRUser: text, Client: text, Address: text, Roles: all, Purpose: text},
		}})
		check(t, &Stored{Number: 2, Record: Record{Time: time.Unix(1_800_000_000, 0), Action: "read", Status: 200, Entities: all, Agent: Agent{FHIRUser: text}}})
	})
}

func TestAuditEventOfARead(t *testing.T) {
	s := samples()[0]
	events, err := Events(&s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"resourceType":"AuditEvent","id":"audit-1","meta":{"profile":["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"]},` +
		`"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest","display":"RESTful Operation"},"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":"read"}],` +
		`"action":"R","recorded":"2026-01-31T12:00:00.000Z","outcome":"0","outcomeDesc":"HTTP status 200","purposeOfEvent":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}]}],"agent":[` +
		`{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110152","display":"Destination Role ID"}]},"who":{"identifier":{"value":"app"}},"name":"app","requestor":false,"network":{"address":"192.0.2.1","type":"2"}},` +
		`{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110153","display":"Source Role ID"}]},"who":{"display":"Tarn"},"requestor":false},` +
		`{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP","display":"information recipient"}]},"role":[{"text":"practitioner"}],"who":{"reference":"Practitioner/1","identifier":{"value":"u1"}},"name":"u1","requestor":true,"purposeOfUse":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}]}]}],` +
		`"source":{"observer":{"display":"Tarn"},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4","display":"Application Server"}]},"entity":[` +
		`{"what":{"reference":"Patient/1/_history/2"},"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2","display":"System Object"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"4","display":"Domain Resource"}},` +
		`{"what":{"reference":"Patient/1"},"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"1","display":"Person"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"1","display":"Patient"}},` +
		`{"what":{"identifier":{"value":"r1"}},"type":{"system":"https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType","code":"XrequestId"}}]}`
	if got := string(events[0].JSON); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func sampleEvents(t testing.TB) []Event {
	var all []Event
	for _, s := range samples()[:3] {
		of, err := Events(&s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, of...)
	}
	return all
}

func TestSyslog(t *testing.T) {
	near, far := net.Pipe()
	got := make(chan string)
	go func() { b, _ := io.ReadAll(far); got <- string(b) }()
	s := &Syslog{Network: "tcp", Address: "x", Host: "h", Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
	events := sampleEvents(t)
	if err := s.Write(context.Background(), events); err != nil {
		t.Fatal(err)
	}
	s.Close()
	text, want := <-got, ""
	for i, e := range events {
		m := fmt.Sprintf("<%d>1 2026-01-31T12:00:00.000000Z h tarn - AuditEvent - %s", map[bool]int{true: 108, false: 109}[i == 4], e.JSON)
		want += fmt.Sprintf("%d %s", len(m), m)
	}
	if text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

func TestOTLP(t *testing.T) {
	status, body := http.StatusOK, ""
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		w.WriteHeader(status)
	}))
	defer web.Close()
	o := &OTLP{URL: web.URL + "/v1/logs"}
	events := sampleEvents(t)
	if err := o.Write(context.Background(), events); err != nil {
		t.Fatal(err)
	}
	var sent struct {
		ResourceLogs []struct {
			ScopeLogs []struct {
				LogRecords []struct {
					TimeUnixNano string
					Body         struct{ StringValue string }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil {
		t.Fatal(err)
	}
	logged := sent.ResourceLogs[0].ScopeLogs[0].LogRecords
	if len(logged) != len(events) || logged[0].Body.StringValue != string(events[0].JSON) || logged[0].TimeUnixNano != "1769860800000000000" {
		t.Errorf("%s", body)
	}
	for _, status = range []int{302, 400, 503} {
		if err := o.Write(context.Background(), events); err == nil {
			t.Errorf("status %d is taken for done", status)
		}
	}
}

func TestArchive(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	dir, archive, ctx := t.TempDir(), filepath.Join(t.TempDir(), "archive"), context.Background()
	l := openLog(t, dir, func(o *Options) { o.SegmentSize, o.Now = 1000, clock })
	appendAll(t, l, 1, 20)
	needed := uint64(1)
	a := &Archive{Log: l, Dir: archive, Keep: 24 * time.Hour, Now: clock, Needed: func(context.Context) (uint64, error) { return needed, nil }}
	archived, removed, err := a.Run(ctx)
	if err != nil || archived < 3 || removed != 0 {
		t.Fatal(archived, removed, err)
	}
	now = now.Add(25 * time.Hour)
	if again, removed, err := a.Run(ctx); again != 0 || removed != 0 || err != nil {
		t.Fatal("what a follower needs is removed:", again, removed, err)
	}
	needed = 1000
	if _, removed, err = a.Run(ctx); err != nil || removed != archived {
		t.Fatal(removed, err)
	}
	keys := []ed25519.PublicKey{publicKey(testKey)}
	v, err := verify(dir)
	if err != nil || v.First == 1 || v.Last != 21 {
		t.Errorf("without the archive: %+v, %v", v, err)
	}
	if v, err = Verify(dir, archive, keys); err != nil || v.First != 1 || v.Last != 21 {
		t.Errorf("with the archive: %+v, %v", v, err)
	}
	if oldest, err := l.Oldest(); err != nil || oldest == 1 {
		t.Errorf("Oldest = %d, %v", oldest, err)
	}
	checkNDJSON(t, archive)
	damageArchive(t, dir, archive, keys)
}

func checkNDJSON(t *testing.T, archive string) {
	t.Helper()
	f, err := os.Open(filepath.Join(archive, "00000001.ndjson.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || !bytes.HasPrefix(text, []byte(`{"resourceType":"AuditEvent","id":"audit-1",`)) || bytes.Count(text, []byte("\n")) < 3 {
		t.Errorf("%s %v", text, err)
	}
}

// damageArchive looks for what is changed in an archive or missing from it.
func damageArchive(t *testing.T, dir, archive string, keys []ed25519.PublicKey) {
	t.Helper()
	name := filepath.Join(archive, "00000002.log.gz")
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(name)
	if _, err := Verify(dir, archive, keys); err == nil {
		t.Error("a segment gone from the archive is not missed")
	}
	bad := bytes.Clone(good)
	bad[len(bad)/2] ^= 1
	write(t, name, bad)
	if _, err := Verify(dir, archive, keys); err == nil {
		t.Error("an altered archive is not found")
	}
	write(t, name, good)
	if err := os.Remove(filepath.Join(dir, "00000007.log")); err == nil {
		if _, err := Verify(dir, "", keys); err == nil {
			t.Error("a segment that the log does not call archived is not missed")
		}
	}
}

func TestFollowerSkipsWhatIsArchived(t *testing.T) {
	dir, db, ctx := t.TempDir(), openDB(t), context.Background()
	l := openLog(t, dir, small)
	appendAll(t, l, 1, 20)
	c := &collector{}
	f := &Follower{Log: l, Sink: c, Name: "x", DB: db, Batch: 2, Logger: slog.New(slog.DiscardHandler)}
	if _, err := f.CatchUp(ctx, 2); err != nil {
		t.Fatal(err)
	}
	a := &Archive{Log: l, Dir: t.TempDir(), Keep: 1}
	if _, removed, err := a.Run(ctx); err != nil || removed == 0 {
		t.Fatal(removed, err)
	}
	f.Close()
	c.ids = nil
	f = &Follower{Log: l, Sink: c, Name: "x", DB: db, Batch: 2, Logger: slog.New(slog.DiscardHandler)}
	if _, err := f.CatchUp(ctx, 21); err != nil {
		t.Fatal(err)
	}
	f.Close()
	oldest, _ := l.Oldest()
	if got := strings.Join(c.ids, " "); got != ids(int(oldest), 21) {
		t.Errorf("from %d: %s", oldest, got)
	}
}

// memoryVault is a Vault like a bucket: no folder, and only whole files.
type memoryVault map[string][]byte

func (v memoryVault) Put(_ context.Context, name string, fill func(io.Writer) error) error {
	var b bytes.Buffer
	err := fill(&b)
	if err == nil {
		v[name] = b.Bytes()
	}
	return err
}

func (v memoryVault) Open(_ context.Context, name string) (io.ReadCloser, error) {
	b, ok := v[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (v memoryVault) Names(context.Context) ([]string, error) {
	return slices.Sorted(maps.Keys(v)), nil
}

// TestArchiveElsewhere archives to a vault, removes, searches and verifies what
// is there, and brings it back.
func TestArchiveElsewhere(t *testing.T) {
	dir, vault, ctx := t.TempDir(), memoryVault{}, context.Background()
	l := openLog(t, dir, small)
	appendAll(t, l, 1, 20)
	a := &Archive{Log: l, To: vault, Keep: time.Nanosecond}
	archived, removed, err := a.Run(ctx)
	if err != nil || archived < 3 || removed != archived || len(vault) != 2*archived {
		t.Fatal(archived, removed, len(vault), err)
	}
	files := Folder{Dir: dir, Vault: vault}
	keys := []ed25519.PublicKey{publicKey(testKey)}
	if v, err := files.Verify(keys); err != nil || v.First != 1 || v.Last != 21 {
		t.Errorf("%+v, %v", v, err)
	}
	report := func(f Folder) (found []uint64) {
		t.Helper()
		err := f.Report(Selection{Since: record(2).Time, Until: record(4).Time}, func(s Stored) error {
			found = append(found, s.Number)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return found
	}
	if got := report(files); !slices.Equal(got, []uint64{2, 3}) {
		t.Errorf("found in the archive: %v", got)
	}
	n, err := files.Restore(ctx)
	if err != nil || n != removed {
		t.Fatalf("%d segments restored, want %d: %v", n, removed, err)
	}
	if n, err := files.Restore(ctx); n != 0 || err != nil {
		t.Errorf("once more: %d, %v", n, err)
	}
	if v, err := verify(dir); err != nil || v.First != 1 || v.Last != 21 {
		t.Errorf("restored: %+v, %v", v, err)
	}
	if got := report(Folder{Dir: dir}); !slices.Equal(got, []uint64{2, 3}) {
		t.Errorf("found in what was restored: %v", got)
	}
	vault["00000001.log.gz"] = vault["00000002.log.gz"]
	os.Remove(filepath.Join(dir, "00000001.log"))
	if n, err := files.Restore(ctx); err == nil {
		t.Errorf("another segment is restored as the first: %d", n)
	}
}

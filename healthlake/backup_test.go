package healthlake_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/healthlake"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/sigv4"
)

// wait puts the clock forward.
func (s *server) wait(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// told is what is told of a data store.
type told struct {
	DatastoreStatus  string
	BackupStatusInfo *struct {
		Configuration struct {
			Status, BackupType    string
			RetentionPeriodInDays int
			BackupTagsEnabled     bool
		}
		BackupEnabledAt, EarliestRestorePoint, LatestRestorePoint, ScheduledPermanentDeletionTime float64
	}
}

func (c *caller) describe(id string) (t told, code string) {
	c.s.Helper()
	a := c.do("DescribeFHIRDatastore", `{"DatastoreId":"`+id+`"}`)
	var d struct{ DatastoreProperties told }
	if a.status == 200 {
		if err := json.Unmarshal([]byte(a.body), &d); err != nil {
			c.s.Fatal(err)
		}
	}
	return d.DatastoreProperties, a.code
}

// ok sends a request that must succeed, and returns the id of its data store.
func (c *caller) ok(operation, body string) string {
	c.s.Helper()
	a := c.do(operation, body)
	var made struct{ DatastoreId string } //nolint:revive // the API's own name
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != 200 {
		c.s.Fatal(a.body, err)
	}
	return made.DatastoreId
}

// restored is how many patients a data store has that is restored from another
// as of a time; zero for the latest.
func (c *caller) restored(client *sdk.Client, source string, at time.Time) (id string, patients int) {
	c.s.Helper()
	point := ""
	if !at.IsZero() {
		point = fmt.Sprintf(`"RestorePointTime":%.3f`, float64(at.UnixMilli())/1e3)
	}
	id = c.ok("RestoreFHIRDatastore", `{"SourceDatastoreId":"`+source+`","RestoreConfiguration":{"ContinuousBackupRestoreConfiguration":{`+point+`}}}`)
	c.s.awaitActive(client, &id)
	return id, c.s.count(id, "Patient")
}

// checklist 10, checklist 11: TestBackup restores a data store as of hours ago, deletes it, restores it as of
// then and now, and finds nothing of it when its time is over.
func TestBackup(t *testing.T) {
	s := start(t, nil)
	admin, client := s.caller(sigv4.Key{Role: sigv4.RoleAdmin}), s.admin()
	id := admin.ok("CreateFHIRDatastore", `{"DatastoreTypeVersion":"R4","Tags":[{"Key":"ward","Value":"7"}],"BackupConfiguration":{"Status":"ENABLED","BackupType":"CONTINUOUS","RetentionPeriodInDays":10,"BackupTagsEnabled":true}}`)
	source, err := s.stores.Store(id)
	if err != nil {
		t.Fatal(err)
	}
	put := func(id string) {
		t.Helper()
		outcomes, err := source.BulkWriter(authz.Unrestricted(), datastore.BulkOptions{}).Write(ctx, [][]byte{[]byte(`{"resourceType":"Patient","id":"` + id + `"}`)})
		if err != nil || outcomes[0].Err != nil {
			t.Fatal(outcomes, err)
		}
	}
	put("1")
	put("2")
	s.wait(time.Hour)
	between := s.now()
	s.wait(time.Hour)
	if _, err := source.Commit(ctx, authz.Unrestricted(), []datastore.Op{{Interaction: authz.Delete, Type: "Patient", ID: "1"}}, nil); err != nil {
		t.Fatal(err)
	}
	put("3")
	put("4")
	s.wait(48 * time.Hour)
	now, _ := admin.describe(id)
	if b := now.BackupStatusInfo; b == nil || b.Configuration.RetentionPeriodInDays != 10 || b.Configuration.Status != "ENABLED" || !b.Configuration.BackupTagsEnabled ||
		b.EarliestRestorePoint != b.BackupEnabledAt || b.LatestRestorePoint < b.BackupEnabledAt+2*3600 || b.ScheduledPermanentDeletionTime != 0 {
		t.Errorf("%+v", b)
	}
	if _, n := admin.restored(client, id, between); n != 2 {
		t.Errorf("as of two days ago there are %d patients", n)
	}
	admin.ok("DeleteFHIRDatastore", `{"DatastoreId":"`+id+`"}`)
	gone, _ := admin.describe(id)
	if b := gone.BackupStatusInfo; gone.DatastoreStatus != "DELETED" || b == nil || b.ScheduledPermanentDeletionTime-b.LatestRestorePoint != 10*24*3600 {
		t.Errorf("%+v, %+v", gone, b)
	}
	if ids, err := s.stores.Expire(ctx); err != nil || len(ids) != 0 {
		t.Errorf("expired at once: %v, %v", ids, err)
	}
	s.wait(9 * 24 * time.Hour)
	if _, n := admin.restored(client, id, between); n != 2 {
		t.Errorf("deleted, as of then there are %d patients", n)
	}
	again, n := admin.restored(client, id, time.Time{})
	if n != 3 {
		t.Errorf("deleted, there are %d patients", n)
	}
	record, err := s.stores.Describe(ctx, again)
	if err != nil || record.Control.Tags["ward"] != "7" || record.Control.Backup != nil {
		t.Errorf("%+v, %v", record.Control, err)
	}
	s.wait(25 * time.Hour)
	checkExpired(t, s, admin, id)
}

// checkExpired looks for what is left of a deleted data store whose time is
// over.
func checkExpired(t *testing.T, s *server, admin *caller, id string) {
	t.Helper()
	restore := `{"SourceDatastoreId":"` + id + `","RestoreConfiguration":{"ContinuousBackupRestoreConfiguration":{}}}`
	if a := admin.do("RestoreFHIRDatastore", restore); a.code != "ResourceNotFoundException" {
		t.Errorf("restored when its time was over: %s", a.body)
	}
	if ids, err := s.stores.Expire(ctx); err != nil || len(ids) != 1 || ids[0] != id {
		t.Errorf("expired are %v, %v", ids, err)
	}
	if _, code := admin.describe(id); code != "ResourceNotFoundException" {
		t.Errorf("describing it: %s", code)
	}
	if _, err := s.stores.Create(ctx, id, ""); err != nil {
		t.Errorf("its id is free again: %v", err)
	}
}

// TestBackupIsUpdated turns a backup on and off.
func TestBackupIsUpdated(t *testing.T) {
	s := start(t, nil)
	admin := s.caller(sigv4.Key{Role: sigv4.RoleAdmin})
	id := admin.ok("CreateFHIRDatastore", `{"DatastoreTypeVersion":"R4"}`)
	if d, _ := admin.describe(id); d.BackupStatusInfo != nil {
		t.Errorf("%+v", d.BackupStatusInfo)
	}
	update := func(config string) told {
		t.Helper()
		admin.do("UpdateFHIRDatastore", `{"DatastoreId":"`+id+`","BackupConfiguration":`+config+`}`)
		d, _ := admin.describe(id)
		return d
	}
	on := update(`{"Status":"ENABLED"}`).BackupStatusInfo
	if on == nil || on.Configuration.RetentionPeriodInDays != 7 {
		t.Fatalf("%+v", on)
	}
	s.wait(time.Hour)
	if more := update(`{"Status":"ENABLED","RetentionPeriodInDays":30}`).BackupStatusInfo; more.Configuration.RetentionPeriodInDays != 30 || more.BackupEnabledAt != on.BackupEnabledAt {
		t.Errorf("%+v", more)
	}
	if off := update(`{"Status":"DISABLED"}`).BackupStatusInfo; off != nil {
		t.Errorf("%+v", off)
	}
	admin.ok("DeleteFHIRDatastore", `{"DatastoreId":"`+id+`"}`)
	record, err := s.stores.Describe(ctx, id)
	if err != nil || record.HasStorage() {
		t.Errorf("deleted without a backup: %+v, %v", record, err)
	}
}

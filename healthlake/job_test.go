package healthlake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/blob/blobtest"
	"github.com/tarnhealth/tarn/blob/s3blob"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/sigv4"
)

const role = "arn:aws:iam::123456789012:role/import"

func s3Output(uri string) types.OutputDataConfig {
	return &types.OutputDataConfigMemberS3Configuration{Value: types.S3Configuration{S3Uri: &uri, KmsKeyId: aws.String("arn:aws:kms:us-east-1:123456789012:key/1")}}
}

// TestWholeLife is the whole life of a data store, by AWS's own client, with
// files in S3.
func TestWholeLife(t *testing.T) {
	cloud := blobtest.StartServer(t)
	cloud.MakeBucket(t, "clinic")
	s := start(t, nil)
	s.s3 = func(ctx context.Context, name string) (blob.Bucket, error) {
		return s3blob.Open(ctx, name, s3blob.Options{Endpoint: cloud.Endpoint, KeyID: cloud.KeyID, Secret: cloud.Secret})
	}
	bucket, err := s.s3(ctx, "clinic")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		text := fmt.Sprintf(`{"resourceType":"Patient","id":"p%d"}`+"\n"+`{"resourceType":"Basic","id":"b%d","code":{"text":"x"}}`+"\n", i, i)
		if i == 2 {
			text += "{\n"
		}
		if err := blob.Write(ctx, bucket, fmt.Sprintf("in/%d.ndjson", i), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	client := s.admin()
	made, err := client.CreateFHIRDatastore(ctx, &sdk.CreateFHIRDatastoreInput{DatastoreTypeVersion: types.FHIRVersionR4, DatastoreName: aws.String("clinic")})
	if err != nil {
		t.Fatal(err)
	}
	id := made.DatastoreId
	if err := sdk.NewFHIRDatastoreActiveWaiter(client).Wait(ctx, &sdk.DescribeFHIRDatastoreInput{DatastoreId: id}, patience); err != nil {
		t.Fatal(err)
	}
	tags := []types.Tag{{Key: aws.String("stage"), Value: aws.String("trial")}, {Key: aws.String("zone"), Value: aws.String("")}}
	if _, err := client.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: made.DatastoreArn, Tags: tags}); err != nil {
		t.Fatal(err)
	}
	checkTags(t, client, made.DatastoreArn, tags)
	s.importFromS3(client, id)
	s.exportToS3(client, id, bucket)
	if _, err := client.DeleteFHIRDatastore(ctx, &sdk.DeleteFHIRDatastoreInput{DatastoreId: id}); err != nil {
		t.Fatal(err)
	}
	if err := sdk.NewFHIRDatastoreDeletedWaiter(client).Wait(ctx, &sdk.DescribeFHIRDatastoreInput{DatastoreId: id}, patience); err != nil {
		t.Error(err)
	}
	var gone *types.ResourceNotFoundException
	if _, err := client.ListFHIRImportJobs(ctx, &sdk.ListFHIRImportJobsInput{DatastoreId: id}); !errors.As(err, &gone) {
		t.Errorf("jobs of a deleted data store: %v", err)
	}
}

func (s *server) importFromS3(client *sdk.Client, id *string) {
	s.Helper()
	begun, err := client.StartFHIRImportJob(ctx, &sdk.StartFHIRImportJobInput{
		DatastoreId: id, JobName: aws.String("first"), DataAccessRoleArn: aws.String(role), ValidationLevel: types.ValidationLevelStrict,
		InputDataConfig: &types.InputDataConfigMemberS3Uri{Value: "s3://clinic/in"}, JobOutputDataConfig: s3Output("s3://clinic/out"),
	})
	if err != nil {
		s.Fatal(err)
	}
	if begun.JobStatus != types.JobStatusSubmitted || *begun.DatastoreId != *id {
		s.Errorf("begun: %+v", begun)
	}
	waiter := sdk.NewFHIRImportJobCompletedWaiter(client, func(o *sdk.FHIRImportJobCompletedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 50*time.Millisecond
	})
	done, err := waiter.WaitForOutput(ctx, &sdk.DescribeFHIRImportJobInput{DatastoreId: id, JobId: begun.JobId}, patience)
	if err != nil {
		s.Fatal(err)
	}
	p := done.ImportJobProperties
	r := p.JobProgressReport
	if p.JobStatus != types.JobStatusCompletedWithErrors || *p.JobName != "first" || p.EndTime == nil || p.SubmitTime == nil || p.InputDataConfig.(*types.InputDataConfigMemberS3Uri).Value != "s3://clinic/in" ||
		*r.TotalNumberOfScannedFiles != 3 || *r.TotalNumberOfImportedFiles != 3 || *r.TotalNumberOfResourcesScanned != 7 || *r.TotalNumberOfResourcesImported != 6 ||
		*r.TotalNumberOfResourcesWithCustomerError != 1 || *r.TotalNumberOfFilesReadWithCustomerError != 1 || *r.Throughput < 0 {
		s.Errorf("%+v %+v", p, r)
	}
	listed, err := client.ListFHIRImportJobs(ctx, &sdk.ListFHIRImportJobsInput{DatastoreId: id, JobStatus: types.JobStatusCompletedWithErrors, JobName: aws.String("first")})
	if err != nil || len(listed.ImportJobPropertiesList) != 1 || *listed.ImportJobPropertiesList[0].JobId != *begun.JobId {
		s.Errorf("listed %+v, %v", listed, err)
	}
	var missing *types.ResourceNotFoundException
	if _, err := client.DescribeFHIRImportJob(ctx, &sdk.DescribeFHIRImportJobInput{DatastoreId: id, JobId: aws.String("none")}); !errors.As(err, &missing) {
		s.Errorf("a job that is not there: %v", err)
	}
}

func (s *server) exportToS3(client *sdk.Client, id *string, bucket blob.Bucket) {
	s.Helper()
	begun, err := client.StartFHIRExportJob(ctx, &sdk.StartFHIRExportJobInput{DatastoreId: id, DataAccessRoleArn: aws.String(role), OutputDataConfig: s3Output("s3://clinic/out/")})
	if err != nil {
		s.Fatal(err)
	}
	waiter := sdk.NewFHIRExportJobCompletedWaiter(client, func(o *sdk.FHIRExportJobCompletedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 50*time.Millisecond
	})
	done, err := waiter.WaitForOutput(ctx, &sdk.DescribeFHIRExportJobInput{DatastoreId: id, JobId: begun.JobId}, patience)
	if err != nil {
		s.Fatal(err)
	}
	if p := done.ExportJobProperties; p.JobStatus != types.JobStatusCompleted || p.EndTime == nil || p.OutputDataConfig.(*types.OutputDataConfigMemberS3Configuration).Value.S3Uri == nil {
		s.Errorf("%+v", p)
	}
	folder := "out/" + *id + "-FHIR_EXPORT-" + *begun.JobId + "/"
	text, err := blob.Read(ctx, bucket, folder+"Patient/Patient-0.ndjson", 1<<20)
	if err != nil || strings.Count(string(text), "\n") != 3 {
		s.Errorf("%s, %v", text, err)
	}
	var manifest struct{ Output []struct{ Type, URL string } }
	if text, err = blob.Read(ctx, bucket, folder+"manifest.json", 1<<20); err == nil {
		err = json.Unmarshal(text, &manifest)
	}
	if err != nil || len(manifest.Output) != 2 || manifest.Output[1].URL != "s3://clinic/"+folder+"Patient/Patient-0.ndjson" {
		s.Errorf("%s, %v", text, err)
	}
}

// TestListsOfJobs pages through jobs that wait.
func TestListsOfJobs(t *testing.T) {
	s := start(t, nil)
	if _, err := s.stores.Create(ctx, "mine", ""); err != nil {
		t.Fatal(err)
	}
	client := s.admin()
	var ids []string
	for i := range 5 {
		begun, err := client.StartFHIRExportJob(ctx, &sdk.StartFHIRExportJobInput{
			DatastoreId: aws.String("mine"), JobName: aws.String(fmt.Sprint("n", i%2)), DataAccessRoleArn: aws.String(role), OutputDataConfig: s3Output("file://" + s.files),
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, *begun.JobId)
	}
	var got []string
	pages := sdk.NewListFHIRExportJobsPaginator(client, &sdk.ListFHIRExportJobsInput{DatastoreId: aws.String("mine"), MaxResults: aws.Int32(2), SubmittedAfter: aws.Time(time.Now().Add(-time.Hour))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil || len(page.ExportJobPropertiesList) > 2 {
			t.Fatal(page, err)
		}
		for _, p := range page.ExportJobPropertiesList {
			got = append(got, *p.JobId)
		}
	}
	if !slices.Equal(got, ids) {
		t.Errorf("%v, want %v", got, ids)
	}
	named, err := client.ListFHIRExportJobs(ctx, &sdk.ListFHIRExportJobsInput{DatastoreId: aws.String("mine"), JobName: aws.String("n1")})
	if err != nil || len(named.ExportJobPropertiesList) != 2 {
		t.Errorf("%+v, %v", named, err)
	}
	none, err := client.ListFHIRExportJobs(ctx, &sdk.ListFHIRExportJobsInput{DatastoreId: aws.String("mine"), SubmittedBefore: aws.Time(time.Now().Add(-time.Hour))})
	if err != nil || len(none.ExportJobPropertiesList) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	other := s.client(sigv4.Key{Role: sigv4.RoleAdmin, DataStores: []string{"other"}})
	var denied *types.AccessDeniedException
	if _, err := other.ListFHIRExportJobs(ctx, &sdk.ListFHIRExportJobsInput{DatastoreId: aws.String("mine")}); !errors.As(err, &denied) {
		t.Errorf("a key for another data store: %v", err)
	}
}

func (s *server) count(id, resourceType string) int {
	s.Helper()
	store, err := s.stores.Store(id)
	if err != nil {
		s.Fatal(err)
	}
	view, err := store.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		s.Fatal(err)
	}
	defer view.Close()
	n, err := view.Count(ctx, &search.Query{Plan: search.Plan{Parts: []search.Part{{Type: resourceType}}}})
	if err != nil {
		s.Fatal(err)
	}
	return n
}

func (s *server) awaitActive(client *sdk.Client, id *string) *types.DatastoreProperties {
	s.Helper()
	waiter := sdk.NewFHIRDatastoreActiveWaiter(client, func(o *sdk.FHIRDatastoreActiveWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 50*time.Millisecond
	})
	got, err := waiter.WaitForOutput(ctx, &sdk.DescribeFHIRDatastoreInput{DatastoreId: id}, patience)
	if err != nil {
		s.Fatal(err)
	}
	return got.DatastoreProperties
}

func TestPreload(t *testing.T) {
	s := start(t, nil)
	client := s.admin()
	made, err := client.CreateFHIRDatastore(ctx, &sdk.CreateFHIRDatastoreInput{DatastoreTypeVersion: types.FHIRVersionR4, PreloadDataConfig: &types.PreloadDataConfig{PreloadDataType: types.PreloadDataTypeSynthea}})
	if err != nil || made.DatastoreStatus != types.DatastoreStatusCreating {
		t.Fatal(made, err)
	}
	if p := s.awaitActive(client, made.DatastoreId); p.PreloadDataConfig == nil {
		t.Errorf("%+v", p)
	}
	if n := s.count(*made.DatastoreId, "Patient"); n != 5 {
		t.Errorf("%d patients", n)
	}
	if _, err := client.DeleteFHIRDatastore(ctx, &sdk.DeleteFHIRDatastoreInput{DatastoreId: made.DatastoreId}); err != nil {
		t.Error(err)
	}
}

func TestRestore(t *testing.T) {
	s := start(t, nil)
	source, err := s.stores.Create(ctx, "source", "")
	if err != nil {
		t.Fatal(err)
	}
	put := func(id string) {
		outcomes, err := source.BulkWriter(authz.Unrestricted(), datastore.BulkOptions{}).Write(ctx, [][]byte{[]byte(`{"resourceType":"Patient","id":"` + id + `"}`)})
		if err != nil || outcomes[0].Err != nil {
			t.Fatal(outcomes, err)
		}
	}
	put("1")
	put("2")
	between := time.Now()
	for time.Since(between) < 5*time.Millisecond {
	}
	if _, err := source.Commit(ctx, authz.Unrestricted(), []datastore.Op{{Interaction: authz.Delete, Type: "Patient", ID: "1"}}, nil); err != nil {
		t.Fatal(err)
	}
	put("3")
	put("4")
	admin, client := s.caller(sigv4.Key{Role: sigv4.RoleAdmin}), s.admin()
	for point, want := range map[string]int{"": 3, fmt.Sprintf(`"RestorePointTime":%.4f`, float64(between.UnixMicro()+1000)/1e6): 2} {
		a := admin.do("RestoreFHIRDatastore", `{"SourceDatastoreId":"source","DatastoreName":"again","RestoreConfiguration":{"ContinuousBackupRestoreConfiguration":{`+point+`}}}`)
		var made struct{ DatastoreId, DatastoreStatus string } //nolint:revive // the API's own name
		if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != 200 || made.DatastoreStatus != "CREATING" {
			t.Fatal(a.body, err)
		}
		s.awaitActive(client, &made.DatastoreId)
		if n := s.count(made.DatastoreId, "Patient"); n != want {
			t.Errorf("%s: %d patients, want %d", point, n, want)
		}
	}
}

// TestRestoreToAVersion restores to the time that a version tells of itself, which
// is without the microseconds that its data store knows: it is there, and what was
// written later is not.
func TestRestoreToAVersion(t *testing.T) {
	s := start(t, nil)
	source, err := s.stores.Create(ctx, "source", "")
	if err != nil {
		t.Fatal(err)
	}
	write := func(id string) time.Time {
		op := datastore.Op{Interaction: authz.Update, Type: "Patient", ID: id}
		if op.Resource, err = source.Parse([]byte(`{"resourceType":"Patient","id":"` + id + `"}`)); err != nil {
			t.Fatal(err)
		}
		done, err := source.Commit(ctx, authz.Unrestricted(), []datastore.Op{op}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return done[0].Version.LastUpdated.Truncate(time.Millisecond)
	}
	at := write("1")
	for n := 2; !write(fmt.Sprint(n)).After(at); n++ {
		// Within the same millisecond: it is meant as well.
	}
	want := 0
	for v, err := range source.Changes(ctx, authz.Unrestricted(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if !v.LastUpdated.Truncate(time.Millisecond).After(at) {
			want++
		}
	}
	if _, n := s.caller(sigv4.Key{Role: sigv4.RoleAdmin}).restored(s.admin(), "source", at); n != want || want == 0 {
		t.Errorf("%d patients, want %d", n, want)
	}
}

// TestDeleteWithJobs must wait for them.
func TestDeleteWithJobs(t *testing.T) {
	s := start(t, nil)
	if _, err := s.stores.Create(ctx, "mine", ""); err != nil {
		t.Fatal(err)
	}
	client := s.admin()
	if err := os.Mkdir(filepath.Join(s.files, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&text, `{"resourceType":"Patient","id":"p%d"}`+"\n", i)
	}
	if err := os.WriteFile(filepath.Join(s.files, "in", "a.ndjson"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	begun, err := client.StartFHIRImportJob(ctx, &sdk.StartFHIRImportJobInput{
		DatastoreId: aws.String("mine"), DataAccessRoleArn: aws.String(role),
		InputDataConfig: &types.InputDataConfigMemberS3Uri{Value: "file://" + s.files + "/in"}, JobOutputDataConfig: s3Output("file://" + s.files + "/out"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var conflict *types.ConflictException
	if _, err := client.DeleteFHIRDatastore(ctx, &sdk.DeleteFHIRDatastoreInput{DatastoreId: aws.String("mine")}); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "CancelFHIRImportJob, or DELETE https://fhir.example.org/datastore/mine/r4/import/"+*begun.JobId) {
		t.Errorf("%v", err)
	}
	waiter := sdk.NewFHIRImportJobCompletedWaiter(client, func(o *sdk.FHIRImportJobCompletedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 50*time.Millisecond
	})
	if err := waiter.Wait(ctx, &sdk.DescribeFHIRImportJobInput{DatastoreId: aws.String("mine"), JobId: begun.JobId}, patience); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeleteFHIRDatastore(ctx, &sdk.DeleteFHIRDatastoreInput{DatastoreId: aws.String("mine")}); err != nil {
		t.Error(err)
	}
}

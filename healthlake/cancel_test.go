package healthlake_test

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/sigv4"
)

// silent is a bucket whose service never answers.
type silent struct{ blob.Bucket }

func (silent) List(ctx context.Context, _, _ string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		<-ctx.Done()
		yield(blob.Info{}, context.Cause(ctx))
	}
}

func (silent) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return nil, blob.ErrNotFound
}

// Create takes what the job reports at its end.
func (silent) Create(context.Context, string) (blob.Writer, error) { return discarded{}, nil }

type discarded struct{}

func (discarded) Write(p []byte) (int, error) { return len(p), nil }
func (discarded) Commit() error               { return nil }
func (discarded) Close() error                { return nil }

// TestCancel cancels an import that runs, which would for ever, and what waits
// behind it.
func TestCancel(t *testing.T) {
	s := start(t, nil)
	s.s3 = func(context.Context, string) (blob.Bucket, error) { return silent{}, nil }
	if _, err := s.stores.Create(ctx, "mine", ""); err != nil {
		t.Fatal(err)
	}
	client := s.admin()
	begin := func() string {
		t.Helper()
		begun, err := client.StartFHIRImportJob(ctx, &sdk.StartFHIRImportJobInput{
			DatastoreId: aws.String("mine"), DataAccessRoleArn: aws.String(role),
			InputDataConfig: &types.InputDataConfigMemberS3Uri{Value: "s3://clinic/in/"}, JobOutputDataConfig: s3Output("s3://clinic/out"),
		})
		if err != nil {
			t.Fatal(err)
		}
		return *begun.JobId
	}
	first, second := begin(), begin()
	state := func(id string) types.JobStatus {
		t.Helper()
		described, err := client.DescribeFHIRImportJob(ctx, &sdk.DescribeFHIRImportJobInput{DatastoreId: aws.String("mine"), JobId: &id})
		if err != nil {
			t.Fatal(err)
		}
		return described.ImportJobProperties.JobStatus
	}
	await := func(id string, want types.JobStatus) {
		t.Helper()
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for state(id) != want {
			<-tick.C
		}
	}
	await(first, types.JobStatusInProgress)
	body := func(id string) string { return `{"DatastoreId":"mine","JobId":"` + id + `"}` }
	if got := s.caller(sigv4.Key{Role: sigv4.RoleReadOnly}).do("CancelFHIRImportJob", body(first)); got.code != "AccessDeniedException" {
		t.Errorf("with a key that reads only: %+v", got)
	}
	admin := s.caller(sigv4.Key{Role: sigv4.RoleAdmin})
	got := admin.do("CancelFHIRImportJob", body(second))
	var told struct{ JobID, JobStatus, DatastoreID string }
	if err := json.Unmarshal([]byte(got.body), &told); err != nil || told.JobStatus != "CANCEL_COMPLETED" || told.JobID != second || told.DatastoreID != "mine" {
		t.Errorf("what waits: %s, %v", got.body, err)
	}
	if got := admin.do("CancelFHIRImportJob", body(first)); got.status != 200 || !strings.Contains(got.body, `"CANCEL_`) {
		t.Errorf("what runs: %+v", got)
	}
	await(first, types.JobStatusCancelCompleted)
	for operation, want := range map[string]string{"CancelFHIRImportJob": "has ended CANCEL_COMPLETED", "CancelFHIRExportJob": "there is no export job"} {
		if got := admin.do(operation, body(first)); !strings.Contains(got.message, want) {
			t.Errorf("%s again: %+v", operation, got)
		}
	}
	if _, err := client.DeleteFHIRDatastore(ctx, &sdk.DeleteFHIRDatastoreInput{DatastoreId: aws.String("mine")}); err != nil {
		t.Error(err)
	}
}

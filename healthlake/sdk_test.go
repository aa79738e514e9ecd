package healthlake_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/sigv4"
)

var value = cmpopts.IgnoreUnexported(types.Tag{}, types.SseConfiguration{}, types.KmsEncryptionConfig{}, types.IdentityProviderConfiguration{})

// TestLifeOfADataStore is checklist 1 to 6 and 12: AWS's own client, with only
// the endpoint changed.
func TestLifeOfADataStore(t *testing.T) {
	s := start(t, nil)
	client := s.admin()
	begin := time.Now()
	sse := &types.SseConfiguration{KmsEncryptionConfig: &types.KmsEncryptionConfig{CmkType: types.CmkTypeAoCmk}}
	identity := &types.IdentityProviderConfiguration{AuthorizationStrategy: types.AuthorizationStrategySmartv1, FineGrainedAuthorizationEnabled: true}
	tags := []types.Tag{{Key: aws.String("stage"), Value: aws.String("trial")}, {Key: aws.String("zone"), Value: aws.String("")}}
	made, err := client.CreateFHIRDatastore(ctx, &sdk.CreateFHIRDatastoreInput{
		DatastoreTypeVersion: types.FHIRVersionR4, DatastoreName: aws.String("Klinik Süd/1"),
		SseConfiguration: sse, IdentityProviderConfiguration: identity, Tags: tags,
	})
	if err != nil {
		t.Fatal(err)
	}
	id := *made.DatastoreId
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) || made.DatastoreStatus != types.DatastoreStatusCreating ||
		*made.DatastoreArn != "arn:aws:healthlake:us-east-1:123456789012:datastore/fhir/"+id ||
		*made.DatastoreEndpoint != "https://fhir.example.org/datastore/"+id+"/r4/" {
		t.Errorf("created %s %s %s %s", id, made.DatastoreStatus, *made.DatastoreArn, *made.DatastoreEndpoint)
	}
	waited, err := sdk.NewFHIRDatastoreActiveWaiter(client).WaitForOutput(ctx, &sdk.DescribeFHIRDatastoreInput{DatastoreId: &id}, patience)
	if err != nil {
		t.Fatal(err)
	}
	p := waited.DatastoreProperties
	if *p.DatastoreName != "Klinik Süd/1" || p.DatastoreTypeVersion != types.FHIRVersionR4 || p.CreatedAt.Sub(begin).Abs() > patience ||
		!cmp.Equal(p.SseConfiguration, sse, value) || !cmp.Equal(p.IdentityProviderConfiguration, identity, value) || p.PreloadDataConfig != nil {
		t.Errorf("described as %+v", p)
	}
	if _, err := s.stores.Store(id); err != nil {
		t.Error(err)
	}
	checkTags(t, client, made.DatastoreArn, tags)

	deleted, err := client.DeleteFHIRDatastore(ctx, &sdk.DeleteFHIRDatastoreInput{DatastoreId: &id})
	if err != nil || deleted.DatastoreStatus != types.DatastoreStatusDeleting || *deleted.DatastoreArn != *made.DatastoreArn {
		t.Fatalf("deleted: %+v, %v", deleted, err)
	}
	if err := sdk.NewFHIRDatastoreDeletedWaiter(client).Wait(ctx, &sdk.DescribeFHIRDatastoreInput{DatastoreId: &id}, patience); err != nil {
		t.Error(err)
	}
	var gone *types.ResourceNotFoundException
	if _, err := client.DeleteFHIRDatastore(ctx, &sdk.DeleteFHIRDatastoreInput{DatastoreId: &id}); !errors.As(err, &gone) {
		t.Errorf("deleted again: %v", err)
	}
	if _, err := client.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: made.DatastoreArn}); !errors.As(err, &gone) {
		t.Errorf("tags of a deleted one: %v", err)
	}
}

// checkTags reads, adds and removes tags.
func checkTags(t *testing.T, client *sdk.Client, arn *string, tags []types.Tag) {
	t.Helper()
	want := func(tags ...types.Tag) {
		t.Helper()
		got, err := client.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: arn})
		if diff := cmp.Diff(tags, got.Tags, value); err != nil || diff != "" {
			t.Errorf("tags: %v\n%s", err, diff)
		}
	}
	want(tags...)
	other := types.Tag{Key: aws.String("stage"), Value: aws.String("real")}
	if _, err := client.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: arn, Tags: []types.Tag{other}}); err != nil {
		t.Error(err)
	}
	want(other, tags[1])
	if _, err := client.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"zone", "none"}}); err != nil {
		t.Error(err)
	}
	want(other)
}

func TestClientToken(t *testing.T) {
	client := start(t, nil).admin()
	create := func(token, name string) (*sdk.CreateFHIRDatastoreOutput, error) {
		return client.CreateFHIRDatastore(ctx, &sdk.CreateFHIRDatastoreInput{DatastoreTypeVersion: types.FHIRVersionR4, ClientToken: &token, DatastoreName: &name})
	}
	first, err := create("one", "a")
	if err != nil {
		t.Fatal(err)
	}
	again, err := create("one", "a")
	if err != nil || *again.DatastoreId != *first.DatastoreId || *again.DatastoreArn != *first.DatastoreArn {
		t.Errorf("the same request made another data store: %+v, %v", again, err)
	}
	var invalid *types.ValidationException
	if _, err := create("one", "b"); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "ClientToken") {
		t.Errorf("another request with the same token: %v", err)
	}
	if other, err := create("two", "a"); err != nil || *other.DatastoreId == *first.DatastoreId {
		t.Errorf("another token: %+v, %v", other, err)
	}
	all, err := client.ListFHIRDatastores(ctx, &sdk.ListFHIRDatastoresInput{})
	if err != nil || len(all.DatastorePropertiesList) != 2 {
		t.Errorf("there are %+v, %v", all, err)
	}
}

// TestOneTokenAtOnce sends one request many times at once.
func TestOneTokenAtOnce(t *testing.T) {
	s := start(t, nil)
	client := s.admin()
	ids := make(chan string)
	for range 8 {
		go func() {
			made, err := client.CreateFHIRDatastore(ctx, &sdk.CreateFHIRDatastoreInput{DatastoreTypeVersion: types.FHIRVersionR4, ClientToken: aws.String("one")})
			if err != nil {
				ids <- err.Error()
				return
			}
			ids <- *made.DatastoreId
		}()
	}
	var got []string
	for range 8 {
		got = append(got, <-ids)
	}
	if got = slices.Compact(got); len(got) != 1 {
		t.Errorf("made %v", got)
	}
}

func TestLists(t *testing.T) {
	s := start(t, nil)
	client := s.admin()
	var ids []string
	for i := range 7 {
		s.mu.Lock()
		s.ahead = time.Duration(i) * time.Hour
		s.mu.Unlock()
		store, err := s.stores.Create(ctx, "", fmt.Sprint("name ", i%2))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, store.Record().ID)
	}
	if _, err := s.stores.Delete(ctx, ids[6]); err != nil {
		t.Fatal(err)
	}
	list := func(filter *types.DatastoreFilter) []string {
		var got []string
		pages := sdk.NewListFHIRDatastoresPaginator(client, &sdk.ListFHIRDatastoresInput{Filter: filter, MaxResults: aws.Int32(2)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.DatastorePropertiesList) > 2 {
				t.Errorf("a page of %d", len(page.DatastorePropertiesList))
			}
			for _, p := range page.DatastorePropertiesList {
				got = append(got, *p.DatastoreId)
			}
		}
		return got
	}
	begin := time.Now()
	for name, test := range map[string]struct {
		filter *types.DatastoreFilter
		want   []string
	}{
		"all":     {nil, ids},
		"name":    {&types.DatastoreFilter{DatastoreName: aws.String("name 1")}, []string{ids[1], ids[3], ids[5]}},
		"status":  {&types.DatastoreFilter{DatastoreStatus: types.DatastoreStatusDeleted}, ids[6:]},
		"after":   {&types.DatastoreFilter{CreatedAfter: aws.Time(begin.Add(150 * time.Minute))}, ids[3:]},
		"before":  {&types.DatastoreFilter{CreatedBefore: aws.Time(begin.Add(150 * time.Minute))}, ids[:3]},
		"between": {&types.DatastoreFilter{CreatedAfter: aws.Time(begin.Add(90 * time.Minute)), CreatedBefore: aws.Time(begin.Add(150 * time.Minute))}, ids[2:3]},
		"none":    {&types.DatastoreFilter{DatastoreName: aws.String("name")}, nil},
	} {
		if got := list(test.filter); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	if !t.Run("paging while they go", func(t *testing.T) {
		first, err := client.ListFHIRDatastores(ctx, &sdk.ListFHIRDatastoresInput{MaxResults: aws.Int32(2)})
		if err != nil || first.NextToken == nil {
			t.Fatal(err)
		}
		_, err = client.ListFHIRDatastores(ctx, &sdk.ListFHIRDatastoresInput{NextToken: first.NextToken, Filter: &types.DatastoreFilter{DatastoreName: aws.String("x")}})
		var invalid *types.ValidationException
		if !errors.As(err, &invalid) {
			t.Errorf("a token for another filter: %v", err)
		}
	}) {
		return
	}
}

func TestErrorsAreTyped(t *testing.T) {
	s := start(t, func(c *healthlake.Config) {
		c.Quotas = healthlake.Quotas{DataStores: 1, ReadsPerSecond: 5, ChangesPerMinute: 4}
	})
	client := s.admin()
	create := func() error {
		_, err := client.CreateFHIRDatastore(ctx, &sdk.CreateFHIRDatastoreInput{DatastoreTypeVersion: types.FHIRVersionR4})
		return err
	}
	var (
		notFound  *types.ResourceNotFoundException
		invalid   *types.ValidationException
		throttled *types.ThrottlingException
		denied    *types.AccessDeniedException
	)
	if _, err := client.DescribeFHIRDatastore(ctx, &sdk.DescribeFHIRDatastoreInput{DatastoreId: aws.String("none")}); !errors.As(err, &notFound) {
		t.Errorf("not there: %v", err)
	}
	if err := create(); err != nil {
		t.Fatal(err)
	}
	if err := create(); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "quota of 1") {
		t.Errorf("beyond the quota: %v", err)
	}
	_, err := client.StartFHIRExportJob(ctx, &sdk.StartFHIRExportJobInput{
		DatastoreId: aws.String("x"), DataAccessRoleArn: aws.String("x"),
		OutputDataConfig: &types.OutputDataConfigMemberS3Configuration{Value: types.S3Configuration{S3Uri: aws.String("s3://x"), KmsKeyId: aws.String("x")}},
	})
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "3 validation errors") {
		t.Errorf("a job with a short role and bucket, and no key: %v", err)
	}
	_ = create()
	if err := create(); !errors.As(err, &throttled) {
		t.Errorf("a fifth change in a minute: %v", err)
	}
	reader := s.client(sigv4.Key{Role: sigv4.RoleReadOnly})
	if _, err := reader.CreateFHIRDatastore(ctx, &sdk.CreateFHIRDatastoreInput{DatastoreTypeVersion: types.FHIRVersionR4}); !errors.As(err, &denied) {
		t.Errorf("a reader creates: %v", err)
	}
	if list, err := reader.ListFHIRDatastores(ctx, &sdk.ListFHIRDatastoresInput{}); err != nil || len(list.DatastorePropertiesList) != 1 {
		t.Errorf("a reader lists: %v", err)
	}
}

// TestStoreOfOtherOrigin is a data store that the command line made.
func TestStoreOfOtherOrigin(t *testing.T) {
	s := start(t, nil)
	client := s.admin()
	store, err := s.stores.Create(ctx, "mine", "")
	if err != nil {
		t.Fatal(err)
	}
	id := store.Record().ID
	described, err := client.DescribeFHIRDatastore(ctx, &sdk.DescribeFHIRDatastoreInput{DatastoreId: &id})
	if err != nil || described.DatastoreProperties.DatastoreStatus != types.DatastoreStatusActive || *described.DatastoreProperties.DatastoreArn != "arn:aws:healthlake:us-east-1:123456789012:datastore/fhir/mine" {
		t.Errorf("one that another way made: %+v, %v", described, err)
	}
	if _, err := client.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: described.DatastoreProperties.DatastoreArn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}); err != nil {
		t.Error(err)
	}
	if r, err := s.stores.Describe(ctx, id); err != nil || r.Control.Tags["a"] != "b" || r.Status != datastore.StatusActive {
		t.Errorf("%+v, %v", r, err)
	}
}

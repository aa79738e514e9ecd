package healthlake_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/sigv4"
)

// limited is a server with a role for data stores of one team.
func limited(t *testing.T) *server {
	return start(t, func(c *healthlake.Config) {
		c.Roles = func() map[string]healthlake.Role {
			return map[string]healthlake.Role{"cardio": {Operations: []string{"*"}, Tags: map[string]string{"team": "cardio", "env": ""}}}
		}
	})
}

var cardio = []types.Tag{{Key: aws.String("team"), Value: aws.String("cardio")}, {Key: aws.String("env"), Value: aws.String("")}}

func made(t *testing.T, client *sdk.Client, name string, tags ...types.Tag) (id, arn *string) {
	t.Helper()
	out, err := client.CreateFHIRDatastore(ctx, &sdk.CreateFHIRDatastoreInput{DatastoreTypeVersion: types.FHIRVersionR4, DatastoreName: &name, Tags: tags})
	if err != nil {
		t.Fatal(err)
	}
	return out.DatastoreId, out.DatastoreArn
}

// wantDenied wants AWS's client to know an error by its type, and a text in it.
func wantDenied(t *testing.T, what string, err error, missing string) {
	t.Helper()
	var denied *types.AccessDeniedException
	var generic interface{ ErrorCode() string }
	known := errors.As(err, &denied) || errors.As(err, &generic) && generic.ErrorCode() == "AccessDeniedException"
	if !known || !strings.Contains(err.Error(), "missing is "+missing) {
		t.Errorf("%s: %v, want AccessDeniedException for lack of %s", what, err, missing)
	}
}

// checklist 13: TestRolesWithTags goes through the operations of AWS's client with a key whose
// role is limited to the data stores with certain tags.
func TestRolesWithTags(t *testing.T) {
	s := limited(t)
	admin, client := s.admin(), s.client(sigv4.Key{Role: "cardio"})
	theirs, theirARN := made(t, admin, "onco", types.Tag{Key: aws.String("team"), Value: aws.String("onco")})
	_, err := client.CreateFHIRDatastore(ctx, &sdk.CreateFHIRDatastoreInput{DatastoreTypeVersion: types.FHIRVersionR4})
	wantDenied(t, "create without tags", err, "env=, team=cardio")
	_, err = client.CreateFHIRDatastore(ctx, &sdk.CreateFHIRDatastoreInput{DatastoreTypeVersion: types.FHIRVersionR4, Tags: cardio[:1]})
	wantDenied(t, "create with one", err, "env=")
	mine, myARN := made(t, client, "cardio", cardio...)

	list, err := client.ListFHIRDatastores(ctx, &sdk.ListFHIRDatastoresInput{})
	if err != nil || len(list.DatastorePropertiesList) != 1 || *list.DatastorePropertiesList[0].DatastoreId != *mine {
		t.Errorf("listed are %v, %v", list, err)
	}
	if _, err := client.DescribeFHIRDatastore(ctx, &sdk.DescribeFHIRDatastoreInput{DatastoreId: mine}); err != nil {
		t.Error(err)
	}
	for what, call := range outOfReach(client, theirs, theirARN) {
		wantDenied(t, what, call(), "env=, team=cardio")
	}
	absent := aws.String(strings.Repeat("0", 32))
	_, err = client.DescribeFHIRDatastore(ctx, &sdk.DescribeFHIRDatastoreInput{DatastoreId: absent})
	wantDenied(t, "what is not there", err, "env=, team=cardio")

	tag := func(key, value string) error {
		_, err := client.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: myARN, Tags: []types.Tag{{Key: &key, Value: &value}}})
		return err
	}
	untag := func(key string) error {
		_, err := client.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: myARN, TagKeys: []string{key}})
		return err
	}
	wantDenied(t, "tags itself out", tag("team", "onco"), "team=cardio")
	wantDenied(t, "untags itself", untag("env"), "env=")
	if err := errors.Join(tag("owner", "Ana"), tag("team", "cardio"), untag("owner"), untag("nothing")); err != nil {
		t.Error(err)
	}
	if tags, err := client.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: myARN}); err != nil || len(tags.Tags) != 2 {
		t.Errorf("%v, %v", tags, err)
	}
	// Who tags it otherwise takes it away at once.
	if _, err := admin.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: myARN, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("onco")}}}); err != nil {
		t.Fatal(err)
	}
	_, err = client.DeleteFHIRDatastore(ctx, &sdk.DeleteFHIRDatastoreInput{DatastoreId: mine})
	wantDenied(t, "tagged otherwise", err, "team=cardio")
}

// outOfReach are requests of AWS's client about a data store.
func outOfReach(client *sdk.Client, id, arn *string) map[string]func() error {
	place := aws.String("s3://aaa/")
	output := &types.OutputDataConfigMemberS3Configuration{Value: types.S3Configuration{S3Uri: place, KmsKeyId: aws.String("alias/a")}}
	role := aws.String("arn:aws:iam::123456789012:role/a")
	return map[string]func() error{
		"describe": func() error {
			_, err := client.DescribeFHIRDatastore(ctx, &sdk.DescribeFHIRDatastoreInput{DatastoreId: id})
			return err
		},
		"delete": func() error {
			_, err := client.DeleteFHIRDatastore(ctx, &sdk.DeleteFHIRDatastoreInput{DatastoreId: id})
			return err
		},
		"tag": func() error {
			_, err := client.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: arn, Tags: cardio})
			return err
		},
		"untag": func() error {
			_, err := client.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"team"}})
			return err
		},
		"list tags": func() error {
			_, err := client.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: arn})
			return err
		},
		"import": func() error {
			_, err := client.StartFHIRImportJob(ctx, &sdk.StartFHIRImportJobInput{DatastoreId: id, DataAccessRoleArn: role, InputDataConfig: &types.InputDataConfigMemberS3Uri{Value: *place}, JobOutputDataConfig: output})
			return err
		},
		"export": func() error {
			_, err := client.StartFHIRExportJob(ctx, &sdk.StartFHIRExportJobInput{DatastoreId: id, DataAccessRoleArn: role, OutputDataConfig: output})
			return err
		},
		"describe import": func() error {
			_, err := client.DescribeFHIRImportJob(ctx, &sdk.DescribeFHIRImportJobInput{DatastoreId: id, JobId: aws.String("a")})
			return err
		},
		"describe export": func() error {
			_, err := client.DescribeFHIRExportJob(ctx, &sdk.DescribeFHIRExportJobInput{DatastoreId: id, JobId: aws.String("a")})
			return err
		},
		"list imports": func() error {
			_, err := client.ListFHIRImportJobs(ctx, &sdk.ListFHIRImportJobsInput{DatastoreId: id})
			return err
		},
		"list exports": func() error {
			_, err := client.ListFHIRExportJobs(ctx, &sdk.ListFHIRExportJobsInput{DatastoreId: id})
			return err
		},
	}
}

// TestRolesWithTagsBeyondTheSDK is for the operations that AWS's client does not
// have, jobs of a data store within reach, and a creation that is sent again.
func TestRolesWithTagsBeyondTheSDK(t *testing.T) {
	s := limited(t)
	admin, client := s.admin(), s.client(sigv4.Key{Role: "cardio"})
	theirs, _ := made(t, admin, "onco")
	mine, myARN := made(t, client, "cardio", cardio...)
	caller := s.caller(sigv4.Key{Role: "cardio"})
	const tags = `"Tags":[{"Key":"team","Value":"cardio"},{"Key":"env","Value":""}]`
	restore := func(id, more string) string {
		return fmt.Sprintf(`{"SourceDatastoreId":%q,"RestoreConfiguration":{"ContinuousBackupRestoreConfiguration":{}}%s}`, id, more)
	}
	const again = `{"DatastoreTypeVersion":"R4","ClientToken":"one",` + tags + `}`
	for _, test := range []struct{ operation, body, code string }{
		{"UpdateFHIRDatastore", `{"DatastoreId":"` + *theirs + `","DatastoreName":"a"}`, "AccessDeniedException"},
		{"UpdateFHIRDatastore", `{"DatastoreId":"` + *mine + `","DatastoreName":"a"}`, ""},
		{"CancelFHIRImportJob", `{"DatastoreId":"` + *theirs + `","JobId":"a"}`, "AccessDeniedException"},
		{"CancelFHIRImportJob", `{"DatastoreId":"` + *mine + `","JobId":"a"}`, "ResourceNotFoundException"},
		{"CancelFHIRExportJob", `{"DatastoreId":"` + *theirs + `","JobId":"a"}`, "AccessDeniedException"},
		{"ListFHIRImportJobs", `{"DatastoreId":"` + *mine + `"}`, ""},
		{"RestoreFHIRDatastore", restore(*theirs, ","+tags), "AccessDeniedException"},
		{"RestoreFHIRDatastore", restore(*mine, ""), "AccessDeniedException"},
		{"CreateFHIRDatastore", again, ""},
		{"CreateFHIRDatastore", again, ""},
	} {
		if a := caller.do(test.operation, test.body); a.code != test.code {
			t.Errorf("%s %s: %s %s, want %q", test.operation, test.body, a.code, a.message, test.code)
		}
	}
	if a := caller.do("RestoreFHIRDatastore", restore(*mine, ","+tags)); a.code != "" {
		t.Errorf("a restore with the tags: %s %s", a.code, a.message)
	}
	list, err := admin.ListFHIRDatastores(ctx, &sdk.ListFHIRDatastoresInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list.DatastorePropertiesList {
		if _, err := admin.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: p.DatastoreArn, TagKeys: []string{"team"}}); err != nil {
			t.Fatal(err)
		}
	}
	if a := caller.do("CreateFHIRDatastore", again); a.code != "AccessDeniedException" {
		t.Errorf("sent again, of what was tagged otherwise: %s %s", a.code, a.body)
	}
	if a := caller.do("ListFHIRDatastores", `{}`); strings.Contains(a.body, "DatastoreArn") {
		t.Errorf("listed are %s, of %s", a.body, *myARN)
	}
}

func TestRolesWithTagsThatNobodyHas(t *testing.T) {
	for want, role := range map[string]healthlake.Role{
		"it has none":           {Tags: map[string]string{"team": "cardio"}},
		"none that a data":      {Operations: []string{"*"}, Tags: map[string]string{"AWS:team": "cardio"}},
		"the value \"a#b\"":     {Operations: []string{"*"}, Tags: map[string]string{"team": "a#b"}},
		"the tag \"\"":          {Operations: []string{"*"}, Tags: map[string]string{"": "a"}},
		"which is no operation": {Operations: []string{"Fly"}},
	} {
		if err := healthlake.CheckRoles(map[string]healthlake.Role{"a": role}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

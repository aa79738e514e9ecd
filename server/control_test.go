package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"
	"github.com/aws/smithy-go"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/server/settings"
	"github.com/tarnhealth/tarn/sigv4"
)

// controlClient is AWS's own client, with an endpoint and an access key.
func (r *running) controlClient(id, secret string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String("http://" + r.Addr()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

// TestControlAPI makes a data store with AWS's client on a server with sign-in,
// and looks for that in the audit log.
func TestControlAPI(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	cfg := testConfig(dir)
	cfg.Auth = AuthSMART
	cfg.Control.Account = "123456789012"
	r := start(t, cfg)
	admin := openTestAdmin(t, dir)
	key, err := admin.AddAccessKey(ctx, sigv4.Key{Role: sigv4.RoleAdmin})
	if err != nil {
		t.Fatal(err)
	}
	client := r.controlClient(key.ID, key.Secret)
	begin := time.Now()
	made, err := client.CreateFHIRDatastore(ctx, &sdk.CreateFHIRDatastoreInput{DatastoreTypeVersion: types.FHIRVersionR4, DatastoreName: aws.String("trial")})
	if err != nil {
		t.Fatal(err)
	}
	err = sdk.NewFHIRDatastoreActiveWaiter(client).Wait(ctx, &sdk.DescribeFHIRDatastoreInput{DatastoreId: made.DatastoreId}, time.Hour)
	if err != nil || !strings.Contains(*made.DatastoreArn, ":123456789012:") {
		t.Errorf("%s: %v", *made.DatastoreArn, err)
	}
	t.Log("ACTIVE after", time.Since(begin))
	r.want("/datastore/"+*made.DatastoreId+"/r4/metadata", http.StatusOK, "CapabilityStatement")
	if list, err := client.ListFHIRDatastores(ctx, &sdk.ListFHIRDatastoresInput{}); err != nil || len(list.DatastorePropertiesList) != 2 {
		t.Errorf("listed %+v, %v", list, err)
	}
	if _, err := admin.DisableAccessKey(ctx, key.ID, true); err != nil {
		t.Fatal(err)
	}
	var refused smithy.APIError
	if _, err := client.ListFHIRDatastores(ctx, &sdk.ListFHIRDatastoresInput{}); !errors.As(err, &refused) || refused.ErrorCode() != "UnrecognizedClientException" {
		t.Errorf("with a disabled key: %v", err)
	}
	if status, body := r.do("POST", "/", "{}"); status != http.StatusNotFound || !strings.Contains(body, "UnknownOperationException") {
		t.Errorf("a plain POST: %d %s", status, body)
	}
	checkControlRecords(t, dir, key.ID, *made.DatastoreId)
}

func checkControlRecords(t *testing.T, dir, key, store string) {
	t.Helper()
	var log strings.Builder
	if err := auditFolder(t, dir).Each(func(r audit.Stored) error { return json.NewEncoder(&log).Encode(r) }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"healthlake:CreateFHIRDatastore", "healthlake:ListFHIRDatastores", key, store, "UnrecognizedClientException"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the audit log has no %s", want)
		}
	}
}

// TestControlAPIForEverybody is with --auth none: any credentials will do.
func TestControlAPIForEverybody(t *testing.T) {
	r := start(t, testConfig(t.TempDir()))
	list, err := r.controlClient("any", "secret").ListFHIRDatastores(context.Background(), &sdk.ListFHIRDatastoresInput{})
	if err != nil || len(list.DatastorePropertiesList) != 1 || *list.DatastorePropertiesList[0].DatastoreId != DefaultStore {
		t.Errorf("listed %+v, %v", list, err)
	}
}

func TestControlSettings(t *testing.T) {
	set := func(name string, values ...string) error {
		s, c := settings.Named(allSettings, name), Default()
		if text := s.Shape(&c).Text; text != nil {
			return text(values[0])
		}
		return s.Shape(&c).Texts(values)
	}
	const arn = "arn:aws:lambda:us-east-1:123456789012:function:check"
	for _, test := range []struct {
		name   string
		values []string
		ok     bool
	}{
		{"control.region", []string{"eu-central-1"}, true}, {"control.region", []string{"eu central"}, false},
		{"control.account", []string{"123456789012"}, true}, {"control.account", []string{"12"}, false},
		{"control.roles", []string{"tagger=List*,TagResource", "none=Describe*"}, true},
		{"control.roles", []string{"tagger=Nothing"}, false}, {"control.roles", []string{"admin=List*"}, false},
		{"control.roles", []string{"a=List*", "a=Tag*"}, false}, {"control.roles", []string{"a"}, false},
		{"control.roles", []string{"cardio[team=cardio,env=prod]=List*,TagResource", "a=List*"}, true},
		{"control.roles", []string{"a[team=cardio]=List*", "a=Tag*"}, false}, {"control.roles", []string{"a[]=List*"}, false}, {"control.roles", []string{"a[team]=List*"}, false},
		{"control.roles", []string{"a[x=1,x=2]=List*"}, false}, {"control.roles", []string{"a[aws:x=1]=List*"}, false},
		{"control.functions", []string{arn + "=https://example.org/check"}, true}, {"control.functions", []string{arn}, false},
		{"control.datastores", []string{"20"}, true}, {"control.datastores", []string{"-1"}, false},
		{"control.reads_per_second", []string{"x"}, false}, {"control.changes_per_minute", []string{"1"}, true},
	} {
		if err := set(test.name, test.values...); (err == nil) != test.ok {
			t.Errorf("%s %q: %v", test.name, test.values, err)
		}
	}
	c := ControlConfig{Roles: []string{"tagger=List*,TagResource"}, Functions: []string{arn + "=https://example.org/?a=b"}}
	if got := c.roles()["tagger"].Operations; len(got) != 2 || got[1] != "TagResource" {
		t.Errorf("roles %q", got)
	}
	if url, ok := (&Config{Control: c}).function(arn); !ok || url != "https://example.org/?a=b" {
		t.Errorf("function %q", url)
	}
}

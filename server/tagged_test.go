package server

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/tarnhealth/tarn/server/roles"
	"github.com/tarnhealth/tarn/sigv4"
)

// TestTagsWhileServing limits access keys to tagged data stores, by a role of
// tarn.yaml and by one of a file: tags count for the FHIR API too, from the next
// request on.
func TestTagsWhileServing(t *testing.T) {
	r, a := awsServer(t, func(c *Config) {
		c.Control.Roles = []string{"cardio[team=cardio]=ReadResource,SearchWithGet,Describe*"}
	})
	ctx := context.Background()
	if _, err := a.SetRole(ctx, roles.Role{Name: "cardio-too", Operations: []string{"SearchWithGet", "Describe*"}, Tags: map[string]string{"team": "cardio"}}); err != nil {
		t.Fatal(err)
	}
	root := accessKey(t, a, sigv4.RoleAdmin)
	client := r.controlClient(root.ID, root.Secret)
	arn := aws.String("arn:aws:healthlake:us-east-1:000000000000:datastore/fhir/signed")
	var limited []signer
	for _, role := range []string{"cardio", "cardio-too"} {
		limited = append(limited, r.signer(accessKey(t, a, role)))
	}
	want := func(status int, text string) {
		t.Helper()
		for _, s := range limited {
			if got, body, _ := s.do(http.MethodGet, signedBase+"/Patient", ""); got != status || !strings.Contains(body, text) {
				t.Errorf("%d, want %d %s: %s", got, status, text, body)
			}
			_, err := r.controlClient(s.id, s.secret).DescribeFHIRDatastore(ctx, &sdk.DescribeFHIRDatastoreInput{DatastoreId: aws.String("signed")})
			if (err == nil) != (status == http.StatusOK) || err != nil && !strings.Contains(err.Error(), text) {
				t.Errorf("described: %v, want %s", err, text)
			}
		}
	}
	tag := func(team string) {
		t.Helper()
		if _, err := client.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: arn, Tags: []types.Tag{{Key: aws.String("team"), Value: &team}}}); err != nil {
			t.Fatal(err)
		}
	}
	want(http.StatusForbidden, "missing is team=cardio")
	tag("cardio")
	want(http.StatusOK, "")
	tag("onco")
	want(http.StatusForbidden, "missing is team=cardio")
}

package healthlake_test

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/sigv4"
)

// TestBadInput sends what is wrong, with the code of the error and a text of its
// message; {id} and {arn} are those of a data store that is there.
func TestBadInput(t *testing.T) {
	s := start(t, nil)
	store, err := s.stores.Create(ctx, "", "")
	if err != nil {
		t.Fatal(err)
	}
	id := store.Record().ID
	arn := "arn:aws:healthlake:us-east-1:123456789012:datastore/fhir/" + id
	admin := s.caller(sigv4.Key{Role: sigv4.RoleAdmin})
	const (
		validation, serialization = "ValidationException", "SerializationException"
		create, describe, list    = "CreateFHIRDatastore", "DescribeFHIRDatastore", "ListFHIRDatastores"
		update, startImport       = "UpdateFHIRDatastore", "StartFHIRImportJob"
	)
	for _, test := range []struct{ operation, body, code, text string }{
		{create, ``, serialization, "one JSON object"},
		{create, `[]`, serialization, "one JSON object"},
		{create, `{} {}`, serialization, "one JSON object"},
		{create, `{"a":1,"a":2}`, serialization, `"a" comes twice`},
		{create, `{"Tags":[{"Key":"a","Key":"b","Value":""}]}`, serialization, `"Key" comes twice`},
		{create, strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), serialization, "nested"},
		{create, `{"":1,"DatastoreTypeVersion":"R4"}`, serialization, "no name"},
		{create, `{}`, validation, "1 validation error detected: Value null at 'datastoreTypeVersion' failed to satisfy constraint: Member must not be null"},
		{create, `{"DatastoreTypeVersion":null}`, validation, "Member must not be null"},
		{create, `{"DatastoreTypeVersion":4}`, serialization, "datastoreTypeVersion must be a string"},
		{create, `{"DatastoreTypeVersion":"R5"}`, validation, "Value 'R5' at 'datastoreTypeVersion' failed to satisfy constraint: Member must satisfy enum value set: [R4]"},
		{create, `{"DatastoreTypeVersion":"R5","DatastoreName":"","Other":1}`, validation, "3 validation errors detected: "},
		{list, `{"MaxResults":501}`, validation, "Value '501' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 500"},
		{list, `{"MaxResults":-7}`, validation, "Value '-7' at 'maxResults'"},
		{create, `{"DatastoreTypeVersion":"R4","datastoreName":"a"}`, validation, "'datastoreName' failed to satisfy constraint: Member is not known"},
		{create, `{"DatastoreTypeVersion":"R4","DatastoreName":""}`, validation, "greater than or equal to 1"},
		{create, `{"DatastoreTypeVersion":"R4","DatastoreName":"` + strings.Repeat("ä", 257) + `"}`, validation, "less than or equal to 256"},
		{create, `{"DatastoreTypeVersion":"R4","DatastoreName":"<a>"}`, validation, "pattern"},
		{create, `{"DatastoreTypeVersion":"R4","ClientToken":"a_b"}`, validation, "pattern"},
		{create, `{"DatastoreTypeVersion":"R4","ClientToken":"` + strings.Repeat("a", 65) + `"}`, validation, "64"},
		{create, `{"DatastoreTypeVersion":"R4","SseConfiguration":{}}`, validation, "'sseConfiguration.kmsEncryptionConfig'"},
		{create, `{"DatastoreTypeVersion":"R4","SseConfiguration":[]}`, serialization, "structure"},
		{create, `{"DatastoreTypeVersion":"R4","SseConfiguration":{"KmsEncryptionConfig":{"CmkType":"X"}}}`, validation, "enum value set: [CUSTOMER_MANAGED_KMS_KEY, AWS_OWNED_KMS_KEY]"},
		{create, `{"DatastoreTypeVersion":"R4","SseConfiguration":{"KmsEncryptionConfig":{"CmkType":"CUSTOMER_MANAGED_KMS_KEY","KmsKeyId":"alias/a"}}}`, validation, "this server does not encrypt with keys of a key management service"},
		{create, `{"DatastoreTypeVersion":"R4","SseConfiguration":{"KmsEncryptionConfig":{"CmkType":"CUSTOMER_MANAGED_KMS_KEY"}}}`, validation, "Member must not be null for the CmkType"},
		{create, `{"DatastoreTypeVersion":"R4","SseConfiguration":{"KmsEncryptionConfig":{"CmkType":"AWS_OWNED_KMS_KEY","KmsKeyId":"alias/a"}}}`, validation, "Member is for the CmkType"},
		{create, `{"DatastoreTypeVersion":"R4","SseConfiguration":{"KmsEncryptionConfig":{"CmkType":"AWS_OWNED_KMS_KEY","KmsKeyId":"?"}}}`, validation, "pattern"},
		{create, `{"DatastoreTypeVersion":"R4","SseConfiguration":{"KmsEncryptionConfig":{"CmkType":"AWS_OWNED_KMS_KEY","Key":"?"}}}`, validation, "'sseConfiguration.kmsEncryptionConfig.key'"},
		{create, `{"DatastoreTypeVersion":"R4","PreloadDataConfig":{"PreloadDataType":"OTHER"}}`, validation, "[SYNTHEA]"},
		{create, `{"DatastoreTypeVersion":"R4","NlpConfiguration":{"Status":"ENABLED"}}`, validation, "does not offer"},
		{create, `{"DatastoreTypeVersion":"R4","BackupConfiguration":{}}`, validation, "'backupConfiguration.status'"},
		{create, `{"DatastoreTypeVersion":"R4","BackupConfiguration":{"Status":"ON"}}`, validation, "enum value set: [ENABLED, DISABLED]"},
		{create, `{"DatastoreTypeVersion":"R4","BackupConfiguration":{"Status":"ENABLED","BackupType":"DAILY"}}`, validation, "[CONTINUOUS]"},
		{create, `{"DatastoreTypeVersion":"R4","BackupConfiguration":{"Status":"ENABLED","RetentionPeriodInDays":31}}`, validation, "less than or equal to 30"},
		{create, `{"DatastoreTypeVersion":"R4","BackupConfiguration":{"Status":"ENABLED","RetentionPeriodInDays":0}}`, validation, "greater than or equal to 1"},
		{create, `{"DatastoreTypeVersion":"R4","BackupConfiguration":{"Status":"ENABLED","Days":3}}`, validation, "'backupConfiguration.days'"},
		{create, `{"DatastoreTypeVersion":"R4","IdentityProviderConfiguration":{}}`, validation, "'identityProviderConfiguration.authorizationStrategy'"},
		{create, `{"DatastoreTypeVersion":"R4","IdentityProviderConfiguration":{"AuthorizationStrategy":"NONE"}}`, validation, "enum value set"},
		{create, `{"DatastoreTypeVersion":"R4","IdentityProviderConfiguration":{"AuthorizationStrategy":"SMART_ON_FHIR","FineGrainedAuthorizationEnabled":"true"}}`, serialization, "true or false"},
		{create, `{"DatastoreTypeVersion":"R4","IdentityProviderConfiguration":{"AuthorizationStrategy":"SMART_ON_FHIR","Metadata":{}}}`, serialization, "metadata must be a string"},
		{create, `{"DatastoreTypeVersion":"R4","IdentityProviderConfiguration":{"AuthorizationStrategy":"SMART_ON_FHIR","Metadata":"{"}}`, validation, "text of a JSON object"},
		{create, `{"DatastoreTypeVersion":"R4","IdentityProviderConfiguration":{"AuthorizationStrategy":"SMART_ON_FHIR","Metadata":"{\"a\":1}"}}`, validation, "metadata"},
		{create, `{"DatastoreTypeVersion":"R4","IdentityProviderConfiguration":{"AuthorizationStrategy":"SMART_ON_FHIR","IdpLambdaArn":"arn:aws:lambda:us-east-1:123456789012:function:check-token"}}`, validation, "configuration names"},
		{create, `{"DatastoreTypeVersion":"R4","IdentityProviderConfiguration":{"AuthorizationStrategy":"SMART_ON_FHIR","IdpLambdaArn":"arn:aws:lambda:1"}}`, validation, "49"},
		{create, `{"DatastoreTypeVersion":"R4","IdentityProviderConfiguration":{"AuthorizationStrategy":"SMART_ON_FHIR","IdpLambdaArn":"` + strings.Repeat("a", 50) + `"}}`, validation, "pattern"},
		{create, `{"DatastoreTypeVersion":"R4","Tags":{}}`, serialization, "tags must be a list"},
		{create, `{"DatastoreTypeVersion":"R4","Tags":["a"]}`, serialization, "tags.1.member must be a structure"},
		{create, `{"DatastoreTypeVersion":"R4","Tags":[{"Key":"a"}]}`, validation, "'tags.1.member.value'"},
		{create, `{"DatastoreTypeVersion":"R4","Tags":[{"Key":"a","Value":"1"},{"Key":"a","Value":"2"}]}`, validation, "'tags.2.member.key' failed to satisfy constraint: Member must be unique"},
		{create, `{"DatastoreTypeVersion":"R4","Tags":[{"Key":"AWS:a","Value":"1"}]}`, validation, "aws:"},
		{create, `{"DatastoreTypeVersion":"R4","Tags":[{"Key":"","Value":"1"}]}`, validation, "greater than"},
		{create, `{"DatastoreTypeVersion":"R4","Tags":[{"Key":"a","Value":"` + strings.Repeat("a", 257) + `"}]}`, validation, "256"},
		{create, `{"DatastoreTypeVersion":"R4","Tags":[` + manyTags(0, 201) + `]}`, validation, "200"},

		{describe, `{}`, validation, "'datastoreId'"},
		{describe, `{"DatastoreId":""}`, validation, "'datastoreId'"},
		{describe, `{"DatastoreId":"a?b"}`, validation, "pattern"},
		{describe, `{"DatastoreId":"` + strings.Repeat("a", 65) + `"}`, validation, "64"},
		{describe, `{"DatastoreId":"none"}`, "ResourceNotFoundException", "none"},
		{describe, `{"DatastoreId":"{id}","More":1}`, validation, "not known"},
		{"DeleteFHIRDatastore", `{"DatastoreId":"none"}`, "ResourceNotFoundException", "none"},

		{list, `{"MaxResults":0}`, validation, "greater than or equal to 1"},
		{list, `{"MaxResults":501}`, validation, "less than or equal to 500"},
		{list, `{"MaxResults":1.5}`, serialization, "whole number"},
		{list, `{"MaxResults":"1"}`, serialization, "whole number"},
		{list, `{"NextToken":"x"}`, validation, "NextToken"},
		{list, `{"NextToken":"e30"}`, validation, "NextToken"},
		{list, `{"NextToken":"` + strings.Repeat("a", 8193) + `"}`, validation, "8192"},
		{list, `{"Filter":{"DatastoreStatus":"GONE"}}`, validation, "'filter.datastoreStatus'"},
		{list, `{"Filter":{"CreatedBefore":"2026-01-01T00:00:00Z"}}`, serialization, "seconds since 1970"},
		{list, `{"Filter":{"CreatedAfter":1e300}}`, serialization, "seconds since 1970"},
		{list, `{"Filter":{"Name":"a"}}`, validation, "'filter.name'"},

		{update, `{"DatastoreId":"{id}"}`, validation, "changes nothing"},
		{update, `{"DatastoreId":"none","DatastoreName":"a"}`, "ResourceNotFoundException", "none"},
		{update, `{"DatastoreId":"{id}","DatastoreName":""}`, validation, "datastoreName"},
		{update, `{"DatastoreId":"{id}","SseConfiguration":{"KmsEncryptionConfig":{"CmkType":"AWS_OWNED_KMS_KEY"}}}`, validation, "cannot be changed"},
		{update, `{"DatastoreId":"{id}","AnalyticsConfiguration":{"Status":"ENABLED"}}`, validation, "does not offer"},

		{"TagResource", `{"ResourceARN":"{arn}"}`, validation, "'tags'"},
		{"TagResource", `{"Tags":[]}`, validation, "'resourceARN'"},
		{"TagResource", `{"ResourceARN":"arn:aws:s3:::a","Tags":[]}`, validation, "pattern"},
		{"TagResource", `{"ResourceARN":"{arn}","Tags":[` + manyTags(0, 201) + `]}`, validation, "200"},
		{"TagResource", `{"ResourceARN":"arn:aws:healthlake:eu-west-1:123456789012:datastore/fhir/{id}","Tags":[]}`, "ResourceNotFoundException", "eu-west-1"},
		{"TagResource", `{"ResourceARN":"arn:aws:healthlake:us-east-1:000000000000:datastore/fhir/{id}","Tags":[]}`, "ResourceNotFoundException", "000000000000"},
		{"UntagResource", `{"ResourceARN":"{arn}"}`, validation, "'tagKeys'"},
		{"UntagResource", `{"ResourceARN":"{arn}","TagKeys":[1]}`, serialization, "tagKeys.1.member"},
		{"UntagResource", `{"ResourceARN":"{arn}","TagKeys":[""]}`, validation, "'tagKeys.1.member'"},
		{"ListTagsForResource", `{"ResourceARN":"arn:aws:healthlake:us-east-1:123456789012:datastore/fhir/none"}`, "ResourceNotFoundException", "none"},

		{startImport, `{}`, validation, "'datastoreId'"},
		{startImport, `{"DatastoreId":"{id}"}`, validation, "'inputDataConfig'"},
		{startImport, `{"DatastoreId":"{id}","InputDataConfig":{"S3Uri":"http://x"},{out}}`, validation, "pattern"},
		{startImport, `{"DatastoreId":"{id}","InputDataConfig":{"S3Uri":"file:///elsewhere"},{out}}`, validation, "none of the local folders"},
		{startImport, `{"DatastoreId":"{id}","InputDataConfig":{"S3Uri":"s3://bucket"},"JobOutputDataConfig":{"S3Configuration":{}}}`, validation, "'jobOutputDataConfig.s3Configuration.s3Uri'"},
		{startImport, `{"DatastoreId":"{id}","InputDataConfig":{"S3Uri":"s3://bucket"},{out},"ValidationLevel":"none"}`, validation, "enum value set"},
		{startImport, `{"DatastoreId":"{id}","InputDataConfig":{"S3Uri":"s3://bucket"},{out},"DataAccessRoleArn":"arn:aws:iam::1:role/x-too-short"}`, validation, "pattern"},
		{startImport, `{"DatastoreId":"{id}","InputDataConfig":{"S3Uri":"s3://bucket"},{out},"JobName":"` + strings.Repeat("a", 65) + `"}`, validation, "64"},
		{startImport, `{"DatastoreId":"{id}","InputDataConfig":{"S3Uri":"s3://bucket"},{out},"ProfileId":"x"}`, validation, "does not offer"},
		{startImport, `{"DatastoreId":"none","InputDataConfig":{"S3Uri":"s3://bucket"},{out}}`, "ResourceNotFoundException", "none"},
		{"StartFHIRExportJob", `{"DatastoreId":"{id}"}`, validation, "'outputDataConfig'"},
		{"StartFHIRExportJob", `{"DatastoreId":"none","OutputDataConfig":{"S3Configuration":{"S3Uri":"s3://bucket"}}}`, "ResourceNotFoundException", "none"},
		{"StartFHIRExportJob", `{"DatastoreId":"{id}","OutputDataConfig":{"S3Configuration":{"S3Uri":"file:///elsewhere"}}}`, validation, "none of the local folders"},
		{"DescribeFHIRImportJob", `{"DatastoreId":"{id}"}`, validation, "'jobId'"},
		{"DescribeFHIRImportJob", `{"DatastoreId":"{id}","JobId":"none"}`, "ResourceNotFoundException", "none"},
		{"DescribeFHIRExportJob", `{"DatastoreId":"{id}","JobId":"none"}`, "ResourceNotFoundException", "none"},
		{"ListFHIRImportJobs", `{"DatastoreId":"{id}","JobStatus":"GONE"}`, validation, "'jobStatus'"},
		{"ListFHIRExportJobs", `{"DatastoreId":"{id}","NextToken":"x"}`, validation, "NextToken"},
		{"RestoreFHIRDatastore", `{}`, validation, "'sourceDatastoreId'"},
		{"RestoreFHIRDatastore", `{"SourceDatastoreId":"{id}","RestoreConfiguration":{}}`, validation, "'restoreConfiguration.continuousBackupRestoreConfiguration'"},
		{"RestoreFHIRDatastore", `{"SourceDatastoreId":"none","RestoreConfiguration":{"ContinuousBackupRestoreConfiguration":{}}}`, "ResourceNotFoundException", "none"},
		{"RestoreFHIRDatastore", `{"SourceDatastoreId":"{id}","RestoreConfiguration":{"ContinuousBackupRestoreConfiguration":{"RestorePointTime":1}}}`, validation, "held nothing"},
		{"RestoreFHIRDatastore", `{"SourceDatastoreId":"{id}","RestoreConfiguration":{"ContinuousBackupRestoreConfiguration":{"RestorePointTime":99999999999}}}`, validation, "future"},
		{"Nothing", `{}`, "UnknownOperationException", "Nothing"},
	} {
		body := strings.NewReplacer("{out}", `"JobOutputDataConfig":{"S3Configuration":{"S3Uri":"s3://bucket"}}`, "{id}", id, "{arn}", arn).Replace(test.body)
		a := admin.do(test.operation, body)
		if a.code != test.code || !strings.Contains(a.message, test.text) {
			t.Errorf("%s %.150s\n\t%d %s: %.300s\n\twant %s: %s", test.operation, body, a.status, a.code, a.message, test.code, test.text)
		}
		if a.header.Get("X-Amzn-Errortype") != a.code || a.header.Get("X-Amzn-Requestid") == "" || a.header.Get("Content-Type") != "application/x-amz-json-1.0" {
			t.Errorf("%s: headers %v", test.operation, a.header)
		}
		if want := map[string]int{"UnknownOperationException": 404}[a.code]; want != 0 && a.status != want || want == 0 && a.status != 400 {
			t.Errorf("%s: %s has status %d", test.operation, a.code, a.status)
		}
	}
	records, err := s.stores.List(ctx)
	if err != nil || len(records) != 1 || len(records[0].Control.Clone().Tags) != 0 {
		t.Errorf("bad input changed something: %+v, %v", records, err)
	}
}

// manyTags are those with numbers from first on.
func manyTags(first, count int) string {
	var list []string
	for i := range count {
		list = append(list, `{"Key":"k`+strconv.Itoa(first+i)+`","Value":""}`)
	}
	return strings.Join(list, ",")
}

func TestTagsAddUp(t *testing.T) {
	s := start(t, nil)
	if _, err := s.stores.Create(ctx, "mine", ""); err != nil {
		t.Fatal(err)
	}
	admin := s.caller(sigv4.Key{Role: sigv4.RoleAdmin})
	const arn = `"ResourceARN":"arn:aws:healthlake:us-east-1:123456789012:datastore/fhir/mine"`
	for _, test := range []struct {
		first, count, status int
	}{{0, 150, 200}, {100, 100, 200}, {0, 200, 200}, {200, 1, 400}} {
		if a := admin.do("TagResource", `{`+arn+`,"Tags":[`+manyTags(test.first, test.count)+`]}`); a.status != test.status {
			t.Errorf("%+v: %d %s", test, a.status, a.body)
		}
	}
	if r, err := s.stores.Describe(ctx, "mine"); err != nil || len(r.Control.Tags) != 200 {
		t.Errorf("%d tags, %v", len(r.Control.Tags), err)
	}
}

// TestWire is what is wrong around the body.
func TestWire(t *testing.T) {
	s := start(t, nil)
	admin := s.caller(sigv4.Key{Role: sigv4.RoleAdmin})
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, test := range map[string]struct {
		body   string
		alter  func(*http.Request)
		status int
		code   string
	}{
		"as it should be":    {`{}`, set("Content-Type", "application/x-amz-json-1.0; charset=utf-8"), 200, ""},
		"another media type": {`{}`, set("Content-Type", "application/json"), 400, "SerializationException"},
		"no media type":      {`{}`, func(r *http.Request) { r.Header.Del("Content-Type") }, 400, "SerializationException"},
		"encoded":            {`{}`, set("Content-Encoding", "gzip"), 400, "SerializationException"},
		"another service":    {`{}`, set("X-Amz-Target", "DynamoDB_20120810.ListTables"), 404, "UnknownOperationException"},
		"no target":          {`{}`, func(r *http.Request) { r.Header.Del("X-Amz-Target") }, 404, "UnknownOperationException"},
		"two targets":        {`{}`, func(r *http.Request) { r.Header.Add("X-Amz-Target", "HealthLake.ListFHIRDatastores") }, 404, "UnknownOperationException"},
		"another path":       {`{}`, func(r *http.Request) { r.URL.Path = "/x" }, 404, "UnknownOperationException"},
		"another method":     {`{}`, func(r *http.Request) { r.Method = http.MethodPut }, 404, "UnknownOperationException"},
		"too large":          {strings.Repeat(" ", 1<<20) + `{}`, func(*http.Request) {}, 413, "RequestEntityTooLargeException"},
	} {
		if a := admin.do("ListFHIRDatastores", test.body, test.alter); a.status != test.status || a.code != test.code {
			t.Errorf("%s: %d %s %s; want %d %s", name, a.status, a.code, a.message, test.status, test.code)
		}
	}
}

func TestUpdate(t *testing.T) {
	const arn = "arn:aws:lambda:us-east-1:123456789012:function:check-token"
	s := start(t, func(c *healthlake.Config) {
		c.Function = func(asked string) (string, bool) { return "https://functions.example.org/check", asked == arn }
	})
	if _, err := s.stores.Create(ctx, "mine", "before"); err != nil {
		t.Fatal(err)
	}
	admin := s.caller(sigv4.Key{Role: sigv4.RoleAdmin})
	a := admin.do("UpdateFHIRDatastore", `{"DatastoreId":"mine","DatastoreName":"after"}`)
	if a.status != 200 || !strings.Contains(a.body, `"DatastoreName":"after"`) || strings.Contains(a.body, "Identity") {
		t.Errorf("the name: %s", a.body)
	}
	a = admin.do("UpdateFHIRDatastore", `{"DatastoreId":"mine","IdentityProviderConfiguration":{"AuthorizationStrategy":"SMART_ON_FHIR",
		"IdpLambdaArn":"`+arn+`","Metadata":"{ \"token_endpoint\": \"https://login.example.org/token\" }"}}`)
	for _, want := range []string{
		`"DatastoreName":"after"`, `"AuthorizationStrategy":"SMART_ON_FHIR"`, `"FineGrainedAuthorizationEnabled":false`,
		`"IdpLambdaArn":"` + arn + `"`, `"Metadata":"{ \"token_endpoint\": \"https://login.example.org/token\" }"`,
	} {
		if a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("the identity provider: %s; want %s", a.body, want)
		}
	}
	store, err := s.stores.Store("mine")
	if err != nil || store.Identity().Function != "https://functions.example.org/check" {
		t.Errorf("in force: %+v, %v", store.Identity(), err)
	}
	// Set another way, it is no longer that function.
	if _, err := s.stores.SetIdentity(ctx, "mine", nil); err != nil {
		t.Fatal(err)
	}
	if a := admin.do("DescribeFHIRDatastore", `{"DatastoreId":"mine"}`); strings.Contains(a.body, "Identity") {
		t.Errorf("after it was taken away: %s", a.body)
	}
}

// FuzzInput looks for bodies that fail the server.
func FuzzInput(f *testing.F) {
	for _, seed := range []string{`{}`, `{"DatastoreId":"a"}`, `{"Filter":{"CreatedAfter":1.5}}`, `{"ResourceARN":"x","Tags":[{"Key":"a","Value":"b"}]}`} {
		f.Add("UpdateFHIRDatastore", []byte(seed))
		f.Add("ListFHIRDatastores", []byte(seed))
		f.Add("TagResource", []byte(seed))
	}
	var handler http.Handler
	f.Fuzz(func(t *testing.T, operation string, body []byte) {
		if handler == nil || operation == "CreateFHIRDatastore" {
			handler = openHandler(t)
		}
		status := answerTo(t, handler, operation, bytes.Clone(body))
		if status >= 500 {
			t.Errorf("%s %q: %d", operation, body, status)
		}
	})
}

package healthlake

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/datastore"
)

// A stamp is a time as AWS JSON has it: a number of seconds, to the
// millisecond.
type stamp time.Time

// MarshalJSON writes the number.
func (s stamp) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(s).UnixMilli())/1000, 'f', -1, 64), nil
}

// summary is how the operations that change a data store answer.
type summary struct {
	DatastoreArn      string
	DatastoreEndpoint string
	DatastoreID       string `json:"DatastoreId"`
	DatastoreStatus   datastore.Status
}

func (h *Handler) summary(r datastore.Record, status datastore.Status) summary {
	return summary{DatastoreArn: h.arn(r), DatastoreEndpoint: h.endpoint(r), DatastoreID: r.ID, DatastoreStatus: status}
}

// properties is DatastoreProperties.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_DatastoreProperties.html
type properties struct {
	summary
	DatastoreTypeVersion          string
	DatastoreName                 string `json:",omitempty"`
	CreatedAt                     stamp
	SseConfiguration              *sseConfiguration      `json:",omitempty"`
	PreloadDataConfig             *preloadDataConfig     `json:",omitempty"`
	IdentityProviderConfiguration *identityConfiguration `json:",omitempty"`
	ProfileConfiguration          *profileConfiguration  `json:",omitempty"`
	ErrorCause                    *errorCause            `json:",omitempty"`
	BackupStatusInfo              *backupStatusInfo      `json:",omitempty"`
}

type sseConfiguration struct {
	KmsEncryptionConfig struct {
		CmkType  string
		KmsKeyID string `json:"KmsKeyId,omitempty"`
	}
}

type preloadDataConfig struct{ PreloadDataType string }

type identityConfiguration struct {
	AuthorizationStrategy           datastore.Strategy
	FineGrainedAuthorizationEnabled bool
	Metadata                        string `json:",omitempty"`
	IdpLambdaArn                    string `json:",omitempty"`
}

func (h *Handler) properties(r datastore.Record) properties {
	p := properties{
		summary:                       h.summary(r, r.Status),
		DatastoreTypeVersion:          r.Release,
		DatastoreName:                 r.Name,
		CreatedAt:                     stamp(r.Created),
		IdentityProviderConfiguration: identityOf(r),
		BackupStatusInfo:              h.backupOf(r),
	}
	if c := r.Control; c != nil && c.KeyType != "" {
		p.SseConfiguration = &sseConfiguration{}
		p.SseConfiguration.KmsEncryptionConfig.CmkType = c.KeyType
		p.SseConfiguration.KmsEncryptionConfig.KmsKeyID = c.KeyID
	}
	if c := r.Control; c != nil && c.Preload != "" {
		p.PreloadDataConfig = &preloadDataConfig{c.Preload}
	}
	return p
}

// identityOf describes how a data store knows its callers. It goes by what is in
// force, however that was set; the ARN of a function and the text of the
// metadata are told as they were written where they still stand for it.
func identityOf(r datastore.Record) *identityConfiguration {
	if r.Identity == nil {
		return nil
	}
	p := &identityConfiguration{
		AuthorizationStrategy: r.Identity.Strategy, FineGrainedAuthorizationEnabled: r.Identity.FineGrained,
		Metadata: string(r.Identity.Metadata),
	}
	if c := r.Control; c != nil {
		if c.Function == r.Identity.Function {
			p.IdpLambdaArn = c.FunctionARN
		}
		if sameJSON(c.Metadata, p.Metadata) {
			p.Metadata = c.Metadata
		}
	}
	return p
}

func sameJSON(a, b string) bool {
	var compactA, compactB bytes.Buffer
	return json.Compact(&compactA, []byte(a)) == nil && json.Compact(&compactB, []byte(b)) == nil &&
		bytes.Equal(compactA.Bytes(), compactB.Bytes())
}

func (h *Handler) endpoint(r datastore.Record) string {
	return strings.TrimSuffix(h.cfg.BaseURL, "/") + "/datastore/" + r.ID + "/r4/"
}

// arn is a data store's ARN: with the region and account that it was made in,
// so that it stays when the configuration changes.
func (h *Handler) arn(r datastore.Record) string {
	region, account := h.cfg.Region, h.cfg.Account
	if r.Control != nil && r.Control.Region != "" {
		region, account = r.Control.Region, r.Control.Account
	}
	return "arn:aws:healthlake:" + region + ":" + account + ":datastore/fhir/" + r.ID
}

// validARN is the ARN of a data store. Its id may be one of Tarn's own, which
// are not all 32 characters.
var validARN = regexp.MustCompile(`^arn:aws(?:-[a-z-]+)?:healthlake:[a-zA-Z0-9-]+:[0-9]{12}:datastore/fhir/([a-z0-9][a-z0-9-]{0,63})$`)

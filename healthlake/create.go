package healthlake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/tarnhealth/tarn/datastore"
)

// errReplay ends a creation whose ClientToken is known.
var errReplay = errors.New("healthlake: the request was answered before")

// create makes a data store. Its storage is made, and it is ACTIVE unless it is
// to be filled, when this returns: the answer says CREATING, as it does in
// HealthLake.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_CreateFHIRDatastore.html
func (c *call) create() (any, error) {
	c.in.text("DatastoreTypeVersion", versionConstraint)
	draft := c.newDraft()
	fill := c.preload(draft.Control)
	if err := c.in.finish(); err != nil {
		return nil, err
	}
	if err := c.allow(""); err != nil {
		return nil, err
	}
	if err := c.within(draft.Control); err != nil {
		return nil, err
	}
	return c.make(draft, fill)
}

// newDraft reads what is said of a new data store, however it is filled.
func (c *call) newDraft() datastore.Draft {
	in := c.in
	control := &datastore.Control{Region: c.h.cfg.Region, Account: c.h.cfg.Account}
	draft := datastore.Draft{ID: datastore.NewStoreID(), Name: in.text("DatastoreName", nameConstraint), Control: control}
	control.ClientToken = in.text("ClientToken", clientTokenConstraint)
	control.Tags = in.tags("Tags", false)
	in.encryption(control)
	draft.Identity = in.identity(c.h.cfg.Function, control)
	c.defaults, _ = c.profiles()
	if asked := in.backup(); asked.on {
		control.Backup = &asked.Backup
		control.Backup.Since = c.h.cfg.Now().UTC()
	}
	in.unavailable(notOffered, "NlpConfiguration", "AnalyticsConfiguration")
	return draft
}

// notOffered is why a member of the newer API is refused.
const notOffered = "this server does not offer it"

// encryption reads SseConfiguration.
func (in *input) encryption(control *datastore.Control) {
	sse := in.structure("SseConfiguration", false)
	if sse == nil {
		return
	}
	kms := sse.structure("KmsEncryptionConfig", true)
	if kms == nil {
		return
	}
	control.KeyType = kms.text("CmkType", keyTypeConstraint)
	control.KeyID = kms.text("KmsKeyId", keyIDConstraint)
	switch {
	case control.KeyType == customerKey && control.KeyID == "":
		kms.breaks("KmsKeyId", nil, "Member must not be null for the CmkType %s", customerKey)
	case control.KeyType == serviceKey && control.KeyID != "":
		kms.breaks("KmsKeyId", control.KeyID, "Member is for the CmkType %s", customerKey)
	}
}

// admit refuses a data store beyond the quota, and one whose ClientToken was
// used: by errReplay, with the data store, where the request was the same.
func (c *call) admit(control *datastore.Control, all []datastore.Record) (datastore.Record, error) {
	there := 0
	for _, r := range all {
		if r.Status != datastore.StatusDeleted {
			there++
		}
		if r.Control == nil || control.ClientToken == "" || r.Control.ClientToken != control.ClientToken {
			continue
		}
		if r.Control.Request != control.Request {
			return r, failed(codeValidation, "The ClientToken was used for another request; use a new one for each.")
		}
		return r, errReplay
	}
	if quota := c.h.cfg.Quotas.DataStores; quota > 0 && there >= quota {
		return datastore.Record{}, failed(codeValidation, "The quota of %d data stores is used up: delete one, or have the quota raised.", quota)
	}
	return datastore.Record{}, nil
}

// hashOf tells apart what requests ask for, but for their ClientTokens.
func hashOf(members map[string]any) string {
	asked := map[string]any{}
	for name, value := range members {
		if name != "ClientToken" && value != nil {
			asked[name] = value
		}
	}
	text, _ := json.Marshal(asked) // sorted; cannot fail, for it was read from JSON
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

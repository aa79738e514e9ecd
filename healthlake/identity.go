package healthlake

import (
	"encoding/json"

	"github.com/tarnhealth/tarn/datastore"
)

// identity reads IdentityProviderConfiguration; nil where there is none, which
// is the server's own authorization server. Whether the parts go together the
// data stores decide.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_IdentityProviderConfiguration.html
func (in *input) identity(function func(string) (string, bool), control *datastore.Control) *datastore.IdentityProvider {
	p := in.structure("IdentityProviderConfiguration", false)
	if p == nil {
		return nil
	}
	identity := &datastore.IdentityProvider{
		Strategy:    datastore.Strategy(p.text("AuthorizationStrategy", strategyConstraint)),
		FineGrained: p.flag("FineGrainedAuthorizationEnabled"),
	}
	control.Metadata = p.text("Metadata", metadataConstraint)
	if control.Metadata != "" {
		if _, err := readObject([]byte(control.Metadata)); err != nil {
			p.breaks("Metadata", control.Metadata, "Member must be the text of a JSON object: %s", err)
		}
		identity.Metadata = json.RawMessage(control.Metadata)
	}
	control.FunctionARN = p.text("IdpLambdaArn", functionConstraint)
	if control.FunctionARN != "" {
		ok := false
		if function != nil {
			identity.Function, ok = function(control.FunctionARN)
		}
		if !ok {
			p.breaks("IdpLambdaArn", control.FunctionARN, "Member must be the ARN of a function that this server's configuration names, with its URL")
		}
		control.Function = identity.Function
	}
	return identity
}

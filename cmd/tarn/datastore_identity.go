package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/server/admin"
)

func identityCommand(flags *folderFlags) *cobra.Command {
	var file string
	var own bool
	cmd := &cobra.Command{
		Use:   "identity ID (--file FILE | --own)",
		Short: "Say how a data store knows its callers",
		Long: `Say how a data store knows its callers: by the server's own authorization
server, by others, by signed requests. The file is JSON:

  {
    "authorizationStrategy": "SMART_ON_FHIR",   or SMART_ON_FHIR_V1 (scopes of version 1 alone), AWS_AUTH
    "fineGrainedAuthorizationEnabled": true,     false: the scopes alone decide
    "external": {"issuer": "https://idp.example.org"},
    "issuers": [{"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0", "tenants": ["…"]}],
    "metadata": {"token_endpoint": "https://idp.example.org/token", …},
    "builtIn": true,                             the server's own tokens count too
    "signedRequests": true,                      and requests signed with access keys
    "apiKeyRequired": true,                      beside an API key
    "tenant": "north"                            callers of other tenants are refused
  }

external, and each of issuers, has issuer (and jwksUri, where the issuer's
metadata does not say it, and algorithms) for JWTs, or introspectionUrl with
clientId, clientSecretFile and cacheSeconds; audiences that are accepted beside
the data store's base URL; requiredClaims; and claims, the names of claims that
differ from scope, clientId, fhirUser, patient, encounter, patients, tenant, roles
and sessionId. "function" is the URL, or the ARN in AWS Lambda, of a token-check
function. metadata is served as the data store's smart-configuration. The file is
taken whole; it holds from the next request on.`,
		Example: `  tarn datastore identity partner --file okta.json --data ./tarn-data
  tarn datastore identity partner --own --data ./tarn-data`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := readIdentity(file)
			if err != nil {
				return failed(err)
			}
			return flags.store(cmd, func(ctx context.Context, a *admin.Admin) (datastore.Record, error) {
				return a.SetIdentity(ctx, args[0], p)
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "JSON file")
	cmd.Flags().BoolVar(&own, "own", false, "the server's own authorization server, with fine-grained authorization")
	cmd.MarkFlagsMutuallyExclusive("file", "own")
	cmd.MarkFlagsOneRequired("file", "own")
	return cmd
}

// readIdentity reads an identity provider; without a file it is nil.
func readIdentity(file string) (*datastore.IdentityProvider, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var p datastore.IdentityProvider
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &p, nil
}

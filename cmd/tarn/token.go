package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/profile"
	"github.com/tarnhealth/tarn/server"
)

func tokenCommand() *cobra.Command {
	var at string
	var asJSON bool
	ask := profile.Ask{}
	cmd := &cobra.Command{
		Use:   "token --server URL --scope SCOPES",
		Short: "Print an access token",
		Long: `Print an access token, on the last line. It comes from the client whose
credentials are in the server's profile: tarn serve --demo saves one, and so do
tarn client add --profile and tarn client rotate-secret --profile.

For system scopes the client asks for its own (client_credentials). With
--patient, --user or scopes of patients and users the token is minted as if the
user had launched an app: that is for demonstrations and tests, takes a client
with the right to (tarn client add --may-mint), and is logged.`,
		Example: `  tarn token --server http://127.0.0.1:8080 --scope 'system/*.rs'
  tarn token --server http://127.0.0.1:8080 --scope 'patient/*.rs' --patient 123
  tarn token --server http://127.0.0.1:8080 --scope 'user/*.cruds' --user demo-practitioner
  TOKEN=$(tarn token --server http://127.0.0.1:8080 --scope 'system/*.rs' | tail -n 1)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := knownServer(at)
			if err != nil {
				return failed(err)
			}
			t, err := p.Token(cmd.Context(), nil, ask)
			if err != nil {
				return failed(err)
			}
			return failed(printToken(cmd, t, asJSON))
		},
	}
	f := cmd.Flags()
	f.StringVar(&at, serverFlag, "", "base URL of the server (required)")
	f.StringVar(&ask.Scope, "scope", "", "scopes, separated by spaces (required)")
	f.StringVar(&ask.DataStore, "datastore", server.DefaultStore, "data store that the token is for")
	f.StringVar(&ask.User, "user", "", "name, e-mail address or id of the user that the token is for")
	f.StringVar(&ask.Patient, "patient", "", "id of the patient in context")
	f.StringVar(&ask.Encounter, "encounter", "", "id of the encounter in context")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	_ = errors.Join(cmd.MarkFlagRequired(serverFlag), cmd.MarkFlagRequired("scope")) // the flags are there
	return cmd
}

func knownServer(url string) (profile.Profile, error) {
	p, err := profile.Load(url)
	if errors.Is(err, profile.ErrNone) {
		return p, fmt.Errorf("nothing is known of a client at %s; make one with tarn client add --may-mint --scope … --profile %s", url, url)
	}
	return p, err
}

func printToken(cmd *cobra.Command, t profile.Token, asJSON bool) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), t)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "scope %s, until %s\n", t.Scope, t.Expires.Local().Format("15:04:05"))
	_, err := fmt.Fprintln(cmd.OutOrStdout(), t.Access)
	return err
}

// loadScope is what tarn load asks for: it creates and updates.
const loadScope = "system/*.cruds"

// loadClient is the HTTP client of tarn load: with the token that is given, else
// with those of the server's profile, else without any.
func loadClient(ctx context.Context, to, access string, parallel int) (*http.Client, error) {
	if parallel == 0 {
		parallel = 2 * runtime.GOMAXPROCS(0)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = parallel
	if access != "" {
		return &http.Client{Transport: profile.With(access, transport)}, nil
	}
	at, store, ok := profile.Split(to)
	if !ok {
		return nil, nil
	}
	p, err := profile.Load(at)
	if errors.Is(err, profile.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if open(ctx, to) {
		return nil, nil
	}
	return &http.Client{Transport: &profile.Bearer{Profile: p, Ask: profile.Ask{Scope: loadScope, DataStore: store}, Next: transport}}, nil
}

// open reports whether a data store says that it asks for no token. A server
// that does not answer says nothing.
func open(ctx context.Context, base string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(base, "/")+"/.well-known/smart-configuration", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusNotFound
}

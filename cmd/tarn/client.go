package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tarnhealth/tarn/profile"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/smart"
)

func clientCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "client",
		Short: "Register, list and remove the apps and services that may ask for tokens",
		Long:  `Register, list and remove the apps and services that may ask for access tokens.` + folderHelp,
		Example: `  tarn client add heart --public --redirect-uri https://heart.example.org/cb --origin https://heart.example.org
  tarn client add etl --jwks-url https://etl.example.org/jwks --scope 'system/*.rs'
  tarn client list --data ./tarn-data`,
	}
	flags := &folderFlags{}
	flags.add(cmd)
	cmd.AddCommand(clientAddCommand(flags), clientListCommand(flags),
		clientNamedCommand(flags, "show", "Show a client", (*admin.Admin).Client),
		clientRotateCommand(flags),
		clientNamedCommand(flags, "remove", "Remove a client; its tokens are good no more", (*admin.Admin).RemoveClient),
		clientInviteCommand(flags),
	)
	return cmd
}

// A clientAsk is what the flags of client add say.
type clientAsk struct {
	smart.Client
	public bool
	jwks   string // a file
	// certificateDN is the subject of its certificate; selfSigned is for one of
	// its own.
	certificateDN string
	selfSigned    bool
	profile       string // URL of the server
}

func clientAddCommand(flags *folderFlags) *cobra.Command {
	ask := &clientAsk{}
	cmd := &cobra.Command{
		Use:   "add [ID]",
		Short: "Register an app or a service",
		Long: `Register an app or a service. It is public with --public (it keeps no secret,
and uses PKCE), proves itself with a key where --jwks-url or --jwks says which,
and otherwise by a secret, which is printed once.

With redirect URIs it is an app that people use; without, a service
(client_credentials). Without an ID it gets a random one.`,
		Example: `  # an app in the browser
  tarn client add heart --name "Heart App" --public --redirect-uri https://heart.example.org/cb --origin https://heart.example.org \
      --scope 'launch launch/patient openid fhirUser offline_access patient/*.rs'

  # a backend service with its own key
  tarn client add etl --jwks-url https://etl.example.org/jwks --scope 'system/*.rs'

  # for tests: may mint tokens of any user and patient; the secret goes into the profile that tarn token reads
  tarn client add tests --may-mint --scope 'system/*.cruds user/*.cruds patient/*.cruds' --profile http://127.0.0.1:8080`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				ask.ID = args[0]
			}
			if err := ask.complete(); err != nil {
				return failed(err)
			}
			return flags.client(cmd, ask.profile, func(ctx context.Context, a *admin.Admin) (admin.ClientInfo, error) {
				return a.AddClient(ctx, ask.Client)
			})
		},
	}
	ask.flags(cmd.Flags())
	_ = cmd.MarkFlagRequired("scope") // the flag is there
	cmd.MarkFlagsMutuallyExclusive("public", "jwks-url", "jwks", "profile", "certificate-dn")
	cmd.MarkFlagsMutuallyExclusive("public", "self-signed", "profile", "certificate-dn")
	return cmd
}

func (ask *clientAsk) flags(f *pflag.FlagSet) {
	f.StringVar(&ask.Name, "name", "", "name that users see (default the ID)")
	f.StringVar(&ask.Publisher, "publisher", "", "who makes it")
	f.StringVar(&ask.LogoURL, "logo", "", "logo: a data: URL of an image, or an https URL")
	f.StringVar(&ask.PolicyURL, "policy-url", "", "its privacy policy")
	f.StringVar(&ask.TermsURL, "terms-url", "", "its terms of use")
	f.StringArrayVar(&ask.Contacts, "contact", nil, "e-mail address of who runs it; may be repeated")
	f.BoolVar(&ask.public, "public", false, "it keeps no secret: an app in the browser or on a phone")
	f.StringVar(&ask.JWKSURL, "jwks-url", "", "where its public keys are")
	f.StringVar(&ask.jwks, "jwks", "", "file with its public keys (JWKS)")
	f.StringVar(&ask.certificateDN, "certificate-dn", "", "the subject of its certificate, of an authority of tls.client_ca_file, such as CN=lab,O=Example (RFC 8705)")
	f.BoolVar(&ask.selfSigned, "self-signed", false, "it has a certificate of its own, in x5c of --jwks or --jwks-url (RFC 8705)")
	f.BoolVar(&ask.BindTokens, "bind-tokens", false, "its tokens are bound to the certificate of its connection (RFC 8705)")
	f.StringArrayVar(&ask.RedirectURIs, "redirect-uri", nil, "where answers go; may be repeated")
	f.StringArrayVar(&ask.LogoutURIs, "logout-uri", nil, "where the browser may go after a sign-out; may be repeated")
	f.StringVar(&ask.LaunchURL, "launch-url", "", "where an EHR starts it")
	f.StringArrayVar(&ask.Origins, "origin", nil, "origin of its scripts, such as https://app.example.org; may be repeated")
	f.StringVar(&ask.Scopes, "scope", "", "the most that it may be granted (required)")
	f.StringArrayVar(&ask.Grants, "grant", nil, "grant type; may be repeated (default by the redirect URIs)")
	f.StringArrayVar(&ask.DataStores, "datastore", nil, "a data store that it may use; may be repeated (default all)")
	f.DurationVar(&ask.AccessLifetime, "access-lifetime", 0, "how long its access tokens live (default the server's)")
	f.DurationVar(&ask.RefreshLifetime, "refresh-lifetime", 0, "how long its refresh tokens live (default the server's)")
	f.BoolVar(&ask.MayLaunch, "may-launch", false, "it is an EHR: it may issue launch tokens")
	f.BoolVar(&ask.MayIntrospect, "may-introspect", false, "it is a resource server: it may introspect tokens of others")
	f.BoolVar(&ask.MayMint, "may-mint", false, "it may mint tokens of any user and patient: for administration and tests")
	f.BoolVar(&ask.Trusted, "trusted", false, "users are not asked for their consent")
	f.BoolVar(&ask.RequirePAR, "require-par", false, "its authorization requests must be pushed (RFC 9126)")
	f.BoolVar(&ask.RequireDPoP, "require-dpop", false, "its tokens must be bound to a key (RFC 9449)")
	f.StringVar(&ask.profile, "profile", "", "save the secret in the profile of this server URL, for tarn token and tarn load")
}

// complete fills in what follows from the flags.
func (ask *clientAsk) complete() error {
	ask.Type = smart.Symmetric
	switch {
	case ask.public:
		ask.Type = smart.Public
	case ask.certificateDN != "":
		ask.Type, ask.Certificate = smart.TLSClient, &smart.Certificate{SubjectDN: ask.certificateDN}
	case ask.selfSigned:
		ask.Type = smart.SelfSigned
	case ask.JWKSURL != "" || ask.jwks != "":
		ask.Type = smart.Asymmetric
	}
	if ask.jwks != "" {
		text, err := os.ReadFile(ask.jwks)
		if err != nil {
			return err
		}
		if !json.Valid(text) {
			return fmt.Errorf("%s is not JSON", ask.jwks)
		}
		ask.JWKS = text
	}
	if len(ask.DataStores) == 0 {
		ask.DataStores = []string{smart.AllStores}
	}
	if len(ask.Grants) == 0 {
		ask.Grants = []string{"client_credentials"}
		if len(ask.RedirectURIs) > 0 {
			ask.Grants = []string{"authorization_code", "refresh_token"}
		}
	}
	if ask.public && len(ask.RedirectURIs) == 0 {
		return errors.New("a public client is an app that people use: give its --redirect-uri")
	}
	return nil
}

func clientListCommand(flags *folderFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the clients",
		Example: `  tarn client list --data ./tarn-data
  tarn client list --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				list, err := a.Clients(ctx)
				if err != nil {
					return err
				}
				if flags.json {
					return printJSON(cmd.OutOrStdout(), list)
				}
				rows := [][]string{{"ID", "NAME", "TYPE", "GRANTS", "SCOPES"}}
				for _, c := range list {
					rows = append(rows, []string{c.ID, c.Name, string(c.Type), strings.Join(c.Grants, ","), c.Scopes})
				}
				return printTable(cmd.OutOrStdout(), rows)
			})
		},
	}
}

func clientNamedCommand(flags *folderFlags, verb, short string, run func(*admin.Admin, context.Context, string) (admin.ClientInfo, error)) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " ID",
		Short:   short,
		Example: "  tarn client " + verb + " heart --data ./tarn-data",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.client(cmd, "", func(ctx context.Context, a *admin.Admin) (admin.ClientInfo, error) { return run(a, ctx, args[0]) })
		},
	}
}

func clientRotateCommand(flags *folderFlags) *cobra.Command {
	var saveTo string
	cmd := &cobra.Command{
		Use:     "rotate-secret ID",
		Short:   "Give a client another secret; the old one is good no more",
		Example: "  tarn client rotate-secret tests --profile http://127.0.0.1:8080 --data ./tarn-data",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.client(cmd, saveTo, func(ctx context.Context, a *admin.Admin) (admin.ClientInfo, error) {
				return a.RotateSecret(ctx, args[0])
			})
		},
	}
	cmd.Flags().StringVar(&saveTo, "profile", "", "save the secret in the profile of this server URL, for tarn token and tarn load")
	return cmd
}

func clientInviteCommand(flags *folderFlags) *cobra.Command {
	var uses int
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use:   "invite",
		Short: "Make an initial access token, by which apps can register themselves",
		Long: `Make an initial access token, by which apps can register themselves at
/auth/register where the configuration says registration.mode: token.`,
		Example: `  tarn client invite --uses 5 --lifetime 72h --data ./tarn-data`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				token, err := a.InitialToken(ctx, uses, lifetime)
				if err != nil {
					return err
				}
				if flags.json {
					return printJSON(cmd.OutOrStdout(), token)
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), token.Token)
				return err
			})
		},
	}
	cmd.Flags().IntVar(&uses, "uses", 1, "how many apps may register")
	cmd.Flags().DurationVar(&lifetime, "lifetime", 24*time.Hour, "until when")
	return cmd
}

// client runs something about one client and prints it. A new secret goes into
// the profile of the server saveTo, where that is given, instead of to the
// terminal.
func (f *folderFlags) client(cmd *cobra.Command, saveTo string, run func(context.Context, *admin.Admin) (admin.ClientInfo, error)) error {
	if saveTo != "" {
		if _, err := profile.Path(saveTo); err != nil {
			return failed(err)
		}
	}
	return f.with(cmd, func(ctx context.Context, a *admin.Admin) error {
		c, err := run(ctx, a)
		if err != nil {
			return err
		}
		saved := ""
		if saveTo != "" && c.Secret != "" {
			if saved, err = profile.Save(profile.Profile{Server: saveTo, ClientID: c.ID, ClientSecret: c.Secret}); err != nil {
				return fmt.Errorf("the client is there, but its secret could not be saved; use tarn client rotate-secret %s: %w", c.ID, err)
			}
			c.Secret = ""
		}
		if f.json {
			return printJSON(cmd.OutOrStdout(), c)
		}
		return printClient(cmd.OutOrStdout(), c, saved)
	})
}

func printClient(out io.Writer, c admin.ClientInfo, saved string) error {
	var rights []string
	for _, right := range []struct {
		has  bool
		text string
	}{
		{c.MayLaunch, "issue launch tokens"}, {c.MayIntrospect, "introspect tokens of others"}, {c.MayMint, "mint tokens"},
		{c.Trusted, "no consent asked"}, {c.RequirePAR, "must push requests"}, {c.RequireDPoP, "must bind tokens"}, {c.Registered, "registered itself"},
	} {
		if right.has {
			rights = append(rights, right.text)
		}
	}
	rows := [][]string{
		{"id", c.ID}, {"name", c.Name}, {"publisher", c.Publisher}, {"type", string(c.Type)},
		{"scopes", c.Scopes}, {"grants", strings.Join(c.Grants, " ")}, {"data stores", strings.Join(c.DataStores, " ")},
		{"redirect URIs", strings.Join(c.RedirectURIs, " ")}, {"launch URL", c.LaunchURL}, {"origins", strings.Join(c.Origins, " ")},
		{"keys", cmp.Or(c.JWKSURL, strings.Repeat("inline", min(len(c.JWKS), 1)))}, {"rights", strings.Join(rights, ", ")},
		{"created", c.Created.Local().Format(time.DateTime)}, {"secret", c.Secret}, {"profile", saved},
	}
	return printTable(out, slices.DeleteFunc(rows, func(row []string) bool { return row[1] == "" }))
}

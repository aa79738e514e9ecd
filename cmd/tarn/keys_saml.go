package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/login/saml"
	"github.com/tarnhealth/tarn/server/admin"
)

// samlKeysCommand lists and replaces the keys of sign-in by SAML.
func (f *folderFlags) samlKeysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "saml",
		Short: "List and replace the keys of sign-in by SAML",
		Long: `List and replace the keys of sign-in by SAML: what requests are signed with and
assertions are encrypted for. Identity providers know them by the metadata at
/login/saml/ID/metadata, so that replacing them takes three steps: prepare another
key, let all identity providers import the metadata, and switch.`,
		Example: `  tarn keys saml list --data ./tarn-data
  tarn keys saml prepare --data ./tarn-data
  tarn keys saml switch --data ./tarn-data`,
	}
	cmd.AddCommand(
		f.samlKeys("list", "List the keys", "", (*admin.Admin).SAMLKeys),
		f.samlKeys("prepare", "Make another key", `Make another key. It is in the metadata from then on and decrypts, beside the one
that signs.`, (*admin.Admin).PrepareSAMLKey),
		f.samlKeys("switch", "Sign with the key that was prepared", `Sign with the key that was prepared, and forget the one before: assertions that
are encrypted for it are refused from then on.`, (*admin.Admin).SwitchSAMLKey))
	return cmd
}

func (f *folderFlags) samlKeys(verb, short, long string, run func(*admin.Admin, context.Context) ([]saml.KeyInfo, error)) *cobra.Command {
	return &cobra.Command{
		Use: verb, Short: short, Long: long, Example: "  tarn keys saml " + verb + " --data ./tarn-data", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				list, err := run(a, ctx)
				if err != nil {
					return err
				}
				if f.json {
					return printJSON(cmd.OutOrStdout(), list)
				}
				rows := [][]string{{"CERTIFICATE (SHA-256)", "MADE", "EXPIRES", "SIGNS"}}
				for _, k := range list {
					signs := "-"
					if k.Signs {
						signs = "yes"
					}
					rows = append(rows, []string{k.Fingerprint, moment(k.Created), moment(k.Expires), signs})
				}
				return printTable(cmd.OutOrStdout(), rows)
			})
		},
	}
}

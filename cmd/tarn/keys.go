package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/token"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List and replace the keys that tokens are signed with, and those of SAML",
		Long:  `List and replace the keys that tokens are signed with.` + folderHelp,
		Example: `  tarn keys list --data ./tarn-data
  tarn keys rotate --data ./tarn-data`,
	}
	flags := &folderFlags{}
	flags.add(cmd)
	var revoke bool
	rotate := flags.keysCommand("rotate", "Replace the keys", `Replace the keys. New ones are published at once and sign after ten minutes; the
old ones stay until all that they signed has expired.

With --revoke, after a leak, the old keys go at once and all tokens so far are
invalid.`, `  tarn keys rotate --data ./tarn-data
  tarn keys rotate --revoke --data ./tarn-data`, func(ctx context.Context, a *admin.Admin) ([]token.KeyInfo, error) {
		return a.RotateKeys(ctx, revoke)
	})
	rotate.Flags().BoolVar(&revoke, "revoke", false, "at once: all tokens so far become invalid")
	cmd.AddCommand(flags.keysCommand("list", "List the keys, the oldest first", "", "  tarn keys list --data ./tarn-data", func(ctx context.Context, a *admin.Admin) ([]token.KeyInfo, error) {
		return a.Keys(ctx)
	}), rotate, flags.samlKeysCommand())
	return cmd
}

// keysCommand makes a command that prints the keys after something was done.
func (f *folderFlags) keysCommand(verb, short, long, example string, run func(context.Context, *admin.Admin) ([]token.KeyInfo, error)) *cobra.Command {
	return &cobra.Command{
		Use: verb, Short: short, Long: long, Example: example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				list, err := run(ctx, a)
				if err != nil {
					return err
				}
				if f.json {
					return printJSON(cmd.OutOrStdout(), list)
				}
				rows := [][]string{{"KID", "ALGORITHM", "SIGNS FROM", "SIGNS UNTIL", "REMOVED"}}
				for _, k := range list {
					rows = append(rows, []string{k.ID, k.Algorithm, moment(k.Active), moment(k.Retired), moment(k.Expires)})
				}
				return printTable(cmd.OutOrStdout(), rows)
			})
		},
	}
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

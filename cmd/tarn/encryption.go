package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/vault"
)

func encryptionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "encryption",
		Short: "See, rotate and check the keys of encryption at rest",
		Long: `See, rotate and check the keys that the data stores, the server's records and the
audit log of a data folder are encrypted with.` + folderHelp,
		Example: `  tarn encryption status --data ./tarn-data
  tarn encryption rotate default --data ./tarn-data`,
	}
	flags := &folderFlags{}
	flags.add(cmd)
	cmd.AddCommand(
		flags.encryption("status", "Show who has which keys", "", "  tarn encryption status --data ./tarn-data", (*admin.Admin).Encryption),
		flags.encryption("check", "Ask customers' keys whether they may be used, now", `Ask customers' keys whether they may be used, now: data stores whose keys were
disabled are closed, and those whose keys were enabled come back.`, "  tarn encryption check --data ./tarn-data", (*admin.Admin).CheckKeys),
		flags.encryption("rotate-master", "Replace the master key in its file", `Replace the master key in its file, and wrap all data keys with the new one. No
data is written anew, and nothing stops. Back the new file up; the old one is of
no use after that.`, "  tarn encryption rotate-master --data ./tarn-data", (*admin.Admin).RotateMasterKey),
		flags.encryptionRotate(), flags.encryptionEnable(),
	)
	return cmd
}

// encryption makes a command that prints all keys after something was done.
func (f *folderFlags) encryption(verb, short, long, example string, run func(*admin.Admin, context.Context) ([]vault.Status, error)) *cobra.Command {
	return &cobra.Command{
		Use: verb, Short: short, Long: long, Example: example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.printKeysAfter(cmd, run) },
	}
}

func (f *folderFlags) encryptionRotate() *cobra.Command {
	return &cobra.Command{
		Use: "rotate ID", Short: "Give a data store a new data key",
		Long: `Give a data store a new data key, and write its files anew with it while requests
go on. It needs as much free space as the data store has. The old key is
destroyed once no file needs it: at the next start at the latest, or the one
after.

ID is a data store, or _records for the server's own records, or _audit for the
audit log, where the new key is for what is written from now on.`,
		Example: "  tarn encryption rotate default --data ./tarn-data", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.printKeysAfter(cmd, func(a *admin.Admin, ctx context.Context) ([]vault.Status, error) {
				return a.RotateDataKey(ctx, args[0])
			})
		},
	}
}

func (f *folderFlags) encryptionEnable() *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use: "enable ID", Short: "Encrypt a data store that is not encrypted",
		Long: `Encrypt a data store that is not encrypted. It is closed for the moment that it
takes to open it again; then its files are written anew. It needs as much free
space as the data store has.

ID is a data store, or _records for the server's own records, which are
encrypted from the next start on: rotate _records then, so that what is there
already is written anew.`,
		Example: `  tarn encryption enable default --data ./tarn-data
  tarn encryption enable trial-7 --kms-key alias/trial --data ./tarn-data`, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.printKeysAfter(cmd, func(a *admin.Admin, ctx context.Context) ([]vault.Status, error) {
				return a.Seal(ctx, args[0], key)
			})
		},
	}
	cmd.Flags().StringVar(&key, "kms-key", "", "id, ARN or alias of a key of a key management service (default the server's master key)")
	return cmd
}

func (f *folderFlags) printKeysAfter(cmd *cobra.Command, run func(*admin.Admin, context.Context) ([]vault.Status, error)) error {
	return f.with(cmd, func(ctx context.Context, a *admin.Admin) error {
		all, err := run(a, ctx)
		if err != nil {
			return err
		}
		if f.json {
			return printJSON(cmd.OutOrStdout(), all)
		}
		rows := [][]string{{"OWNER", "WRAPPED BY", "KEYS", "FILES", "NOT ENCRYPTED", "STATE"}}
		for _, s := range all {
			rows = append(rows, encryptionRow(&s))
		}
		return printTable(cmd.OutOrStdout(), rows)
	})
}

func encryptionRow(s *vault.Status) []string {
	var keys []string
	files := 0
	for _, k := range s.Keys {
		keys = append(keys, fmt.Sprintf("%d (%s)", k.Number, moment(k.Created)))
	}
	for _, n := range s.Files {
		files += n
	}
	by, state := "the master key", "open"
	if s.KeyID != "" {
		by = s.KeyID
	}
	if s.Unavailable != "" {
		state = "closed: " + s.Unavailable
	}
	return []string{s.Owner, by, strings.Join(keys, ", "), fmt.Sprint(files), fmt.Sprint(s.Unsealed), state}
}

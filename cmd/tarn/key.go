package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/sigv4"
)

func keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, list, disable and delete access keys for the control API",
		Long: `Make, list, disable and delete access keys: what the AWS SDKs and command line
sign their requests to the control API with.` + folderHelp,
		Example: `  export $(tarn key add --data ./tarn-data --role admin --format env)
  tarn key list --data ./tarn-data`,
	}
	flags := &folderFlags{}
	flags.add(cmd)
	cmd.AddCommand(keyAddCommand(flags), keyListCommand(flags),
		keyNamedCommand(flags, "disable", "Disable a key", func(a *admin.Admin, ctx context.Context, id string) (sigv4.Key, error) {
			return a.DisableAccessKey(ctx, id, true)
		}),
		keyNamedCommand(flags, "enable", "Enable a disabled key again", func(a *admin.Admin, ctx context.Context, id string) (sigv4.Key, error) {
			return a.DisableAccessKey(ctx, id, false)
		}),
		keyNamedCommand(flags, "delete", "Delete a key for good", (*admin.Admin).DeleteAccessKey),
	)
	return cmd
}

func keyAddCommand(flags *folderFlags) *cobra.Command {
	var key sigv4.Key
	var format string
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Make an access key; its secret is printed once",
		Long: `Make an access key; its secret is printed once.

Its role is admin, read-only, or one of those under control.roles in tarn.yaml.
With --format env it is printed as lines for a shell.`,
		Example: `  export $(tarn key add --data ./tarn-data --role admin --format env)
  tarn key add --data ./tarn-data --role read-only --name monitoring --format json
  tarn key add --data ./tarn-data --role admin --datastore trial-7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if flags.json {
				format = "json"
			}
			if format != "text" && format != "json" && format != "env" {
				return fmt.Errorf("--format is %q; allowed is text, json or env", format)
			}
			return flags.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				made, err := a.AddAccessKey(ctx, key)
				if err != nil {
					return err
				}
				return printAccessKey(cmd.OutOrStdout(), made, format)
			})
		},
	}
	cmd.Flags().StringVar(&key.Role, "role", "", "admin, read-only, or a role of the configuration (required)")
	cmd.Flags().StringVar(&key.Name, "name", "", "name for people")
	cmd.Flags().StringArrayVar(&key.DataStores, "datastore", nil, "a data store that it is for; may be repeated (default all)")
	cmd.Flags().StringVar(&format, "format", "text", "text, json or env")
	_ = cmd.MarkFlagRequired("role") // the flag is there
	return cmd
}

func printAccessKey(out io.Writer, made admin.AccessKey, format string) error {
	switch format {
	case "json":
		return printJSON(out, made)
	case "env":
		_, err := fmt.Fprintf(out, "AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n", made.ID, made.Secret)
		return err
	}
	_, err := fmt.Fprintf(out, "Access key  %s\nSecret      %s\nRole        %s\nKeep the secret: it is not shown again.\n", made.ID, made.Secret, made.Role)
	return err
}

func keyListCommand(flags *folderFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the access keys, the oldest first", Args: cobra.NoArgs,
		Example: `  tarn key list --data ./tarn-data`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				list, err := a.AccessKeys(ctx)
				if err != nil {
					return err
				}
				return flags.printKeys(cmd.OutOrStdout(), list, list)
			})
		},
	}
}

func keyNamedCommand(flags *folderFlags, verb, short string, run func(*admin.Admin, context.Context, string) (sigv4.Key, error)) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1),
		Example: "  tarn key " + verb + " AKIAIOSFODNN7EXAMPLE --data ./tarn-data",
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				key, err := run(a, ctx, args[0])
				if err != nil {
					return err
				}
				return flags.printKeys(cmd.OutOrStdout(), key, []sigv4.Key{key})
			})
		},
	}
}

// printKeys writes value as JSON, or the keys as a table for people.
func (f *folderFlags) printKeys(out io.Writer, value any, keys []sigv4.Key) error {
	if f.json {
		return printJSON(out, value)
	}
	rows := [][]string{{"ID", "NAME", "ROLE", "DATA STORES", "STATE", "CREATED", "LAST USED"}}
	for _, k := range keys {
		stores, state := strings.Join(k.DataStores, " "), "enabled"
		if stores == "" {
			stores = "all"
		}
		if k.Disabled {
			state = "disabled"
		}
		rows = append(rows, []string{k.ID, k.Name, k.Role, stores, state, moment(k.Created), moment(k.LastUsed)})
	}
	return printTable(out, rows)
}

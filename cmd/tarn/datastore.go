package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/server/admin"
)

func datastoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "datastore",
		Short: "Create, list, describe and delete data stores",
		Long:  `Create, list, describe and delete the data stores of a data folder.` + folderHelp,
		Example: `  tarn datastore create --data ./tarn-data --name trial
  tarn datastore list --data ./tarn-data`,
	}
	flags := &folderFlags{}
	flags.add(cmd)
	cmd.AddCommand(createCommand(flags), listCommand(flags), describeCommand(flags), identityCommand(flags), deleteCommand(flags))
	return cmd
}

func createCommand(flags *folderFlags) *cobra.Command {
	var id, name, identity string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a data store",
		Example: `  tarn datastore create --data ./tarn-data --name trial
  tarn datastore create --data ./tarn-data --id trial-7 --json
  tarn datastore create --data ./tarn-data --id partner --identity okta.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := readIdentity(identity)
			if err != nil {
				return failed(err)
			}
			return flags.store(cmd, func(ctx context.Context, a *admin.Admin) (datastore.Record, error) {
				return a.Create(ctx, id, name, p)
			})
		},
	}
	cmd.Flags().StringVar(&id, "id", "", "id in URLs: a-z, 0-9 and - (default 32 random hex digits)")
	cmd.Flags().StringVar(&name, "name", "", "name for people")
	cmd.Flags().StringVar(&identity, "identity", "", "file that says how it knows callers; see tarn datastore identity")
	return cmd
}

func listCommand(flags *folderFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the data stores, those deleted in the last seven days included",
		Example: `  tarn datastore list --data ./tarn-data
  tarn datastore list --data ./tarn-data --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				list, err := a.List(ctx)
				if err != nil {
					return err
				}
				return flags.printStores(cmd.OutOrStdout(), list, list)
			})
		},
	}
}

func describeCommand(flags *folderFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "describe ID",
		Short:   "Describe a data store",
		Example: `  tarn datastore describe default --data ./tarn-data`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.store(cmd, func(ctx context.Context, a *admin.Admin) (datastore.Record, error) {
				return a.Describe(ctx, args[0])
			})
		},
	}
}

func deleteCommand(flags *folderFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "delete ID",
		Short: "Delete a data store with everything in it, at once and for good",
		Long: `Delete a data store with everything in it, at once and for good: its keys are
destroyed, so that nobody can read what is left of its files.

One whose backup is on (BackupConfiguration of the control API) keeps files and
keys for the days of its backup, and can be restored until then; after that they
are destroyed.`,
		Example: `  tarn datastore delete trial-7 --data ./tarn-data`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.store(cmd, func(ctx context.Context, a *admin.Admin) (datastore.Record, error) {
				return a.Delete(ctx, args[0])
			})
		},
	}
}

// store runs a command that is about one data store, and prints it.
func (f *folderFlags) store(cmd *cobra.Command, run func(context.Context, *admin.Admin) (datastore.Record, error)) error {
	return f.with(cmd, func(ctx context.Context, a *admin.Admin) error {
		record, err := run(ctx, a)
		if err != nil {
			return err
		}
		return f.printStores(cmd.OutOrStdout(), record, []datastore.Record{record})
	})
}

// printStores writes value as JSON, or the records as a table for people.
func (f *folderFlags) printStores(out io.Writer, value any, records []datastore.Record) error {
	if f.json {
		return printJSON(out, value)
	}
	rows := [][]string{{"ID", "NAME", "RELEASE", "STATUS", "AUTHORIZATION", "CREATED"}}
	for _, r := range records {
		rows = append(rows, []string{r.ID, r.Name, r.Release, string(r.Status), authorizationOf(r.Identity), r.Created.Local().Format(time.DateTime)})
	}
	return printTable(out, rows)
}

func authorizationOf(p *datastore.IdentityProvider) string {
	switch {
	case p == nil:
		return "own"
	case p.Own():
		return "own, " + string(p.Strategy)
	case p.Function != "":
		return "function, " + string(p.Strategy)
	}
	if !p.Tokens() {
		return string(p.Strategy)
	}
	return "external, " + string(p.Strategy)
}

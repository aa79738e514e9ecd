package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/server"
)

// storeFlags are common to the datastore commands.
type storeFlags struct {
	data string
	json bool
}

func datastoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "datastore",
		Short: "Create, list, describe and delete data stores",
		Long: `Create, list, describe and delete the data stores of a data folder.

The commands work whether or not a server runs on the folder: through the
socket admin.sock in it where one does, directly where none does.`,
		Example: `  tarn datastore create --data ./tarn-data --name trial
  tarn datastore list --data ./tarn-data`,
	}
	flags := &storeFlags{}
	cmd.PersistentFlags().StringVar(&flags.data, "data", server.Default().Data, "data folder")
	cmd.PersistentFlags().BoolVar(&flags.json, "json", false, "print JSON")
	cmd.AddCommand(createCommand(flags), listCommand(flags), describeCommand(flags), deleteCommand(flags))
	return cmd
}

func createCommand(flags *storeFlags) *cobra.Command {
	var id, name string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a data store",
		Example: `  tarn datastore create --data ./tarn-data --name trial
  tarn datastore create --data ./tarn-data --id trial-7 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.one(cmd, func(ctx context.Context, a *server.Admin) (datastore.Record, error) {
				return a.Create(ctx, id, name, nil)
			})
		},
	}
	cmd.Flags().StringVar(&id, "id", "", "id in URLs: a-z, 0-9 and - (default 32 random hex digits)")
	cmd.Flags().StringVar(&name, "name", "", "name for people")
	return cmd
}

func listCommand(flags *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the data stores, those deleted in the last seven days included",
		Example: `  tarn datastore list --data ./tarn-data
  tarn datastore list --data ./tarn-data --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []datastore.Record
			err := flags.with(cmd, func(ctx context.Context, a *server.Admin) (err error) {
				list, err = a.List(ctx)
				return err
			})
			if err != nil {
				return failed(err)
			}
			return failed(flags.print(cmd.OutOrStdout(), list, list))
		},
	}
}

func describeCommand(flags *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "describe ID",
		Short:   "Describe a data store",
		Example: `  tarn datastore describe default --data ./tarn-data`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.one(cmd, func(ctx context.Context, a *server.Admin) (datastore.Record, error) {
				return a.Describe(ctx, args[0])
			})
		},
	}
}

func deleteCommand(flags *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete a data store with everything in it, at once and for good",
		Example: `  tarn datastore delete trial-7 --data ./tarn-data`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.one(cmd, func(ctx context.Context, a *server.Admin) (datastore.Record, error) {
				return a.Delete(ctx, args[0])
			})
		},
	}
}

// one runs a command that is about one data store, and prints it.
func (f *storeFlags) one(cmd *cobra.Command, run func(context.Context, *server.Admin) (datastore.Record, error)) error {
	var record datastore.Record
	err := f.with(cmd, func(ctx context.Context, a *server.Admin) (err error) {
		record, err = run(ctx, a)
		return err
	})
	if err != nil {
		return failed(err)
	}
	return failed(f.print(cmd.OutOrStdout(), record, []datastore.Record{record}))
}

func (f *storeFlags) with(cmd *cobra.Command, run func(context.Context, *server.Admin) error) error {
	admin, err := server.OpenAdmin(cmd.Context(), f.data)
	if err != nil {
		return err
	}
	return errors.Join(run(cmd.Context(), admin), admin.Close())
}

// print writes value as JSON, or the records as a table for people.
func (f *storeFlags) print(out io.Writer, value any, records []datastore.Record) error {
	if f.json {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tRELEASE\tSTATUS\tCREATED")
	for _, r := range records {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.ID, r.Name, r.Release, r.Status, r.Created.Local().Format(time.DateTime))
	}
	return table.Flush()
}

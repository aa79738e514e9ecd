package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/server/admin"
)

func apiKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apikey",
		Short: "Make, list, change and delete API keys: who may call how much",
		Long: `Make, list, change and delete API keys: what a client sends in the header
X-Api-Key beside its token, at data stores that want one, and how many requests
it may make with that.` + folderHelp,
		Example: `  tarn apikey add --data ./tarn-data --name partner --client portal --rate 50 --burst 100 --quota 100000 --period day
  tarn apikey list --data ./tarn-data`,
	}
	flags := &folderFlags{}
	flags.add(cmd)
	cmd.AddCommand(apiKeyAddCommand(flags), apiKeyListCommand(flags), apiKeyChangeCommand(flags),
		apiKeyStateCommand(flags, "disable", "Disable a key", true),
		apiKeyStateCommand(flags, "enable", "Enable a disabled key again", false),
		apiKeyDeleteCommand(flags),
	)
	return cmd
}

// planFlags are the flags of how much a key allows.
func planFlags(cmd *cobra.Command, plan *apikey.Plan) {
	cmd.Flags().Float64Var(&plan.Rate, "rate", 0, "requests a second in the long run (default no limit)")
	cmd.Flags().IntVar(&plan.Burst, "burst", 0, "how many of them may come at once; goes with --rate")
	cmd.Flags().Int64Var(&plan.Quota, "quota", 0, "requests in a period (default no limit)")
	cmd.Flags().StringVar((*string)(&plan.Period), "period", "", "what --quota is for: day, week or month, in UTC")
}

func apiKeyAddCommand(flags *folderFlags) *cobra.Command {
	var key apikey.Key
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Make an API key; it is printed once",
		Example: `  tarn apikey add --data ./tarn-data --name partner --client portal --rate 50 --burst 100
  tarn apikey add --data ./tarn-data --name trial --datastore trial-7 --quota 10000 --period month --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				made, err := a.AddAPIKey(ctx, key)
				if err != nil {
					return err
				}
				if flags.json {
					return printJSON(cmd.OutOrStdout(), made)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "API key  %s\nAllows   %s\nKeep it: it is not shown again.\n", made.Value, planText(made.Plan))
				return err
			})
		},
	}
	cmd.Flags().StringVar(&key.Name, "name", "", "name for people")
	cmd.Flags().StringVar(&key.Client, "client", "", "the id of the only client that may use it (default any)")
	cmd.Flags().StringArrayVar(&key.DataStores, "datastore", nil, "a data store that it is for; may be repeated (default all)")
	planFlags(cmd, &key.Plan)
	return cmd
}

func apiKeyListCommand(flags *folderFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the API keys and what was used of them, the oldest first", Args: cobra.NoArgs,
		Example: `  tarn apikey list --data ./tarn-data`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				list, err := a.APIKeys(ctx)
				if err != nil {
					return err
				}
				return flags.printAPIKeys(cmd.OutOrStdout(), list, list)
			})
		},
	}
}

func apiKeyChangeCommand(flags *folderFlags) *cobra.Command {
	var plan apikey.Plan
	cmd := &cobra.Command{
		Use: "change ID", Short: "Give a key another plan, whole", Args: cobra.ExactArgs(1),
		Example: "  tarn apikey change mfrggzdfmztwq2lk --rate 100 --burst 200 --data ./tarn-data",
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.changeAPIKey(cmd, args[0], func(to *admin.APIKeyChange) { to.Plan = plan })
		},
	}
	planFlags(cmd, &plan)
	return cmd
}

func apiKeyStateCommand(flags *folderFlags, verb, short string, disabled bool) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1),
		Example: "  tarn apikey " + verb + " mfrggzdfmztwq2lk --data ./tarn-data",
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.changeAPIKey(cmd, args[0], func(to *admin.APIKeyChange) { to.Disabled = disabled })
		},
	}
}

// changeAPIKey changes what a key has now.
func (f *folderFlags) changeAPIKey(cmd *cobra.Command, id string, change func(*admin.APIKeyChange)) error {
	return f.with(cmd, func(ctx context.Context, a *admin.Admin) error {
		list, err := a.APIKeys(ctx)
		if err != nil {
			return err
		}
		to := admin.APIKeyChange{}
		for _, key := range list {
			if key.ID == id {
				to = admin.APIKeyChange{Plan: key.Plan, Disabled: key.Disabled}
			}
		}
		change(&to)
		key, err := a.ChangeAPIKey(ctx, id, to)
		if err != nil {
			return err
		}
		return f.printAPIKeys(cmd.OutOrStdout(), key, []admin.APIKey{key})
	})
}

func apiKeyDeleteCommand(flags *folderFlags) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "Delete a key for good", Args: cobra.ExactArgs(1),
		Example: "  tarn apikey delete mfrggzdfmztwq2lk --data ./tarn-data",
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				key, err := a.DeleteAPIKey(ctx, args[0])
				if err != nil {
					return err
				}
				return flags.printAPIKeys(cmd.OutOrStdout(), key, []admin.APIKey{key})
			})
		},
	}
}

// printAPIKeys writes value as JSON, or the keys as a table for people.
func (f *folderFlags) printAPIKeys(out io.Writer, value any, keys []admin.APIKey) error {
	if f.json {
		return printJSON(out, value)
	}
	rows := [][]string{{"ID", "NAME", "CLIENT", "DATA STORES", "ALLOWS", "USED", "STATE", "CREATED"}}
	for _, k := range keys {
		stores, client, state := strings.Join(k.DataStores, " "), k.Client, "enabled"
		if stores == "" {
			stores = "all"
		}
		if client == "" {
			client = "any"
		}
		if k.Disabled {
			state = "disabled"
		}
		rows = append(rows, []string{k.ID, k.Name, client, stores, planText(k.Plan), strconv.FormatInt(k.Used, 10), state, moment(k.Created)})
	}
	return printTable(out, rows)
}

// planText is what a plan allows, in words.
func planText(p apikey.Plan) string {
	var limits []string
	if p.Rate > 0 {
		limits = append(limits, fmt.Sprintf("%g/s, %d at once", p.Rate, p.Burst))
	}
	if p.Quota > 0 {
		limits = append(limits, fmt.Sprintf("%d a %s", p.Quota, p.Period))
	}
	if len(limits) == 0 {
		return "any number"
	}
	return strings.Join(limits, ", ")
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/guide/shelf"
	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/guides"
)

func igCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ig",
		Short: "Add, list and remove implementation guides of a data store",
		Long: `Add, list and remove the implementation guides of a data store. A guide is a
package (.tgz) as guides are published, in as many versions as are needed. What
it holds counts from the next request on: resources that declare its profiles
are checked against them, and its search parameters, value sets and code systems
can be used.` + folderHelp,
		Example: `  tarn ig add hl7.fhir.us.core-6.1.0.tgz --data ./tarn-data
  tarn ig list --data ./tarn-data
  tarn ig remove hl7.fhir.us.core@6.1.0 --data ./tarn-data`,
	}
	flags := &guideFlags{}
	flags.add(cmd)
	cmd.PersistentFlags().StringVar(&flags.store, "store", server.DefaultStore, "id of the data store")
	cmd.AddCommand(flags.igAdd(), flags.igList(), flags.igRemove(), flags.igSet())
	return cmd
}

// guideFlags are common to the commands on guides.
type guideFlags struct {
	folderFlags
	store string
}

// printGuides prints all guides after something was done.
func (f *guideFlags) printGuides(cmd *cobra.Command, run func(context.Context, *admin.Admin) ([]shelf.Guide, error)) error {
	return f.with(cmd, func(ctx context.Context, a *admin.Admin) error {
		list, err := run(ctx, a)
		if err != nil {
			return err
		}
		if f.json {
			return printJSON(cmd.OutOrStdout(), list)
		}
		rows := [][]string{{"GUIDE", "PROFILES AND EXTENSIONS", "SEARCH PARAMETERS", "VALUE SETS", "CODE SYSTEMS", "MISSING"}}
		for _, g := range list {
			name := g.Name + "@" + g.Version
			if g.Common {
				name += " (all data stores)"
			}
			rows = append(rows, []string{
				name, fmt.Sprint(g.Holds["StructureDefinition"]), fmt.Sprint(g.Holds["SearchParameter"]), fmt.Sprint(g.Holds["ValueSet"]),
				fmt.Sprint(g.Holds["CodeSystem"]), strings.Join(g.Missing, " "),
			})
		}
		return printTable(cmd.OutOrStdout(), rows)
	})
}

func (f *guideFlags) igAdd() *cobra.Command {
	var asked guides.Addition
	cmd := &cobra.Command{
		Use: "add FILE.tgz|NAME[@VERSION]", Short: "Make a data store use a guide",
		Long: `Make a data store use a guide: a package in a file, or of a package registry by
its name, without a version the latest. What a package of a registry needs is
fetched with it. Of a file, the packages that it needs have to be there already;
--incomplete takes it without them, and what refers to them is not checked.`,
		Example: `  tarn ig add hl7.fhir.us.core-6.1.0.tgz --data ./tarn-data
  tarn ig add hl7.fhir.us.core@6.1.0 --registry https://packages.example.org --store clinic`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.printGuides(cmd, func(ctx context.Context, a *admin.Admin) ([]shelf.Guide, error) {
				return f.addGuide(ctx, a, cmd.InOrStdin(), args[0], asked)
			})
		},
	}
	cmd.Flags().StringVar(&asked.Registry, "registry", "", "URL of the package registry; the server's setting guides.registry where empty")
	cmd.Flags().BoolVar(&asked.Incomplete, "incomplete", false, "use it although packages that it needs are missing")
	return cmd
}

// addGuide adds a file where there is one of the name, or - for the standard
// input, and else a package of a registry.
func (f *guideFlags) addGuide(ctx context.Context, a *admin.Admin, stdin io.Reader, name string, asked guides.Addition) ([]shelf.Guide, error) {
	if name == "-" {
		return a.AddGuide(ctx, f.store, stdin, asked.Incomplete)
	}
	file, err := os.Open(name)
	if err == nil {
		defer file.Close() //nolint:errcheck // it is only read
		return a.AddGuide(ctx, f.store, file, asked.Incomplete)
	}
	if !errors.Is(err, os.ErrNotExist) || strings.HasSuffix(name, ".tgz") || strings.ContainsAny(name, `/\`) {
		return nil, err
	}
	asked.Package = name
	return a.FetchGuide(ctx, f.store, asked)
}

func (f *guideFlags) igList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the guides of a data store", Args: cobra.NoArgs,
		Long: `List the guides of a data store, with what they hold and which packages they need
that are not there. --json says more, such as the files that cannot be used.`,
		Example: "  tarn ig list --store clinic --data ./tarn-data",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.printGuides(cmd, func(ctx context.Context, a *admin.Admin) ([]shelf.Guide, error) { return a.Guides(ctx, f.store) })
		},
	}
}

func (f *guideFlags) igRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME[@VERSION]", Short: "Take a guide from a data store", Args: cobra.ExactArgs(1),
		Long: `Take a guide from a data store. Resources stay as they are; its profiles are not
known any more, and its search parameters and their index go.`,
		Example: "  tarn ig remove hl7.fhir.us.core@6.1.0 --data ./tarn-data",
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.printGuides(cmd, func(ctx context.Context, a *admin.Admin) ([]shelf.Guide, error) {
				return a.RemoveGuide(ctx, f.store, args[0])
			})
		},
	}
}

func (f *guideFlags) igSet() *cobra.Command {
	var defaults, demanded []string
	var refuse bool
	cmd := &cobra.Command{
		Use: "set", Short: "See and change how a data store uses its guides", Args: cobra.NoArgs,
		Long: `See how a data store uses its guides, and change what is given: which versions
count where a profile is declared without one, which profiles every resource of
their type must conform to, and whether a profile that is not known is an error.
An empty list is written --default "".`,
		Example: `  tarn ig set --default hl7.fhir.us.core@6.1.0 --data ./tarn-data
  tarn ig set --demand http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient --refuse-unknown`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				s, err := a.GuideSettings(ctx, f.store)
				if err != nil {
					return err
				}
				changed := cmd.Flags().Changed
				if changed("default") {
					s.Defaults = named(defaults)
				}
				if changed("demand") {
					s.Demanded = named(demanded)
				}
				if changed("refuse-unknown") {
					s.RefuseUnknown = refuse
				}
				if changed("default") || changed("demand") || changed("refuse-unknown") {
					if s, err = a.SetGuideSettings(ctx, f.store, s); err != nil {
						return err
					}
				}
				return printJSON(cmd.OutOrStdout(), s)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&defaults, "default", nil, "version that counts where none is named: NAME@VERSION of a package, or URL|VERSION of a profile; may repeat")
	flags.StringArrayVar(&demanded, "demand", nil, "canonical URL of a profile that every resource of its type must conform to; may repeat")
	flags.BoolVar(&refuse, "refuse-unknown", false, "refuse resources that declare a profile that is not known")
	return cmd
}

// named leaves out empty texts, and writes packages as records have them.
func named(list []string) []string {
	var all []string
	for _, text := range list {
		if !strings.Contains(text, "://") {
			text = strings.Replace(text, "@", "#", 1)
		}
		if text != "" {
			all = append(all, text)
		}
	}
	return all
}

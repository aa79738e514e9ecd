package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/terminology/distribution"
	"github.com/tarnhealth/tarn/terminology/shelf"
)

func terminologyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "terminology",
		Short: "Load, list and remove large terminologies such as LOINC and SNOMED CT",
		Long: `Load, list and remove large terminologies of a data folder: for one data store,
or for all of them. A running server sees what changes within a second.

Tarn comes with none of them. Bring the files that their publishers give out, under
their licences.`,
		Example: `  tarn terminology load --system loinc Loinc_2.77.zip --data ./tarn-data
  tarn terminology list --data ./tarn-data`,
	}
	flags := &folderFlags{}
	flags.add(cmd)
	cmd.AddCommand(loadTerminology(flags), listTerminologies(flags), removeTerminology(flags))
	return cmd
}

func loadTerminology(flags *folderFlags) *cobra.Command {
	var system, store string
	var opt distribution.Options
	cmd := &cobra.Command{
		Use:   "load FILE|FOLDER|ZIP",
		Short: "Load a terminology from its publisher's files",
		Long: `Load a terminology from its publisher's files, in the place of the same version
where that is loaded:

  loinc      Loinc.csv, with ComponentHierarchyBySystem.csv, Part.csv and
             AnswerList.csv where they are there
  snomed     a release in RF2 (its snapshot)
  rxnorm     RXNCONSO.RRF, with RXNREL.RRF, RXNSTY.RRF and RXNSAT.RRF
  icd-10-cm  icd10cm_order_YYYY.txt or icd10cm_tabular_YYYY.xml
  cvx        cvx.txt
  ucum       ucum-essence.xml`,
		Example: `  tarn terminology load --system loinc Loinc_2.77.zip
  tarn terminology load --system snomed ./SnomedCT_InternationalRF2 --store trial-7
  tarn terminology load --system icd-10-cm icd10cm_order_2024.txt --data ./tarn-data`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd, store); err != nil {
				return failed(err)
			}
			meta, builder, err := distribution.Read(system, args[0], opt)
			if err != nil {
				return failed(err)
			}
			meta, err = shelf.Open(flags.data, nil, nil).Add(store, meta, builder)
			if err != nil {
				return failed(err)
			}
			if flags.json {
				return failed(printJSON(cmd.OutOrStdout(), meta))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s|%s: %d concepts\n", meta.URL, meta.Version, meta.Concepts)
			return nil
		},
	}
	cmd.Flags().StringVar(&system, "system", "", "what the files are of: "+strings.Join(distribution.Systems(), ", "))
	cmd.Flags().StringVar(&store, "store", "", "data store that it is for (default all)")
	cmd.Flags().StringVar(&opt.Version, "version", "", "its version (default as the files tell)")
	cmd.Flags().StringVar(&opt.Language, "language", "", "SNOMED CT: id of the language reference set that chooses displays (default US English)")
	_ = cmd.MarkFlagRequired("system") // it is there
	return cmd
}

// check reports whether there is the data folder, and the data store in it.
func (f *folderFlags) check(cmd *cobra.Command, store string) error {
	if store != "" {
		return f.with(cmd, func(ctx context.Context, a *admin.Admin) error {
			_, err := a.Describe(ctx, store)
			return err
		})
	}
	if info, err := os.Stat(f.data); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no data folder %s; name the folder of the server with --data", f.data)
	}
	return nil
}

func listTerminologies(flags *folderFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the loaded terminologies",
		Example: `  tarn terminology list --data ./tarn-data
  tarn terminology list --data ./tarn-data --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd, ""); err != nil {
				return failed(err)
			}
			all := shelf.Open(flags.data, slog.New(slog.DiscardHandler), nil).All()
			return failed(flags.printVolumes(cmd.OutOrStdout(), all))
		},
	}
}

// A volume is a loaded terminology as it is printed.
type volume struct {
	Name     string    `json:"name"`
	Store    string    `json:"store,omitempty"`
	URL      string    `json:"url,omitempty"`
	Version  string    `json:"version,omitempty"`
	Concepts int       `json:"concepts"`
	Bytes    int64     `json:"bytes"`
	Loaded   time.Time `json:"loaded"`
	Problem  string    `json:"problem,omitempty"`
}

func (f *folderFlags) printVolumes(out io.Writer, all []*shelf.Volume) error {
	list := []volume{}
	rows := [][]string{{"NAME", "DATA STORE", "SYSTEM", "VERSION", "CONCEPTS", "BYTES", "LOADED"}}
	for _, v := range all {
		p := volume{Name: v.Name, Store: v.Store, Bytes: v.Bytes, Loaded: v.Loaded}
		if v.Book != nil {
			p.URL, p.Version, p.Concepts = v.Book.URL, v.Book.Version, v.Book.Concepts
		} else {
			p.Problem = v.Problem.Error()
		}
		list = append(list, p)
		store := v.Store
		if store == "" {
			store = "(all)"
		}
		system := p.URL
		if p.Problem != "" {
			system = p.Problem
		}
		rows = append(rows, []string{p.Name, store, system, p.Version, strconv.Itoa(p.Concepts), strconv.FormatInt(p.Bytes, 10), p.Loaded.Local().Format(time.DateTime)})
	}
	if f.json {
		return printJSON(out, list)
	}
	return printTable(out, rows)
}

func removeTerminology(flags *folderFlags) *cobra.Command {
	var store string
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a loaded terminology",
		Example: `  tarn terminology remove loinc-2.77 --data ./tarn-data
  tarn terminology remove icd-10-cm-2024 --store trial-7`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd, ""); err != nil {
				return failed(err)
			}
			if err := shelf.Open(flags.data, nil, nil).Remove(store, args[0]); err != nil {
				return failed(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is removed\n", args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&store, "store", "", "data store that it is for (default all)")
	return cmd
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/load"
)

func loadCommand() *cobra.Command {
	opt := load.Options{}
	var errorsFile, access string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "load --server URL PATH…",
		Short: "Load Bundles and NDJSON into a FHIR server",
		Long: `Load files into a FHIR server. PATHs are files, and folders that are searched
through for *.json (transaction and batch Bundles are carried out, any other
resource is stored) and *.ndjson (one resource a line), also with .gz or .zst.

Of the files that Synthea writes, hospitalInformation* and
practitionerInformation* are loaded first, for the others refer to them.

A load that was stopped goes on where it was when the command is repeated; at
Ctrl-C it waits for the requests that are on their way.
The access token is that of --token, or of the client in the server's profile
(see tarn token).
Every resource that the server rejects is printed with its reason; the exit
code is then 3.`,
		Example: `  tarn load --server http://127.0.0.1:8080/datastore/default/r4 ./bundles
  tarn load --server http://127.0.0.1:8080/datastore/default/r4 Patient.ndjson.gz Observation.ndjson.zst
  tarn load --server https://fhir.example.org/r4 --token "$TOKEN" ./bundles
  tarn load --server http://127.0.0.1:8080/datastore/default/r4 --errors rejected.ndjson --json ./export`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			opt.Paths = paths
			if opt.State == "" {
				opt.State, opt.StateIsTemporary = load.DefaultState(opt.To), true
			}
			var err error
			if opt.Client, err = loadClient(cmd.Context(), opt.To, access, opt.Parallel); err != nil {
				return failed(err)
			}
			return failed(runLoad(cmd, opt, errorsFile, asJSON))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opt.To, serverFlag, "", "FHIR base URL of the data store (required)")
	formerly(cmd, "to")
	flags.IntVar(&opt.Parallel, "parallel", 0, "requests at a time (default two for each core)")
	flags.IntVar(&opt.Lines, "lines", 500, "lines of NDJSON in one request")
	flags.DurationVar(&opt.Wait, "wait", time.Minute, "how long to wait for a server that is away or busy")
	flags.StringVar(&opt.State, "state", "", "file that remembers what is done, for good (default a file in the user's cache folder that is removed when all is done)")
	flags.BoolVar(&opt.Restart, "restart", false, "load everything, also what an earlier run did")
	flags.StringVar(&errorsFile, "errors", "", "write every rejection to this file, as NDJSON")
	flags.StringVar(&access, "token", "", "access token (default by the server's profile)")
	flags.BoolVar(&asJSON, "json", false, "print the summary as JSON")
	_ = cmd.MarkFlagRequired(serverFlag) // the flag is there
	return cmd
}

func runLoad(cmd *cobra.Command, opt load.Options, errorsFile string, asJSON bool) (err error) {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends the process at once
	if errorsFile != "" {
		f, err := os.Create(errorsFile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		opt.Errors = f
	}
	meter := load.NewMeter(os.Stderr)
	opt.Progress = meter.Show
	summary, err := load.Run(ctx, opt)
	meter.Close()
	if summary != nil {
		err = errors.Join(err, printSummary(cmd, summary, asJSON))
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("stopped; repeat the command to go on")
	case err == nil && summary.Rejected > 0:
		return &codedError{exitRejected, fmt.Errorf("%d resources were rejected", summary.Total.Rejected)}
	}
	return err
}

func printSummary(cmd *cobra.Command, summary *load.Summary, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(summary)
	}
	return summary.Print(cmd.OutOrStdout())
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/synth"
)

func synthCommand() *cobra.Command {
	var opt synth.Options
	var out, format string
	var compress, asJSON bool
	cmd := &cobra.Command{
		Use:   "synth --out DIR",
		Short: "Write a synthetic population",
		Long: `Write the records of invented patients: coherent lives with encounters,
conditions, observations, medications, procedures, immunizations and claims,
in base R4. The same seed always gives the same files.`,
		Example: `  tarn synth --patients 1000 --seed 7 --out ./population
  tarn synth --patients 100000 --out ./population --format ndjson --gzip`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opt.Patients < 1 {
				return fmt.Errorf("--patients is %d; it must be 1 or more", opt.Patients)
			}
			write := synth.New(opt).WriteBundles
			switch format {
			case "bundle":
			case "ndjson":
				write = synth.New(opt).WriteNDJSON
			default:
				return fmt.Errorf("--format is %q; it must be bundle or ndjson", format)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return failed(runSynth(ctx, cmd, write, out, compress, asJSON))
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&opt.Patients, "patients", 100, "number of patients")
	flags.Uint64Var(&opt.Seed, "seed", 1, "chooses the people")
	flags.StringVar(&out, "out", "", "folder to write to (required)")
	flags.StringVar(&format, "format", "bundle", "bundle (a transaction for each patient) or ndjson (a file for each type)")
	flags.BoolVar(&compress, "gzip", false, "compress the files")
	flags.BoolVar(&asJSON, "json", false, "print the summary as JSON")
	_ = cmd.MarkFlagRequired("out") // the flag is there
	return cmd
}

type writeFunc func(ctx context.Context, dir string, compress bool, progress synth.Progress) (synth.Summary, error)

func runSynth(ctx context.Context, cmd *cobra.Command, write writeFunc, out string, compress, asJSON bool) error {
	begin := time.Now()
	summary, err := write(ctx, out, compress, patientLines(cmd.ErrOrStderr(), 5*time.Second))
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{
			"patients": summary.Patients, "resources": summary.Total(), "types": summary.Resources,
			"files": summary.Files, "bytes": summary.Bytes,
		})
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d patients, %d resources, %d files, %.1f MB of JSON in %s (%s)\n",
		summary.Patients, summary.Total(), summary.Files, float64(summary.Bytes)/1e6, out, time.Since(begin).Round(10*time.Millisecond))
	return err
}

// patientLines reports progress now and then.
func patientLines(out io.Writer, every time.Duration) synth.Progress {
	printed := time.Now()
	return func(done, total int) {
		if time.Since(printed) > every {
			printed = time.Now()
			fmt.Fprintf(out, "%d of %d patients\n", done, total)
		}
	}
}

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/server/tuning"
)

func serveCommand() *cobra.Command {
	var config string
	var demo bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the data stores of a data folder",
		Long: `Serve the data stores of a data folder over HTTP.

Settings come from flags, TARN_* variables and a tarn.yaml, in this order of
precedence; "tarn config --help" lists them. Callers need an access token of
the server's own SMART on FHIR authorization server ("tarn user", "tarn client"
and "tarn token" have the people, apps and tokens). With --auth none every
program on this machine may read and write everything; then the server refuses
addresses that other machines can reach.

The data store "default" is there from the first start.`,
		Example: `  # 100 synthetic patients, users and a sample app, in a temporary folder
  tarn serve --demo

  # an empty data store that stays
  tarn serve --data ./tarn-data

  # the same for one developer, who needs no token
  tarn serve --auth none --data ./tarn-data

  # everything in a file
  tarn serve --config tarn.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tuning.Collector()
			tuning.Procs()
			cfg, warnings, err := server.Load(sources(cmd, config, demo))
			for _, w := range warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "tarn: warning:", w)
			}
			if err != nil {
				return failed(err)
			}
			s, err := server.New(cfg)
			if err != nil {
				return failed(err)
			}
			return failed(s.Run(cmd.Context()))
		},
	}
	settingFlags(cmd.Flags())
	configFlag(cmd.Flags(), &config)
	cmd.Flags().BoolVar(&demo, "demo", false, "fill the data store \"default\" with 100 synthetic patients and make users and a sample app, in a temporary folder unless --data is given")
	return cmd
}

// settingFlags are the settings that serve takes as flags, by their names in
// tarn.yaml.
func settingFlags(flags *pflag.FlagSet) {
	flags.String("listen", "", "address to serve at, host:port (default 127.0.0.1:8080)")
	flags.String("data", "", "data folder (default tarn-data)")
	flags.String("auth", "", "smart or none (default smart)")
}

func configFlag(flags *pflag.FlagSet, to *string) {
	flags.StringVar(to, "config", os.Getenv("TARN_CONFIG"), "read settings from this file (TARN_CONFIG)")
}

// sources are the settings that the command line and its surroundings give.
func sources(cmd *cobra.Command, config string, demo bool) server.Sources {
	given := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = f.Value.String() })
	return server.Sources{File: config, Environ: os.Environ(), Flags: given, Demo: demo}
}

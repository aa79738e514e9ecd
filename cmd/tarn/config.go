package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/server"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration",
		Long:  "The settings of tarn.yaml, their variables and defaults:\n\n" + server.SettingsHelp(),
		Example: `  # a tarn.yaml
  listen: 127.0.0.1:9090
  auth: none
  limits:
    max_body: 100MiB

  tarn config check --config tarn.yaml`,
	}
	cmd.AddCommand(configCheckCommand())
	return cmd
}

func configCheckCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what is wrong with the configuration",
		Long: `Read the configuration as tarn serve would and say everything that is wrong
with it, one problem a line. Nothing is started.`,
		Example: `  tarn config check --config tarn.yaml
  TARN_LISTEN=0.0.0.0:80 tarn config check --auth none`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, warnings, err := server.Load(sources(cmd, config, false))
			for _, w := range warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "tarn: warning:", w)
			}
			if err != nil {
				return failed(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the configuration is good")
			return nil
		},
	}
	settingFlags(cmd.Flags())
	configFlag(cmd.Flags(), &config)
	return cmd
}

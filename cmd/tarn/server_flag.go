package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// serverFlag names the server that a command talks to.
const serverFlag = "server"

// formerly lets the flag of the server go by the name that a command and those
// below it had for it.
func formerly(cmd *cobra.Command, name string) {
	cmd.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, given string) pflag.NormalizedName {
		if given == name {
			given = serverFlag
		}
		return pflag.NormalizedName(given)
	})
}

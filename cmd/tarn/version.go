package main

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/server"
)

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the program's version",
		Example: `  tarn version
  tarn version --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			if !asJSON {
				fmt.Fprintf(out, "tarn %s (FHIR 4.0.1, %s, %s/%s)\n", server.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return nil
			}
			return failed(json.NewEncoder(out).Encode(map[string]string{
				"version": server.Version(), "fhirVersion": "4.0.1",
				"go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
			}))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

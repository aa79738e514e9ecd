// Command tarn is a FHIR R4 data store: the server, and the tools around it.
// It turns flags into calls and errors into exit codes; the work is done in
// the packages server, load and synth.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK       = 0
	exitFailed   = 1 // the command could not do its work
	exitUsage    = 2 // the command line is wrong
	exitRejected = 3 // tarn load: the server rejected some resources
)

func main() { os.Exit(run()) }

func run() int {
	cmd, err := root().ExecuteContextC(context.Background())
	if err == nil {
		return exitOK
	}
	var coded *codedError
	if !errors.As(err, &coded) {
		coded = &codedError{exitUsage, err}
	}
	if text := coded.Error(); text != "" {
		fmt.Fprintln(os.Stderr, "tarn: "+text)
	}
	if coded.code == exitUsage {
		fmt.Fprintf(os.Stderr, "Usage: %s\n%s --help says more.\n", cmd.UseLine(), cmd.CommandPath())
	}
	return coded.code
}

// A codedError is an error that decides the exit code. Errors without a code
// come from parsing the command line.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// failed marks an error of the work itself, unless it has a code; nil stays
// nil.
func failed(err error) error {
	var coded *codedError
	if err == nil || errors.As(err, &coded) {
		return err
	}
	return &codedError{exitFailed, err}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tarn",
		Short: "A FHIR R4 data store in one program",
		Long: `Tarn is a FHIR R4 data store in one program.

Exit codes: 0 done, 1 failed, 2 the command line is wrong, 3 the server
rejected some of the resources that tarn load sent.`,
		Example: `  tarn serve --demo
  tarn serve --data ./tarn-data
  tarn load --server http://127.0.0.1:8080/datastore/default/r4 ./bundles`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(serveCommand(), loadCommand(), synthCommand(), datastoreCommand(), importCommand(), exportCommand(), userCommand(), clientCommand(), accessCommand(), keysCommand(), keyCommand(), apiKeyCommand(), tokenCommand(), auditCommand(), encryptionCommand(), applyCommand(), exportConfigCommand(), configCommand(), fhirpathCommand(), validateCommand(), terminologyCommand(), igCommand(), versionCommand())
	cmd.AddCommand(backupCommand(), restoreCommand())
	return cmd
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/server/admin"
)

// folderFlags are common to the commands that work on a data folder.
type folderFlags struct {
	data string
	json bool
}

// folderHelp ends the long help of these commands.
const folderHelp = `

The commands work whether or not a server runs on the data folder: through the
socket admin.sock in it where one does, directly where none does.`

func (f *folderFlags) add(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&f.data, "data", server.Default().Data, "data folder")
	cmd.PersistentFlags().BoolVar(&f.json, "json", false, "print JSON")
}

func (f *folderFlags) with(cmd *cobra.Command, run func(context.Context, *admin.Admin) error) error {
	folder, err := server.OpenAdmin(cmd.Context(), f.data)
	if err != nil {
		return failed(err)
	}
	return failed(errors.Join(run(cmd.Context(), folder), folder.Close()))
}

// printJSON writes a value with indents.
func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// printTable writes rows in columns, the first one as their heads.
func printTable(out io.Writer, rows [][]string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}

// readPassword asks for a password, twice, at a terminal, and otherwise takes
// the first line of the standard input.
func readPassword(cmd *cobra.Command) (string, error) {
	in, isFile := cmd.InOrStdin().(*os.File)
	if !isFile || !term.IsTerminal(int(in.Fd())) {
		line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", errors.Join(errors.New("no password on the standard input"), notEnd(err))
		}
		return line, nil
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(cmd.ErrOrStderr(), prompt)
		defer fmt.Fprintln(cmd.ErrOrStderr())
		b, err := term.ReadPassword(int(in.Fd()))
		return string(b), err
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	again, err := ask("Again: ")
	if err == nil && again != first {
		err = errors.New("the two are not the same")
	}
	return first, err
}

func notEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/stack"
)

// An applying is one run of tarn apply.
type applying struct {
	*folderFlags
	file                 string
	prune, yes, planOnly bool
	in                   io.Reader
	out                  io.Writer
}

func applyCommand() *cobra.Command {
	a := &applying{folderFlags: &folderFlags{}}
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Set up data stores, guides, identity providers, roles, users, clients and keys as a file says",
		Long: `Set up data stores, guides, identity providers, roles, users, clients and keys as
a file says: shows what has to change, asks, and changes it. Applied again, the
file changes nothing.

The file is YAML, or JSON, with lists of what there is to be:

  roles        name, rules (interactions, types, query), unconfined, clearance,
               labels: for the FHIR API; operations, tags: for the
               control API
  dataStores   id, name, kmsKey, identity (as tarn datastore identity has it),
               guides (file, or package and registry; incomplete),
               guideSettings (default, demand, refuseUnknown), subscriptions
               (id, client, criteria, endpoint, payload, headers, end)
  identityProviders
               id, name, issuer, clientId, clientSecret (env, file or kept),
               scopes, linkByEmail, createUsers, claims (username, name, email,
               fhirUser, dataStore, roles, roleOf): whom users sign in through
  users        username, name, email, roles, profiles, noPassword, disabled
  clients      id, type, name, scopes, grants, dataStores, redirectUris, jwksUrl, …
  accessKeys   name, role, dataStores, disabled: for the control API
  apiKeys      name, client, dataStores, rate, burst, quota, period, disabled

They are known by their id, username or name. What the file does not name stays,
unless --prune deletes it: a data store with everything in it. A list that is not
in the file is left alone in any case, and so are guides, their settings and
subscriptions where a data store does not have them. A guide is a file, by its path from this file's
folder, or NAME@VERSION of one that a data store of the server or a registry has.
Values of headers and clientSecret are secrets: env: VARIABLE or file: PATH says
where they are, and kept: true leaves one as it is.
Secrets that are made are shown once; what is in tarn.yaml, such as providers and
roles that it defines, is not in this file.` + folderHelp,
		Example: `  tarn apply -f stack.yaml --data ./tarn-data
  tarn apply -f stack.yaml --plan --json
  tarn apply -f stack.yaml --prune --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.in, a.out = cmd.InOrStdin(), cmd.OutOrStdout()
			text, err := readFile(a.in, a.file)
			if err != nil {
				return failed(err)
			}
			f, err := stack.Read(text)
			if err == nil {
				err = f.Locate(filepath.Dir(a.file))
			}
			if err != nil {
				return failed(fmt.Errorf("%s: %w", a.file, err))
			}
			return a.with(cmd, func(ctx context.Context, to *admin.Admin) error { return a.apply(ctx, to, f) })
		},
	}
	a.add(cmd)
	cmd.Flags().StringVarP(&a.file, "file", "f", "", "the file; - is the standard input (required)")
	cmd.Flags().BoolVar(&a.prune, "prune", false, "delete what is not in the lists of the file")
	cmd.Flags().BoolVar(&a.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&a.planOnly, "plan", false, "only show what has to change")
	_ = cmd.MarkFlagRequired("file") // the flag is there
	return cmd
}

func readFile(in io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(name)
}

// applied is what --json prints.
type applied struct {
	Changes []stack.Change `json:"changes"`
	// Applied is how many of them were carried out.
	Applied int            `json:"applied"`
	Secrets []stack.Secret `json:"secrets,omitempty"`
}

func (a *applying) apply(ctx context.Context, to *admin.Admin, f *stack.File) error {
	plan, err := stack.Make(ctx, to, f, a.prune)
	if err != nil {
		return err
	}
	result := applied{Changes: plan.Changes}
	if !a.json {
		printPlan(a.out, plan)
	}
	if len(plan.Changes) > 0 && !a.planOnly {
		if err := a.agreed(); err != nil {
			return err
		}
		err = plan.Apply(ctx, to, func(c stack.Change, secrets []stack.Secret) {
			result.Applied++
			result.Secrets = append(result.Secrets, secrets...)
			if !a.json {
				printChanged(a.out, c, secrets)
			}
		})
	}
	if a.json {
		// Secrets are shown once, after a failure too.
		err = errors.Join(err, printJSON(a.out, result))
	}
	return err
}

// agreed asks, unless --yes has answered.
func (a *applying) agreed() error {
	if a.yes {
		return nil
	}
	file, isFile := a.in.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) || a.file == "-" || a.json {
		return errors.New("nothing was changed: there is nobody to ask; say --yes, or --plan to see what would change")
	}
	fmt.Fprint(a.out, "Change this? [y/N] ")
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); err == nil && (answer == "y" || answer == "yes") {
		return nil
	}
	return errors.New("nothing was changed")
}

var marks = map[stack.Action]string{stack.Create: "+", stack.Update: "~", stack.Replace: "±", stack.Delete: "-"}

func printPlan(out io.Writer, plan *stack.Plan) {
	if len(plan.Changes) == 0 {
		fmt.Fprintln(out, "Everything is as the file says.")
		return
	}
	for _, c := range plan.Changes {
		fmt.Fprintf(out, "%s %s %s %s\n", marks[c.Action], c.Action, c.Kind, c.Name)
		for _, d := range c.Differences {
			fmt.Fprintf(out, "    %s\n", d)
		}
	}
}

func printChanged(out io.Writer, c stack.Change, secrets []stack.Secret) {
	fmt.Fprintf(out, "%sd %s %s\n", strings.TrimSuffix(string(c.Action), "e")+"e", c.Kind, c.Name)
	for _, s := range secrets {
		fmt.Fprintf(out, "    %s: %s (shown once)\n", s.Name, s.Value)
	}
}

func exportConfigCommand() *cobra.Command {
	flags := &folderFlags{}
	cmd := &cobra.Command{
		Use:   "export-config",
		Short: "Print the data stores, identity providers, roles, users, clients and keys as a file for tarn apply",
		Long: `Print the data stores with their guides, the identity providers, roles, users,
clients and keys as a file for tarn apply. Secrets and passwords are not in it, nor are keys without a
name and apps that registered themselves.` + folderHelp,
		Example: `  tarn export-config --data ./tarn-data > stack.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				f, err := stack.Export(ctx, a)
				if err != nil {
					return err
				}
				if flags.json {
					return printJSON(cmd.OutOrStdout(), f)
				}
				text, err := f.YAML()
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(text)
				return err
			})
		},
	}
	flags.add(cmd)
	return cmd
}

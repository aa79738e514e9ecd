package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/explain"
)

func accessCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "access",
		Short: "Explain who may do what",
		Long: `Explain who may do what: why a request of a user, by an application with some
scopes, would be allowed or denied.`,
		Example: `  tarn access explain --user roe --scope 'user/*.rs' GET Patient/123`,
	}
	flags := &folderFlags{}
	flags.add(cmd)
	cmd.AddCommand(explainCommand(flags))
	return cmd
}

func explainCommand(flags *folderFlags) *cobra.Command {
	var q explain.Question
	var store, body string
	cmd := &cobra.Command{
		Use:   "explain METHOD URL",
		Short: "Explain step by step why a request would be allowed or denied",
		Long: `Explain step by step why a request would be allowed or denied: which scopes
grant it, whose data they reach, what the roles allow, and what Consents and
security labels hide. Nothing is read or written for the user. A server must run
on the data folder, since its configuration decides.

The URL is relative to the data store's base URL. The exit status is 0 where the
request is allowed, and 1 where it is not.`,
		Example: `  tarn access explain --user roe --scope 'user/*.rs' GET Patient/123
  tarn access explain --client app --patient 123 GET 'Observation?code=8480-6'
  tarn access explain --fhir-user Practitioner/7 --role emergency --purpose BTG --scope 'user/*.r' GET Observation/9 --json
  tarn access explain --scope 'patient/*.cruds' --patient 123 --body new.json POST Observation`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Method, q.URL = args[0], args[1]
			if body != "" {
				text, err := os.ReadFile(body)
				if err != nil {
					return failed(err)
				}
				q.Body = text
			}
			return flags.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				answer, err := a.ExplainAccess(ctx, store, q)
				if err != nil {
					return err
				}
				if flags.json {
					err = printJSON(cmd.OutOrStdout(), answer)
				} else {
					err = printAnswer(cmd.OutOrStdout(), &answer)
				}
				if err == nil && !answer.Allowed {
					err = errDenied
				}
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&store, "store", "default", "the data store")
	f.StringVar(&q.User, "user", "", "a user, by name, e-mail address or id")
	f.StringVar(&q.Client, "client", "", "an application; without --scope it has all that it may be granted")
	f.StringVar(&q.Scope, "scope", "", "the scopes of the token, separated by spaces")
	f.StringVar(&q.Patient, "patient", "", "id of the patient in context")
	f.StringVar(&q.FHIRUser, "fhir-user", "", "who the user is, such as Practitioner/123")
	f.StringArrayVar(&q.Roles, "role", nil, "a role, in the place of the user's; may be repeated")
	f.StringVar(&q.Purpose, "purpose", "", "the purpose of use, such as TREAT or BTG")
	f.StringVar(&q.Clearance, "clearance", "", "the token's clearance: U, L, M, N, R or V")
	f.StringArrayVar(&q.Labels, "label", nil, "a sensitive label, system|code, that the token is cleared for; may be repeated")
	f.StringVar(&body, "body", "", "file with the resource of a create or update, in JSON")
	return cmd
}

// errDenied ends the command where the request is denied.
var errDenied = fmt.Errorf("the request would be denied")

func printAnswer(out io.Writer, answer *explain.Answer) error {
	for _, one := range answer.Interactions {
		what := strings.TrimSuffix(one.Type+"/"+one.ID, "/")
		if one.Of != "" {
			what += " as " + one.Of
		}
		if one.ID != "" && !one.Exists {
			what += " (which does not exist: for the type as a whole)"
		}
		fmt.Fprintf(out, "%s %s\n", one.Interaction, what)
		var rows [][]string
		for _, step := range one.Steps {
			mark := "no"
			if step.Allows {
				mark = "yes"
			}
			rows = append(rows, []string{"  " + mark, step.By, strings.TrimSpace(step.Name + "  " + step.Why)})
		}
		if err := printTable(out, rows); err != nil {
			return err
		}
	}
	verdict := "allowed"
	if !answer.Allowed {
		verdict = fmt.Sprintf("denied: the caller gets %d", answer.Status)
	}
	_, err := fmt.Fprintln(out, verdict)
	return err
}

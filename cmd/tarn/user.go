package main

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/server/admin"
)

func userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Add, list, disable, reset and delete the users who may sign in",
		Long: `Add, list, disable, reset and delete the users who may sign in.

A user is somebody in each data store: a Patient, a Practitioner, a
RelatedPerson … ("--fhir-user"), and may act for further patients. Roles are
practitioner, non-practitioner, auditor, admin, and those of the configuration.` + folderHelp,
		Example: `  tarn user add ann --name "Ann Lee" --fhir-user Patient/123 --data ./tarn-data
  tarn user list --data ./tarn-data`,
	}
	flags := &folderFlags{}
	flags.add(cmd)
	cmd.AddCommand(userAddCommand(flags), userListCommand(flags),
		userNamedCommand(flags, "show", "Show a user", (*admin.Admin).User),
		userNamedCommand(flags, "disable", "Stop a user from signing in; ends sessions and what apps were given", func(a *admin.Admin, ctx context.Context, name string) (admin.UserInfo, error) {
			return a.DisableUser(ctx, name, true)
		}),
		userNamedCommand(flags, "enable", "Let a user sign in again, also after a lock-out", func(a *admin.Admin, ctx context.Context, name string) (admin.UserInfo, error) {
			return a.DisableUser(ctx, name, false)
		}),
		userResetCommand(flags),
		userNamedCommand(flags, "delete", "Delete a user, with their sessions and what apps were given", (*admin.Admin).DeleteUser),
	)
	return cmd
}

func userAddCommand(flags *folderFlags) *cobra.Command {
	var u admin.NewUser
	var store, fhirUser string
	var patients []string
	var ask bool
	cmd := &cobra.Command{
		Use:   "add USERNAME",
		Short: "Add a user",
		Long: `Add a user. Without --password the user gets a temporary one, which is printed
and must be changed at the first sign-in within a week.`,
		Example: `  tarn user add ann --name "Ann Lee" --fhir-user Patient/123
  tarn user add roe --email roe@example.org --fhir-user Practitioner/7 --role practitioner
  tarn user add mum --fhir-user RelatedPerson/9 --patient 123 --patient 124
  echo 'correct horse battery' | tarn user add ci --password --json
  tarn user add grace --no-password   # signs in through a provider`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			u.Username = args[0]
			if u.Name == "" {
				u.Name = u.Username
			}
			if fhirUser != "" || len(patients) > 0 {
				u.Profiles = []login.Profile{{DataStore: store, FHIRUser: fhirUser, Patients: patients}}
			}
			if ask {
				if u.Password, err = readPassword(cmd); err != nil {
					return failed(err)
				}
			}
			return flags.user(cmd, func(ctx context.Context, a *admin.Admin) (admin.UserInfo, error) { return a.AddUser(ctx, u) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&u.Name, "name", "", "name for people (default the user name)")
	f.StringVar(&u.Email, "email", "", "e-mail address, which the user can sign in by as well")
	f.StringArrayVar(&u.Roles, "role", nil, "a role; may be repeated")
	f.StringVar(&fhirUser, "fhir-user", "", "who the user is, such as Practitioner/123")
	f.StringArrayVar(&patients, "patient", nil, "id of a patient that the user may act for; may be repeated")
	f.StringVar(&store, "datastore", "*", "the data store that --fhir-user and --patient are of; * is every one")
	f.BoolVar(&ask, "password", false, "ask for the password, or read it from the standard input")
	f.BoolVar(&u.NoPassword, "no-password", false, "no password: the user signs in through a provider")
	cmd.MarkFlagsMutuallyExclusive("password", "no-password")
	return cmd
}

func userListCommand(flags *folderFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the users",
		Example: `  tarn user list --data ./tarn-data
  tarn user list --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd, func(ctx context.Context, a *admin.Admin) error {
				list, err := a.Users(ctx)
				if err != nil {
					return err
				}
				if flags.json {
					return printJSON(cmd.OutOrStdout(), list)
				}
				rows := [][]string{{"USERNAME", "NAME", "ROLES", "FHIR USER", "STATE"}}
				for _, u := range list {
					rows = append(rows, []string{u.Username, u.Name, strings.Join(u.Roles, ","), fhirUsers(u), userState(u)})
				}
				return printTable(cmd.OutOrStdout(), rows)
			})
		},
	}
}

func fhirUsers(u admin.UserInfo) string {
	var all []string
	for _, p := range u.Profiles {
		all = append(all, p.FHIRUser)
	}
	return strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), ",")
}

func userState(u admin.UserInfo) string {
	switch {
	case u.Disabled:
		return "disabled"
	case u.MustChange:
		return "temporary password"
	}
	return "active"
}

// userNamedCommand makes a command about one user.
func userNamedCommand(flags *folderFlags, verb, short string, run func(*admin.Admin, context.Context, string) (admin.UserInfo, error)) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " USERNAME",
		Short:   short,
		Example: "  tarn user " + verb + " ann --data ./tarn-data",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.user(cmd, func(ctx context.Context, a *admin.Admin) (admin.UserInfo, error) { return run(a, ctx, args[0]) })
		},
	}
}

func userResetCommand(flags *folderFlags) *cobra.Command {
	var ask, factors bool
	cmd := &cobra.Command{
		Use:   "reset USERNAME",
		Short: "Give a user another password; ends sessions and a lock-out",
		Long: `Give a user another password: a temporary one that is printed, or with
--password one that is read. Sessions end, and a lock-out is over.`,
		Example: `  tarn user reset ann --data ./tarn-data
  tarn user reset ann --factors   # also lost phone, key and recovery codes
  echo 'correct horse battery' | tarn user reset ann --password`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			password := ""
			if ask {
				if password, err = readPassword(cmd); err != nil {
					return failed(err)
				}
			}
			return flags.user(cmd, func(ctx context.Context, a *admin.Admin) (admin.UserInfo, error) {
				return a.ResetUser(ctx, args[0], password, factors)
			})
		},
	}
	cmd.Flags().BoolVar(&ask, "password", false, "ask for the password, or read it from the standard input")
	cmd.Flags().BoolVar(&factors, "factors", false, "also remove second factors, passkeys and recovery codes")
	return cmd
}

// user runs something about one user and prints it.
func (f *folderFlags) user(cmd *cobra.Command, run func(context.Context, *admin.Admin) (admin.UserInfo, error)) error {
	return f.with(cmd, func(ctx context.Context, a *admin.Admin) error {
		u, err := run(ctx, a)
		if err != nil {
			return err
		}
		if f.json {
			return printJSON(cmd.OutOrStdout(), u)
		}
		return printUser(cmd.OutOrStdout(), u)
	})
}

func printUser(out io.Writer, u admin.UserInfo) error {
	rows := [][]string{
		{"username", u.Username}, {"name", u.Name}, {"e-mail", u.Email}, {"id", u.ID}, {"state", userState(u)},
		{"roles", strings.Join(u.Roles, ", ")}, {"signs in by", signsInBy(u.SignsInBy)}, {"created", u.Created.Local().Format(time.DateTime)},
	}
	for _, p := range u.Profiles {
		text := p.FHIRUser
		if len(p.Patients) > 0 {
			text += " for the patients " + strings.Join(p.Patients, ", ")
		}
		rows = append(rows, []string{"data store " + p.DataStore, strings.TrimSpace(text)})
	}
	rows = slices.DeleteFunc(rows, func(row []string) bool { return row[1] == "" })
	if u.Password != "" {
		rows = append(rows, []string{"temporary password", u.Password})
	}
	return printTable(out, rows)
}

func signsInBy(by admin.SignsInBy) string {
	var ways []string
	for _, way := range []struct {
		there bool
		text  string
	}{
		{by.Password, "password"}, {by.Authenticator, "authenticator app"},
		{by.Passkeys > 0, strconv.Itoa(by.Passkeys) + " passkeys"}, {by.RecoveryCodes > 0, strconv.Itoa(by.RecoveryCodes) + " recovery codes"},
	} {
		if way.there {
			ways = append(ways, way.text)
		}
	}
	for _, link := range by.Links {
		ways = append(ways, "provider "+link.Provider)
	}
	if len(ways) == 0 {
		return "nothing yet"
	}
	return strings.Join(ways, ", ")
}

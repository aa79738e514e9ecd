package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/server"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Verify the audit log, and report who saw what",
		Long: `Verify the audit log of a data folder, and report from it.

The commands work whether or not a server runs on the folder; verify and report
only read.`,
		Example: `  tarn audit verify --data ./tarn-data
  tarn audit report --data ./tarn-data --patient 123 --format csv`,
	}
	cmd.AddCommand(auditVerifyCommand(), auditReportCommand(), auditRestoreCommand())
	return cmd
}

func auditVerifyCommand() *cobra.Command {
	var check server.AuditCheck
	var archive archiveFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove that no record was altered, removed or moved",
		Long: `Read the audit log from its first record to its last, and check every hash
and every signature. Where something was altered, removed or moved, the command
says where and exits with 1.

The end of the log after the latest checkpoint, about a second, is not signed
yet. A copy of the file HEAD that was kept on another machine (--checkpoint)
shows that the log is still the one that it was then.`,
		Example: `  tarn audit verify --data ./tarn-data
  tarn audit verify --data ./tarn-data --archive /mnt/archive --checkpoint HEAD.2026-01-31`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if check.Archive, err = archive.open(cmd); err != nil {
				return err
			}
			v, err := check.Verify()
			if err != nil {
				return failed(err)
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "sound: records %d to %d, %d segments, %d checkpoints; signed up to record %d\n", v.First, v.Last, v.Segments, v.Checkpoints, v.Signed)
			if v.Durability == audit.Process {
				fmt.Fprintln(out, "audit.durability is process: a loss of power may have taken the records of a second of accesses that changed nothing")
			}
			if v.Unfinished > 0 {
				fmt.Fprintf(out, "the last %d bytes are of records that are being written, or that a crash cut short\n", v.Unfinished)
			}
			return nil
		},
	}
	auditFlags(cmd, &check.Data, &archive)
	cmd.Flags().StringVar(&check.MasterKey, "master-key-file", "", "file with the master key (default master.key in the data folder)")
	cmd.Flags().StringVar(&check.PublicKey, "key", "", "public key of the checkpoints in base64, instead of the master key")
	cmd.Flags().StringArrayVar(&check.Checkpoints, "checkpoint", nil, "copy of HEAD that was kept elsewhere; may repeat")
	return cmd
}

// archiveFlags say where the archive is.
type archiveFlags struct {
	place   string
	service server.S3Service
}

// open is the archive, nil for none.
func (a *archiveFlags) open(cmd *cobra.Command) (audit.Vault, error) {
	return server.AuditVault(cmd.Context(), a.place, a.service)
}

func auditFlags(cmd *cobra.Command, data *string, archive *archiveFlags) {
	flags := cmd.Flags()
	flags.StringVar(data, "data", server.Default().Data, "data folder")
	flags.StringVar(&archive.place, "archive", "", "the archive, to read that too: a folder, or s3://BUCKET/PREFIX")
	flags.StringVar(&archive.service.Endpoint, "s3-endpoint", "aws", "URL of the S3-compatible service of the archive")
	flags.StringVar(&archive.service.Region, "s3-region", "", "region of that service")
}

func auditRestoreCommand() *cobra.Command {
	var data string
	var archive archiveFlags
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Bring archived segments back into the log",
		Long: `Copy the segments that are in the archive and not in the log back into the data
folder, each after its hashes were checked. What is archived can also be read
where it is: verify and report take --archive.

A server that runs on the folder with audit.keep_days removes what is older
again, within an hour.`,
		Example: `  tarn audit restore --data ./tarn-data --archive /mnt/archive
  tarn audit restore --data ./tarn-data --archive s3://records/audit --s3-region eu-central-1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if archive.place == "" {
				return errors.New("name the archive with --archive")
			}
			vault, err := archive.open(cmd)
			if err != nil {
				return err
			}
			n, err := audit.Folder{Dir: server.AuditDir(data), Vault: vault}.Restore(cmd.Context())
			if err != nil {
				return failed(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "restored: %d segments\n", n)
			return nil
		},
	}
	auditFlags(cmd, &data, &archive)
	return cmd
}

func auditReportCommand() *cobra.Command {
	var data, masterKey, format, since, until string
	var archive archiveFlags
	var sel audit.Selection
	cmd := &cobra.Command{
		Use:   "report",
		Short: "List what was done, such as who saw a patient's record",
		Example: `  tarn audit report --data ./tarn-data --patient 123
  tarn audit report --data ./tarn-data --user 7f3a --since 2026-01-01 --format csv
  tarn audit report --data ./tarn-data --failed --format ndjson`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if sel.Since, err = day(since); err != nil {
				return err
			}
			if sel.Until, err = day(until); err != nil {
				return err
			}
			sel.Patient = strings.TrimPrefix(sel.Patient, "Patient/")
			write, end, err := reportWriter(cmd, format, sel.Patient)
			if err != nil {
				return err
			}
			vault, err := archive.open(cmd)
			if err != nil {
				return err
			}
			files, err := server.AuditFolder(data, masterKey, vault)
			if err != nil {
				return failed(err)
			}
			return failed(errors.Join(files.Report(sel, write), end()))
		},
	}
	auditFlags(cmd, &data, &archive)
	cmd.Flags().StringVar(&masterKey, "master-key-file", os.Getenv("TARN_MASTER_KEY_FILE"), "file with the master key (default master.key in the data folder)")
	flags := cmd.Flags()
	flags.StringVar(&sel.Patient, "patient", "", "id of the patient whose data was touched")
	flags.StringVar(&sel.Store, "datastore", "", "id of the data store")
	flags.StringVar(&sel.User, "user", "", "id of the user, or reference such as Practitioner/1")
	flags.StringVar(&sel.Client, "client", "", "id of the application")
	flags.StringVar(&sel.Address, "address", "", "network address")
	flags.StringVar(&since, "since", "", "first day or time: 2026-01-31 or 2026-01-31T12:00:00Z")
	flags.StringVar(&until, "until", "", "day or time before which the report ends")
	flags.BoolVar(&sel.FailedAlone, "failed", false, "only what failed or was refused")
	flags.StringVar(&format, "format", "csv", "csv, ndjson (AuditEvent resources) or json (the log's own records)")
	return cmd
}

// day reads a day or a time; "" is none.
func day(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no day or time; write 2026-01-31 or 2026-01-31T12:00:00Z", text)
}

// reportWriter writes records in a format; end writes what is left. Of a
// report on one patient no other patients are shown.
func reportWriter(cmd *cobra.Command, format, patient string) (write func(audit.Stored) error, end func() error, err error) {
	var out io.Writer = cmd.OutOrStdout()
	none := func() error { return nil }
	only := func(s *audit.Stored) {
		if patient != "" {
			s.Patients = []string{patient}
		}
	}
	switch format {
	case "csv":
		w := csv.NewWriter(out)
		err := w.Write([]string{"record", "time", "action", "status", "outcome", "user", "fhirUser", "client", "address", "purpose", "datastore", "patients", "resources", "query", "detail", "request"})
		return func(s audit.Stored) error { only(&s); return w.Write(row(&s)) },
			func() error { w.Flush(); return w.Error() }, err
	case "ndjson":
		return func(s audit.Stored) error {
			only(&s)
			events, err := audit.Events(&s)
			if err != nil {
				return err
			}
			return audit.NDJSON{To: out}.Write(cmd.Context(), events)
		}, none, nil
	case "json":
		encoder := json.NewEncoder(out)
		return func(s audit.Stored) error { only(&s); return encoder.Encode(s) }, none, nil
	}
	return nil, nil, fmt.Errorf("the format %q is not known; allowed is csv, ndjson or json", format)
}

// row is a record as a line of CSV. A cell that a spreadsheet would take for a
// formula begins with an apostrophe.
func row(s *audit.Stored) []string {
	outcome := "done"
	if s.Failed() {
		outcome = "refused"
	}
	status := ""
	if s.Status > 0 {
		status = strconv.Itoa(s.Status)
	}
	cells := []string{
		strconv.FormatUint(s.Number, 10), s.Time.UTC().Format(time.RFC3339Nano), s.Action, status, outcome,
		s.Agent.User, s.Agent.FHIRUser, s.Agent.Client, s.Agent.Address, s.Agent.Purpose, s.Store,
		strings.Join(s.Patients, " "), strings.Join(s.Entities, " "), s.Query, s.Detail, s.Request,
	}
	for i, c := range cells {
		if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
			cells[i] = "'" + c
		}
	}
	return cells
}

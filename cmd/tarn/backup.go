package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/server/backups"
)

// placeHelp says what a place is.
const placeHelp = `

A place is a folder, or s3://BUCKET/PREFIX of a service that speaks S3, with the
credentials that AWS's own tools take. With --key-file it is encrypted with a key
of its own; without it, what the server encrypts stays encrypted there, and what
it does not is readable.`

// wherePlace are the flags that say where backups are.
func wherePlace(flags *pflag.FlagSet, w *backups.Where, name string) {
	flags.StringVar(&w.Place, name, os.Getenv("TARN_BACKUP_TO"), "the place of the backups: a folder, or s3://BUCKET/PREFIX")
	flags.StringVar(&w.Endpoint, "s3-endpoint", os.Getenv("TARN_BACKUP_S3_ENDPOINT"), "URL of the S3-compatible service (default Amazon's)")
	flags.StringVar(&w.Region, "s3-region", os.Getenv("TARN_BACKUP_S3_REGION"), "region of that service")
	flags.StringVar(&w.KeyFile, "key-file", os.Getenv("TARN_BACKUP_KEY_FILE"), "file with the key that the place is encrypted with")
}

func backupCommand() *cobra.Command {
	var where backups.Where
	var data string
	var part backups.Part
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backup --to PLACE",
		Short: "Back a data folder up while it is used, and look after backups",
		Long: `Back a whole data folder up: data stores, users, clients, keys, jobs, files and
the audit log, each as of one moment. A server may run on the folder, and requests
go on. What an earlier backup at the place has is not copied again. Large contents
that the server keeps in a bucket are copied from there, with the credentials that
AWS's own tools take, unless --without-contents leaves them out.

The master key is not in a backup: whoever has both has everything. Keep a copy
of it elsewhere; without it, nobody can restore what is encrypted.` + placeHelp,
		Example: `  tarn backup --to /mnt/backup --data ./tarn-data
  tarn backup --to s3://clinic-backups/tarn --s3-region eu-central-1 --data ./tarn-data
  tarn backup list --from /mnt/backup`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runBackup(cmd, &where, data, part, asJSON)
		},
	}
	cmd.Flags().StringVar(&data, "data", server.Default().Data, "data folder")
	cmd.Flags().StringVar(&part.Store, "store", "", "back up this data store alone")
	cmd.Flags().BoolVar(&part.WithoutContents, "without-contents", false, "leave out the large contents that the server keeps in a bucket")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	wherePlace(cmd.Flags(), &where, "to")
	cmd.AddCommand(backupListCommand(), backupVerifyCommand(), backupPruneCommand())
	return cmd
}

// interruptible ends with the first SIGINT or SIGTERM; the second one ends the
// process.
func interruptible(cmd *cobra.Command) (context.Context, func()) {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// backupDone is what tarn backup prints.
type backupDone struct {
	ID     string      `json:"id"`
	Taken  time.Time   `json:"taken"`
	Place  string      `json:"place"`
	Bytes  int64       `json:"bytes"`
	New    int64       `json:"newBytes"`
	Stores []storeDone `json:"stores"`
	// Without says what was left out on purpose.
	Without []string `json:"without,omitempty"`
	// Plain are what can be read in the place by whoever has it.
	Plain []string `json:"notEncrypted,omitempty"`
}

type storeDone struct {
	ID   string    `json:"id"`
	Name string    `json:"name,omitempty"`
	T    uint64    `json:"t"`
	At   time.Time `json:"lastUpdated,omitzero"`
}

func storesDone(m *backup.Manifest) []storeDone {
	done := []storeDone{}
	for _, s := range m.Stores {
		done = append(done, storeDone{s.ID, s.Name, s.T, s.At})
	}
	return done
}

func runBackup(cmd *cobra.Command, where *backups.Where, data string, part backups.Part, asJSON bool) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	if err := where.Outside(data); err != nil {
		return failed(err)
	}
	admin, err := server.OpenAdmin(ctx, data)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = admin.Close() }()
	place, free, err := where.Open(ctx, true)
	if err != nil {
		return failed(err)
	}
	defer free()
	meter := newMeter(cmd.ErrOrStderr(), "backing up")
	result, plain, err := admin.Backup(ctx, place, data, part, meter.show)
	meter.close()
	if err != nil {
		return failed(err)
	}
	done := backupDone{result.ID, result.Taken, where.Place, result.Bytes, result.New, storesDone(result.Manifest), result.Without, plain}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), done)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "backup %s: %s in %d data stores, %s of it new\n", done.ID, bytesText(done.Bytes), len(done.Stores), bytesText(done.New))
	for _, text := range done.Without {
		fmt.Fprintf(out, "NOT in it: %s; without them, what refers to them cannot be read after a restore\n", text)
	}
	if len(plain) > 0 {
		fmt.Fprintf(out, "not encrypted: %s; whoever reads the place reads them. Use a place with --key-file, or encrypt them (tarn encryption enable)\n", strings.Join(plain, ", "))
	}
	_, err = fmt.Fprintln(out, "The master key is not in it: keep a copy of that elsewhere.")
	return err
}

func backupListCommand() *cobra.Command {
	var where backups.Where
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list --from PLACE",
		Short: "List the backups of a place, oldest first",
		Example: `  tarn backup list --from /mnt/backup
  tarn backup list --from s3://clinic-backups/tarn --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withPlace(cmd, &where, func(ctx context.Context, p *backup.Place) error {
				return listBackups(ctx, cmd.OutOrStdout(), p, where.Place, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	wherePlace(cmd.Flags(), &where, "from")
	return cmd
}

// withPlace runs something with a place that is there.
func withPlace(cmd *cobra.Command, where *backups.Where, run func(context.Context, *backup.Place) error) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	place, free, err := where.Open(ctx, false)
	if err != nil {
		return failed(err)
	}
	defer free()
	return failed(run(ctx, place))
}

func listBackups(ctx context.Context, out io.Writer, p *backup.Place, place string, asJSON bool) error {
	ids, err := p.IDs(ctx)
	if err != nil {
		return err
	}
	list := []backupDone{}
	rows := [][]string{{"ID", "TAKEN", "SIZE", "DATA STORES"}}
	for _, id := range ids {
		m, err := p.Manifest(ctx, id)
		if err != nil {
			return err
		}
		list = append(list, backupDone{ID: id, Taken: m.Taken, Place: place, Bytes: m.Size(), Stores: storesDone(m), Without: m.Without})
		var stores []string
		for _, s := range m.Stores {
			stores = append(stores, s.ID)
		}
		rows = append(rows, []string{id, moment(m.Taken), bytesText(m.Size()), strings.Join(stores, ", ")})
	}
	if asJSON {
		return printJSON(out, list)
	}
	return printTable(out, rows)
}

func backupVerifyCommand() *cobra.Command {
	var where backups.Where
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify --from PLACE [ID]...",
		Short: "Read backups whole, and name every file that cannot be restored",
		Long: `Read backups whole, all of a place unless some are named, and compare every piece
with its SHA-256. Files that are damaged or missing are named, and the command
exits with 1.`,
		Example: `  tarn backup verify --from /mnt/backup
  tarn backup verify --from /mnt/backup 20260131T120000.000Z-0123456789abcdef`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = nil
			}
			return withPlace(cmd, &where, func(ctx context.Context, p *backup.Place) error {
				meter := newMeter(cmd.ErrOrStderr(), "verifying")
				v, err := p.Verify(ctx, args, meter.show)
				meter.close()
				if err != nil {
					return err
				}
				return printVerification(cmd.OutOrStdout(), &v, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	wherePlace(cmd.Flags(), &where, "from")
	return cmd
}

func printVerification(out io.Writer, v *backup.Verification, asJSON bool) error {
	if asJSON {
		if err := printJSON(out, v); err != nil {
			return err
		}
	} else {
		for _, f := range v.Flaws {
			fmt.Fprintf(out, "%s %s: %s\n", f.Backup, f.File, f.Text)
		}
		fmt.Fprintf(out, "%d backups, %d pieces with %s sound, %d pieces in no backup\n", v.Backups, v.Pieces, bytesText(v.Bytes), v.Unused)
	}
	if len(v.Flaws) > 0 {
		return fmt.Errorf("%d files of backups cannot be restored", len(v.Flaws))
	}
	return nil
}

func backupPruneCommand() *cobra.Command {
	var where backups.Where
	var keep backup.Keep
	var days int
	var dry, asJSON bool
	cmd := &cobra.Command{
		Use:   "prune --from PLACE --keep-last N|--keep-days N",
		Short: "Remove old backups, and what no other backup holds",
		Long: `Remove the backups that are neither among the last N nor younger than N days, and
the pieces that no other backup holds. The newest one always stays.`,
		Example: `  tarn backup prune --from /mnt/backup --keep-days 30
  tarn backup prune --from /mnt/backup --keep-last 10 --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep.Last < 1 && days < 1 {
				return errors.New("say what stays: --keep-last or --keep-days, 1 or more")
			}
			keep.Within = time.Duration(days) * 24 * time.Hour
			return withPlace(cmd, &where, func(ctx context.Context, p *backup.Place) error {
				result, err := p.Prune(ctx, keep, dry)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), result)
				}
				verb := "removed"
				if dry {
					verb = "would be removed"
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d backups and %d pieces with %s; %d backups stay\n", verb, len(result.Removed), result.Pieces, bytesText(result.Bytes), result.Kept)
				return err
			})
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&keep.Last, "keep-last", 0, "keep so many of the newest")
	flags.IntVar(&days, "keep-days", 0, "keep those that are not older")
	flags.BoolVar(&dry, "dry-run", false, "remove nothing, and say what would be")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	wherePlace(flags, &where, "from")
	return cmd
}

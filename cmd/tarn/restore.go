package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/server/backups"
)

// A restoreAsk is what the flags of tarn restore say.
type restoreAsk struct {
	where     backups.Where
	keys      backups.Keys
	data, id  string
	store, as string
	time      string
	to        time.Time
	asJSON    bool
}

func restoreCommand() *cobra.Command {
	ask := &restoreAsk{}
	cmd := &cobra.Command{
		Use:   "restore --from PLACE --data DIR",
		Short: "Make a data folder of a backup",
		Long: `Make a data folder of a backup, the newest one unless another is named. The folder
must be empty or not there. Every piece is compared with its SHA-256 on the way;
where one is damaged or missing, nothing is restored.

With --time the data stores are taken back to that time: the versions that were
written after it are left out, those before it are current again, with their
histories. It may be any time before the backup. What was erased before the backup
stays erased. Everything else (users, clients, the audit log) is as the backup has
it.

With --store, one data store of the backup is added to a data folder that is in use,
by a server or by nobody, under its own id or under another one (--as). It has its
name, settings, history and contents; --master-key-file is the master key of the
folder that was backed up, where that is another one.

The master key is not in a backup. The server that is started on the folder needs
the one that the backed-up folder was used with: as master.key in the folder, by
master_key_file, or in TARN_MASTER_KEY. With --master-key-file it is tried before
anything is put into place.` + placeHelp,
		Example: `  tarn restore --from /mnt/backup --data ./tarn-data
  tarn restore --from /mnt/backup --data ./tarn-data --time 2026-01-31T11:55:00Z --master-key-file ./master.key
  tarn restore --from /mnt/backup --data ./tarn-data --store trial-7 --as trial-7-before --time 2026-01-31
  tarn restore --from s3://clinic-backups/tarn --data ./tarn-data --master-key-file ./master.key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return ask.run(cmd) },
	}
	flags := cmd.Flags()
	wherePlace(flags, &ask.where, "from")
	flags.StringVar(&ask.data, "data", "", "data folder to make (required)")
	flags.StringVar(&ask.id, "backup", "", "id of the backup (default the newest)")
	flags.StringVar(&ask.store, "store", "", "restore this data store alone, into a data folder that has others")
	flags.StringVar(&ask.as, "as", "", "id that the data store gets (default the one that it has)")
	flags.StringVar(&ask.time, "time", "", "take the data stores back to this day or time: 2026-01-31 or 2026-01-31T12:00:00Z")
	flags.StringVar(&ask.keys.MasterKey, "master-key-file", os.Getenv("TARN_MASTER_KEY_FILE"), "file with the master key of the backed-up folder")
	flags.BoolVar(&ask.asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("data") // the flag is there
	return cmd
}

// restoreDone is what tarn restore prints.
type restoreDone struct {
	Backup string      `json:"backup"`
	Data   string      `json:"data"`
	Stores []storeDone `json:"stores"`
	// Without says what the backup was taken without.
	Without []string `json:"without,omitempty"`
}

func (ask *restoreAsk) run(cmd *cobra.Command) (err error) {
	if ask.to, err = day(ask.time); err != nil {
		return err
	}
	return withPlace(cmd, &ask.where, func(ctx context.Context, p *backup.Place) error {
		if ask.store != "" {
			return ask.one(ctx, cmd, p)
		}
		if ask.as != "" {
			return errors.New("--as is for --store")
		}
		m, err := chosen(ctx, p, ask.id)
		if err != nil {
			return err
		}
		if m.Part {
			return fmt.Errorf("backup %s is of the data store %s alone, not of a whole folder; name another one with --backup", m.ID, m.Stores[0].ID)
		}
		return ask.whole(ctx, cmd, p, m)
	})
}

// chosen is the backup of an id, or the newest.
func chosen(ctx context.Context, p *backup.Place, id string) (*backup.Manifest, error) {
	if id == "" {
		return p.Latest(ctx)
	}
	return p.Manifest(ctx, id)
}

func (ask *restoreAsk) whole(ctx context.Context, cmd *cobra.Command, p *backup.Place, m *backup.Manifest) error {
	meter := newMeter(cmd.ErrOrStderr(), "restoring")
	defer meter.close()
	keyless := false
	err := backups.Whole(ctx, p, m, ask.data, meter.show, func(dir string) error {
		err := ask.keys.Check(ctx, dir)
		keyless = errors.Is(err, backups.ErrNoKey)
		switch {
		case ask.to.IsZero() && keyless:
			return nil
		case ask.to.IsZero() || err != nil:
			return err
		}
		return ask.keys.Rewind(ctx, dir, m, ask.to)
	})
	if err != nil {
		return err
	}
	meter.close()
	if ask.asJSON {
		return printJSON(cmd.OutOrStdout(), restoreDone{m.ID, ask.data, storesDone(m), m.Without})
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "restored: backup %s with %d data stores to %s\n", m.ID, len(m.Stores), ask.data)
	for _, text := range m.Without {
		fmt.Fprintf(out, "It was taken without %s.\n", text)
	}
	if keyless || ask.keys.MasterKey != "" {
		fmt.Fprintf(out, "Put the master key of the backed-up folder at %s, or name its file with master_key_file, before you start a server.\n", filepath.Join(ask.data, "master.key"))
	}
	_, err = fmt.Fprintf(out, "tarn serve --data %s starts it.\n", ask.data)
	return err
}

// one restores one data store, into a folder that has others.
func (ask *restoreAsk) one(ctx context.Context, cmd *cobra.Command, p *backup.Place) (err error) {
	var m *backup.Manifest
	if ask.id == "" {
		m, err = backups.Holding(ctx, p, ask.store)
	} else {
		m, err = p.Manifest(ctx, ask.id)
	}
	if err != nil {
		return err
	}
	if err := m.Reaches(ask.to); err != nil {
		return err
	}
	admin, err := server.OpenAdmin(ctx, ask.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	meter := newMeter(cmd.ErrOrStderr(), "restoring")
	record, err := admin.RestoreStore(ctx, p, m, ask.data, backups.Adoption{
		Source: ask.store, ID: cmp.Or(ask.as, ask.store), Time: ask.to, MasterKey: ask.keys.MasterKey,
	}, meter.show)
	meter.close()
	if err != nil {
		return err
	}
	if ask.asJSON {
		return printJSON(cmd.OutOrStdout(), record)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "restored: data store %s of backup %s as %s\n", ask.store, m.ID, record.ID)
	return err
}

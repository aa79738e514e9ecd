package healthlake

import (
	"time"

	"github.com/tarnhealth/tarn/datastore"
)

// A backupAsk is a BackupConfiguration.
type backupAsk struct {
	datastore.Backup
	// given is set where there is one, on where it says ENABLED.
	given, on bool
}

// defaultDays is how long data stores with a backup are kept where the request
// does not say.
const defaultDays = 7

// backup reads BackupConfiguration.
// https://docs.aws.amazon.com/healthlake/latest/devguide/managing-data-stores-restore.html
func (in *input) backup() (asked backupAsk) {
	b := in.structure("BackupConfiguration", false)
	if b == nil {
		return asked
	}
	asked.given = true
	asked.on = b.text("Status", backupStatusConstraint) == "ENABLED"
	b.text("BackupType", backupTypeConstraint)
	asked.Tags = b.flag("BackupTagsEnabled")
	asked.Days = defaultDays
	if b.has("RetentionPeriodInDays") {
		asked.Days = b.number("RetentionPeriodInDays", 30)
	}
	return asked
}

// change is the backup of a data store after the request: one that was on before
// stays on since then.
func (a *backupAsk) change(before *datastore.Backup, now time.Time) *datastore.Backup {
	if !a.on {
		return nil
	}
	after := a.Backup
	if after.Since = now; before != nil {
		after.Since = before.Since
	}
	return &after
}

// backupStatusInfo is BackupStatusInfo.
type backupStatusInfo struct {
	Configuration                  backupConfiguration
	BackupEnabledAt                stamp
	EarliestRestorePoint           stamp
	LatestRestorePoint             stamp
	ScheduledPermanentDeletionTime *stamp `json:",omitempty"`
}

type backupConfiguration struct {
	Status                string
	BackupType            string
	RetentionPeriodInDays int
	BackupTagsEnabled     bool
}

// backupOf describes the backup of a data store; nil where it has none.
func (h *Handler) backupOf(r datastore.Record) *backupStatusInfo {
	if r.Control == nil || r.Control.Backup == nil || !r.HasStorage() {
		return nil
	}
	b := r.Control.Backup
	latest := h.cfg.Now().UTC()
	info := &backupStatusInfo{Configuration: backupConfiguration{"ENABLED", "CONTINUOUS", b.Days, b.Tags}, BackupEnabledAt: stamp(b.Since)}
	if r.Status == datastore.StatusDeleted {
		latest = r.Deleted
		info.ScheduledPermanentDeletionTime = (*stamp)(&r.Kept)
	}
	earliest := latest.Add(-time.Duration(b.Days) * 24 * time.Hour)
	if earliest.Before(b.Since) {
		earliest = b.Since
	}
	info.EarliestRestorePoint, info.LatestRestorePoint = stamp(earliest), stamp(latest)
	return info
}

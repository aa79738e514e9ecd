package backups

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/kv"
)

// Continuous backs an open data folder up again and again: at the start, every
// Config.Every, and at the end. Where nothing has changed, nothing is written.
type Continuous struct {
	Config
	Stages *Stages
	Log    *slog.Logger
	// Wait returns a channel that has an element after a time; nil is
	// time.After.
	Wait func(time.Duration) <-chan time.Time
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Done, where not nil, is told how each attempt ended: with no result where
	// nothing had changed.
	Done func(*backup.Result, error)

	// seen is what the latest backup holds, so that it is known whether
	// something has changed since; pruned is when old ones were removed last.
	seen   string
	pruned time.Time

	mu       sync.Mutex
	last     time.Time
	failures int
}

// lastTime is how long the backup at the end may take.
const lastTime = 5 * time.Minute

// Run backs the folder up until ctx ends, and then once more.
func (c *Continuous) Run(ctx context.Context) {
	if c.Wait == nil {
		c.Wait = time.After
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	for {
		c.attempt(ctx)
		select {
		case <-c.Wait(c.Every):
			continue
		case <-ctx.Done():
		}
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTime)
		c.attempt(late)
		cancel()
		return
	}
}

// attempt takes a backup, and says in the log and the metrics what came of it.
func (c *Continuous) attempt(ctx context.Context) {
	result, err := c.once(ctx)
	c.mu.Lock()
	if err == nil {
		c.last, c.failures = c.Now(), 0
	} else {
		c.failures++
	}
	failures := c.failures
	c.mu.Unlock()
	switch {
	case err != nil && ctx.Err() != nil:
		// Cut off at the end; the last attempt follows.
	case err != nil:
		c.Log.Error("the data folder could not be backed up", "to", c.Where.Place, "attempts", failures, "error", err)
	case result != nil:
		c.Log.Info("backed up", "to", c.Where.Place, "backup", result.ID, "bytes", result.Bytes, "new", result.New, "without", result.Without)
	}
	if c.Done != nil {
		c.Done(result, err)
	}
}

func (c *Continuous) once(ctx context.Context) (*backup.Result, error) {
	now, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	place, free, err := c.Where.Open(ctx, true)
	if err != nil {
		return nil, err
	}
	defer free()
	if now == c.seen {
		return nil, c.prune(ctx, place)
	}
	staged, err := c.Stages.Open(ctx)
	if err != nil {
		return nil, err
	}
	result, err := c.take(ctx, place, staged)
	if err = errors.Join(err, c.Stages.Drop(staged.Name)); err != nil {
		return nil, err
	}
	// What changed since the state was looked at shows as a change next time.
	c.seen = now
	return &result, c.prune(ctx, place)
}

func (c *Continuous) take(ctx context.Context, place *backup.Place, staged *Staged) (backup.Result, error) {
	renewing, stop := context.WithCancel(ctx)
	defer stop()
	go c.Stages.keep(renewing, staged.Name)
	staged.WithoutContents = c.WithoutContents
	snapshot, err := staged.Snapshot(ctx, c.Stages.Dir)
	if err != nil {
		return backup.Result{}, err
	}
	return place.Take(ctx, snapshot, nil)
}

// state is a text that differs when something may have changed.
func (c *Continuous) state(ctx context.Context) (string, error) {
	if _, err := c.Stages.id(ctx); err != nil { // making it is a change
		return "", err
	}
	list, err := c.Stages.List(ctx)
	if err != nil {
		return "", err
	}
	text := ""
	for i := range list {
		text += fmt.Sprint(list[i].ID, list[i].Status, list[i].Created.UnixNano())
		if open := c.Stages.Store(list[i].ID); open != nil {
			text += fmt.Sprint(" ", open.Stats().T, " ", open.Erasures(), "\n")
		}
	}
	if counter, ok := c.Stages.DB.(kv.Counter); ok {
		text += fmt.Sprint(counter.Changes())
	}
	head, err := c.Stages.auditHead()
	return text + string(head), err
}

// pruneEvery is how often old backups are looked for.
const pruneEvery = 24 * time.Hour

// prune removes the backups that are older than the window, once a day.
func (c *Continuous) prune(ctx context.Context, place *backup.Place) error {
	if now := c.Now(); now.Sub(c.pruned) >= pruneEvery {
		result, err := place.Prune(ctx, backup.Keep{Within: time.Duration(c.KeepDays) * 24 * time.Hour}, false)
		if errors.Is(err, backup.ErrBusy) {
			return nil // the next round tries again
		}
		if err != nil {
			return fmt.Errorf("old backups cannot be removed: %w", err)
		}
		c.pruned = now
		if len(result.Removed) > 0 {
			c.Log.Info("old backups are removed", "backups", len(result.Removed), "bytes", result.Bytes)
		}
	}
	return nil
}

var (
	lastDesc   = prometheus.NewDesc("tarn_backup_last_success_timestamp_seconds", "When the data folder was last known to be backed up; 0 for not since the start.", nil, nil)
	failedDesc = prometheus.NewDesc("tarn_backup_failures", "Attempts to back the data folder up that failed since the last one that did not.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *Continuous) Describe(descs chan<- *prometheus.Desc) {
	descs <- lastDesc
	descs <- failedDesc
}

// Collect implements prometheus.Collector.
func (c *Continuous) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	last, failures := c.last, c.failures
	c.mu.Unlock()
	at := 0.0
	if !last.IsZero() {
		at = float64(last.UnixMilli()) / 1000
	}
	out <- prometheus.MustNewConstMetric(lastDesc, prometheus.GaugeValue, at)
	out <- prometheus.MustNewConstMetric(failedDesc, prometheus.GaugeValue, float64(failures))
}

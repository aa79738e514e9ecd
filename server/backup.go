package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/server/backups"
)

// newStages makes what stages an open folder.
func (f *folder) newStages(cfg *Config) *backups.Stages {
	var elsewhere *backups.Contents
	if cfg.Contents.Bucket != "" {
		elsewhere = &backups.Contents{Endpoint: cfg.Bulk.Endpoint, Region: cfg.Bulk.Region, Bucket: cfg.Contents.Bucket}
	}
	return backups.NewStages(backups.Folder{
		Dir: f.dir, DB: f.storage.Records(), Records: f.storage.CheckpointRecords, Store: f.storage.open,
		List:      func(ctx context.Context) ([]datastore.Record, error) { return f.catalog.List(ctx) },
		Encrypted: f.vault.Has, Program: Version(), Contents: elsewhere,
		Checkpoint: func() error {
			if f.recorder == nil {
				return nil
			}
			return f.recorder.log.Checkpoint()
		},
	})
}

// backUp backs the folder up from now on, where the configuration says so.
func (s *Server) backUp(f *folder) error {
	cfg, on := s.cfg.Backup.On()
	if !on {
		return nil
	}
	if err := cfg.Where.Outside(f.dir); err != nil {
		return &Refusal{Text: "backup.to: " + err.Error(), Cause: err}
	}
	c := &backups.Continuous{Config: cfg, Stages: f.stages, Log: s.log}
	s.metrics.registry.MustRegister(c)
	f.tend(func(ctx context.Context, _ *slog.Logger) { c.Run(ctx) }, s.log)
	return nil
}

// expireEvery is how often deleted data stores are looked for whose time is
// over.
const expireEvery = time.Hour

// expire removes what deleted data stores held when its time is over, until ctx
// ends.
func (f *folder) expire(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		ids, err := f.catalog.Expire(ctx)
		if len(ids) > 0 {
			log.Info("deleted data stores are gone for good, with their keys", "stores", ids)
		}
		if err != nil && ctx.Err() == nil {
			log.Error("a deleted data store could not be removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// adopt puts storage that is there into the place of that of a data store that is
// about to be made; nil ends that.
func (s *storage) adopt(id string, place func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.adopting == nil {
		s.adopting = map[string]func(context.Context) error{}
	}
	if delete(s.adopting, id); place != nil {
		s.adopting[id] = place
	}
}

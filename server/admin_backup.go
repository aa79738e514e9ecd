package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/server/backups"
)

// backupRoutes stage the data folder for backups.
var backupRoutes = []adminRequest{
	{"POST /backups/stages", func(f *folder, r *http.Request) (any, error) { return f.stages.Open(r.Context()) }},
	{"GET /backups/stages/{id}", func(f *folder, r *http.Request) (any, error) {
		return struct{}{}, f.stages.Renew(r.PathValue("id"))
	}},
	{"DELETE /backups/stages/{id}", func(f *folder, r *http.Request) (any, error) {
		return struct{}{}, f.stages.Drop(r.PathValue("id"))
	}},
	{"POST /backups/adoptions", adoptStore},
}

// newStages makes what stages an open folder.
func (f *folder) newStages() *backups.Stages {
	return backups.NewStages(backups.Folder{
		Dir: f.dir, DB: f.storage.Records(), Records: f.storage.CheckpointRecords, Store: f.storage.open,
		List:      func(ctx context.Context) ([]datastore.Record, error) { return f.catalog.List(ctx) },
		Encrypted: f.vault.Has, Program: Version(),
		Checkpoint: func() error {
			if f.recorder == nil {
				return nil
			}
			return f.recorder.log.Checkpoint()
		},
	})
}

// Backup backs the data folder up, or with store not "" a data store of it. plain
// names what whoever has the place can read.
func (a *Admin) Backup(ctx context.Context, place *backup.Place, data, store string, progress func(backup.Progress)) (result backup.Result, plain []string, err error) {
	var staged backups.Staged
	if err := a.call(ctx, http.MethodPost, "/backups/stages", nil, &staged); err != nil {
		return result, nil, err
	}
	path := "/backups/stages/" + staged.Name
	defer func() {
		err = errors.Join(err, a.call(context.WithoutCancel(ctx), http.MethodDelete, path, nil, &struct{}{}))
	}()
	renewing, stop := context.WithCancel(ctx)
	defer stop()
	go backups.Renewing(renewing, func() { _ = a.call(renewing, http.MethodGet, path, nil, &struct{}{}) })
	if store != "" {
		if err := staged.Narrow(store); err != nil {
			return result, nil, err
		}
	}
	snapshot, err := staged.Snapshot(data)
	if err != nil {
		return result, nil, err
	}
	if result, err = place.Take(ctx, snapshot, progress); err != nil || place.Encrypted() {
		return result, nil, err
	}
	return result, staged.Plain, nil
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

// adoptStore makes a data store of one that was restored beside the others.
func adoptStore(f *folder, r *http.Request) (any, error) {
	var asked backups.Adoption
	if err := readAdmin(r, &asked); err != nil {
		return nil, err
	}
	ctx := context.WithoutCancel(r.Context())
	draft, place, err := asked.Draft(ctx, f.dir, f.vault)
	if err != nil {
		return nil, keyRefusal(&Config{MasterKey: asked.MasterKey}, f.dir, err)
	}
	f.storage.adopt(asked.ID, place)
	defer f.storage.adopt(asked.ID, nil)
	s, err := f.catalog.CreateFrom(ctx, draft)
	return recordOf(s), err
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

// RestoreStore makes a data store of one in a backup, in a folder that has
// others. Of ask, Dir and Record are filled in.
func (a *Admin) RestoreStore(ctx context.Context, p *backup.Place, m *backup.Manifest, data string, ask backups.Adoption, progress func(backup.Progress)) (r datastore.Record, err error) {
	if ask.Dir, err = backups.One(ctx, p, m, ask.Source, data, progress); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, backups.Unrestore(data, ask.Dir)) }()
	ask.Record = m.Store(ask.Source).Record
	err = a.call(ctx, http.MethodPost, "/backups/adoptions", ask, &r)
	return r, err
}

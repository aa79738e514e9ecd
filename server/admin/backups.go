package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/server/backups"
)

// backupRoutes stage the data folder for backups.
var backupRoutes = []route{
	{"POST /backups/stages", func(f *Folder, r *http.Request) (any, error) { return f.Stages.Open(r.Context()) }},
	{"GET /backups/stages/{id}", func(f *Folder, r *http.Request) (any, error) {
		return struct{}{}, f.Stages.Renew(r.PathValue("id"))
	}},
	{"DELETE /backups/stages/{id}", func(f *Folder, r *http.Request) (any, error) {
		return struct{}{}, f.Stages.Drop(r.PathValue("id"))
	}},
	{"POST /backups/adoptions", adoptStore},
}

// Stage has what changes of the data folder copied beside it. The copy goes when
// nobody has asked for it for a while.
func (a *Admin) Stage(ctx context.Context) (staged backups.Staged, err error) {
	err = a.call(ctx, http.MethodPost, "/backups/stages", nil, &staged)
	return staged, err
}

// Backup backs the data folder up, or a part of it. plain names what whoever has
// the place can read.
func (a *Admin) Backup(ctx context.Context, place *backup.Place, data string, part backups.Part, progress func(backup.Progress)) (result backup.Result, plain []string, err error) {
	staged, err := a.Stage(ctx)
	if err != nil {
		return result, nil, err
	}
	path := "/backups/stages/" + staged.Name
	defer func() {
		err = errors.Join(err, a.call(context.WithoutCancel(ctx), http.MethodDelete, path, nil, &struct{}{}))
	}()
	renewing, stop := context.WithCancel(ctx)
	defer stop()
	go backups.Renewing(renewing, func() { _ = a.call(renewing, http.MethodGet, path, nil, &struct{}{}) })
	if err := staged.Narrowed(part); err != nil {
		return result, nil, err
	}
	snapshot, err := staged.Snapshot(ctx, data)
	if err != nil {
		return result, nil, err
	}
	if result, err = place.Take(ctx, snapshot, progress); err != nil || place.Encrypted() {
		return result, nil, err
	}
	return result, staged.Plain, nil
}

// adoptStore makes a data store of one that was restored beside the others.
func adoptStore(f *Folder, r *http.Request) (any, error) {
	var asked backups.Adoption
	if err := readBody(r, &asked); err != nil {
		return nil, err
	}
	ctx := context.WithoutCancel(r.Context())
	draft, place, err := asked.Draft(ctx, f.Dir, f.Vault, f.Guides.Shelf)
	if err != nil {
		return nil, f.KeyRefusal(asked.MasterKey, err)
	}
	f.Adopt(asked.ID, place)
	defer f.Adopt(asked.ID, nil)
	s, err := f.Catalog.CreateFrom(ctx, draft)
	return recordOf(s), err
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

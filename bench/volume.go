package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tarnhealth/tarn/synth"
)

// perPatient is about how many resources a synthetic patient has.
const perPatient = 310

// volumePart is how many patients' NDJSON is on disk at a time.
const volumePart = 1000

// diskPerResource is what a resource takes at most: stored, as NDJSON, and
// exported.
const diskPerResource = 6 << 10

// runVolume loads --resources synthetic resources in bulk, other patients' in
// each part, so that the rows show how loading goes on as the store grows;
// exports all; and starts a server on it. Each part is a process of its own,
// whose greatest memory is shown.
func runVolume(ctx context.Context, b *bench) error {
	if b.opt.binary != "" {
		b.say("volume is left out: it does not use the given binary")
		return nil
	}
	if need := int64(b.opt.resources) * diskPerResource; freeDisk(b.temp) < need {
		return fmt.Errorf("%d resources may take %d GB of disk, and there is less; ask for fewer with --resources", b.opt.resources, need>>30)
	}
	dir := b.newFolder()
	defer os.RemoveAll(dir)
	done := 0
	for n := 1; done < b.opt.resources; n++ {
		patients := min(volumePart, (b.opt.resources-done)/perPatient+1)
		resources, err := b.volumePart(ctx, fmt.Sprintf("volume/import-%d", n), dir, patients, n, done)
		if err != nil {
			return err
		}
		done += resources
	}
	r, err := b.export(ctx, "volume/export", dir)
	if err != nil {
		return err
	}
	if err := b.report.print(r); err != nil {
		return err
	}
	if r, err = b.starts(ctx, "volume/start", dir); err != nil {
		return err
	}
	return b.report.print(r)
}

// volumePart loads some patients into a store that has resources already, and
// prints a row.
func (b *bench) volumePart(ctx context.Context, name, dir string, patients, generation, before int) (resources int, err error) {
	did, files, err := b.loadPart(ctx, name, dir, patients, generation, before)
	if err != nil {
		return 0, err
	}
	r := did.result(name)
	r.Disk = per(float64(folderSize(dir)), before+files.resources)
	if err := b.importLimit(ctx, &r, files); err != nil {
		return 0, err
	}
	return files.resources, b.report.print(r)
}

// loadPart loads some patients, others in each generation, in bulk. The files
// that it returns the size of are gone.
func (b *bench) loadPart(ctx context.Context, name, dir string, patients, generation, before int) (did deed, files imported, err error) {
	from := filepath.Join(b.temp, "ndjson-volume")
	defer func() { err = errors.Join(err, os.RemoveAll(from)) }()
	made := synth.New(synth.Options{Patients: patients, Seed: 1000 + uint64(generation)})
	sum, err := made.WriteNDJSON(ctx, from, false, nil)
	if err != nil {
		return did, files, err
	}
	files = imported{from, sum.Bytes, sum.Total()}
	b.say("%s: %d resources into %d", name, files.resources, before)
	did, err = b.role(ctx, roleLoad, dir, from)
	return did, files, err
}

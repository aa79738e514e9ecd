package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tarnhealth/tarn/bench/probe"
	"github.com/tarnhealth/tarn/load"
)

// imported are NDJSON files.
type imported struct {
	dir       string
	size      int64
	resources int
}

// runImport loads NDJSON files into an empty store and then as many, other
// patients' ones into the same store: over HTTP with the client of tarn load,
// and without a server. The limit is appending the same bytes, a megabyte for
// each fsync.
func runImport(ctx context.Context, b *bench) error {
	var input []imported
	for generation, name := range []string{"empty", "full"} {
		dir := filepath.Join(b.temp, "ndjson-"+name)
		b.say("import: preparing the NDJSON of %s", b.source.name())
		size, resources, err := b.source.ndjson(ctx, dir, generation)
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if resources > 0 {
			input = append(input, imported{dir, size, resources})
		}
	}
	if len(input) == 0 {
		return fmt.Errorf("%s: there is no NDJSON", b.source.name())
	}
	if err := b.importHTTP(ctx, input); err != nil {
		return err
	}
	if b.opt.binary != "" {
		b.say("import without a server is left out: it does not use the given binary")
		return nil
	}
	return b.importBulk(ctx, input)
}

// importNames are the stores that the files go into, in order.
var importNames = []string{"empty", "full"}

func (b *bench) importHTTP(ctx context.Context, input []imported) (err error) {
	in, end, err := b.fresh(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	for i, files := range input {
		r, err := b.loadHTTP(ctx, "import/http-"+importNames[i], in, files)
		if err != nil {
			return err
		}
		if err := b.report.print(r); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) loadHTTP(ctx context.Context, name string, in *instance, files imported) (result, error) {
	r := result{Scenario: name, Unit: "resources/s"}
	b.say("%s: %d resources", name, files.resources)
	m, err := observe(in)
	if err != nil {
		return r, err
	}
	profiles := b.profile(ctx, name, in, 5*time.Second)
	begin, cpu := time.Now(), ownCPU()
	summary, err := load.Run(ctx, load.Options{To: "http://" + in.addr + base, Paths: []string{files.dir}})
	if err != nil {
		return r, err
	}
	took := time.Since(begin)
	n := summary.Total.Created + summary.Total.Updated
	r.Throughput, r.Failed = float64(n)/took.Seconds(), summary.Rejected
	if len(summary.Rejections) > 0 {
		r.Failure = summary.Rejections[0].Reason
	}
	r.Note = fmt.Sprintf("the client of tarn load took %.0f µs of CPU per resource", per(float64((ownCPU()-cpu).Microseconds()), n))
	if err := m.into(&r, n); err != nil {
		return r, err
	}
	counts, err := scrape(in.addr)
	if err != nil {
		return r, err
	}
	r.Disk = per(counts.disk, int(counts.resources))
	if err := b.importLimit(ctx, &r, files); err != nil {
		return r, err
	}
	return r, <-profiles
}

// importBulk loads without a server.
func (b *bench) importBulk(ctx context.Context, input []imported) error {
	dir := b.newFolder()
	defer os.RemoveAll(dir)
	for i, files := range input {
		name := "import/bulk-" + importNames[i]
		b.say("%s: %d resources", name, files.resources)
		did, err := b.role(ctx, roleLoad, dir, files.dir)
		if err != nil {
			return err
		}
		r := did.result(name)
		r.Disk = per(float64(folderSize(dir)), files.resources*(i+1))
		if err := b.importLimit(ctx, &r, files); err != nil {
			return err
		}
		if err := b.report.print(r); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) importLimit(ctx context.Context, r *result, files imported) error {
	block := make([]byte, 1<<20)
	rate, err := probe.AppendLimit(ctx, b.temp, 1, b.seconds(.2), func(int, int) []byte { return block })
	r.limit(rate*float64(len(block))/per(float64(files.size), files.resources), "appending the same bytes, an fsync for each MB")
	return err
}

// folderSize is the size of all files below dir.
func folderSize(dir string) int64 {
	var size int64
	_ = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil // files come and go while a server runs
	})
	return size
}

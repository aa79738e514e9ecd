package bulk

import (
	"context"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/bulk/table"
)

// parquetFiles are Apache Parquet: one table for each type.
type parquetFiles struct {
	ctx          context.Context
	x            *exporter
	resourceType string
	w            blob.Writer
	rows         *table.Writer
	now          ExportedFile
	first        int
	done         []ExportedFile
}

func (x *exporter) newParquetFiles(ctx context.Context, resourceType string) (files, error) {
	return &parquetFiles{ctx: ctx, x: x, resourceType: resourceType, first: x.filesOf(resourceType)}, nil
}

func (f *parquetFiles) begin() error {
	f.now = ExportedFile{Key: fileKey(f.resourceType, f.first+len(f.done), "parquet"), Type: f.resourceType}
	w, err := f.x.place.Bucket.Create(f.ctx, f.x.place.Prefix+f.now.Key)
	if err != nil {
		return err
	}
	f.w, f.rows = w, table.NewWriter(w)
	return nil
}

func (f *parquetFiles) write(line []byte) error {
	if f.w != nil && f.now.Count == int64(f.x.opt.Limits.FileLines) {
		if err := f.end(); err != nil {
			return err
		}
	}
	if f.w == nil {
		if err := f.begin(); err != nil {
			return err
		}
	}
	tree, err := f.x.store.Parse(line)
	if err != nil {
		return err
	}
	row, err := table.RowOf(f.resourceType, tree, line, f.x.store.Base())
	if err != nil {
		return err
	}
	f.now.Count++
	return f.rows.Write(row)
}

func (f *parquetFiles) end() error {
	if f.w == nil {
		return nil
	}
	var err error
	if f.now.Size, err = f.rows.Close(); err != nil {
		return err
	}
	if err := f.w.Commit(); err != nil {
		return err
	}
	f.w, f.done = nil, append(f.done, f.now)
	return nil
}

func (f *parquetFiles) commit() ([]ExportedFile, error) {
	err := f.end()
	return f.done, err
}

func (f *parquetFiles) close() {
	if f.w != nil {
		_ = f.w.Close()
	}
}

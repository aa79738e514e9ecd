package bulk

import (
	"bytes"
	"context"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/fhir"
)

// A parquetRow is a resource in a table of its type. The columns are documented
// in docs/bulk.md.
type parquetRow struct {
	ID          string    `parquet:"id"`
	VersionID   string    `parquet:"version_id"`
	LastUpdated time.Time `parquet:"last_updated,timestamp(millisecond)"`
	// Patient is the id of the patient that it is about, where it says so.
	Patient  *string `parquet:"patient_id,optional"`
	Resource string  `parquet:"resource,json,zstd"`
}

// rowGroup is how many rows are kept in memory before they are written.
const rowGroup = 5_000

// parquetFiles are Apache Parquet: one table for each type.
// https://parquet.apache.org/docs/file-format/
type parquetFiles struct {
	ctx          context.Context
	x            *exporter
	resourceType string
	w            blob.Writer
	rows         *parquet.GenericWriter[parquetRow]
	counted      *counting
	now          ExportedFile
	first        int
	done         []ExportedFile
}

type counting struct {
	blob.Writer
	size int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.size += int64(n)
	return n, err
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
	f.w, f.counted = w, &counting{Writer: w}
	f.rows = parquet.NewGenericWriter[parquetRow](f.counted, parquet.MaxRowsPerRowGroup(rowGroup))
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
	row, err := f.row(line)
	if err != nil {
		return err
	}
	f.now.Count++
	_, err = f.rows.Write([]parquetRow{row})
	return err
}

func (f *parquetFiles) row(line []byte) (parquetRow, error) {
	tree, err := f.x.store.Parse(line)
	if err != nil {
		return parquetRow{}, err
	}
	root := tree.Root()
	meta := root.Child("meta")
	row := parquetRow{ID: root.TextOf("id"), VersionID: meta.TextOf("versionId"), Resource: string(bytes.Clone(line))}
	if row.LastUpdated, err = time.Parse(fhir.TimeLayout, meta.TextOf("lastUpdated")); err != nil {
		return row, err
	}
	for _, name := range []string{"patient", "subject"} {
		ref := fhir.ParseReference(root.Child(name).TextOf("reference"), f.x.store.Base())
		if ref.Kind == fhir.RefRelative && ref.Type == "Patient" {
			row.Patient = &ref.ID
			break
		}
	}
	if f.resourceType == "Patient" {
		row.Patient = &row.ID
	}
	return row, nil
}

func (f *parquetFiles) end() error {
	if f.w == nil {
		return nil
	}
	if err := f.rows.Close(); err != nil {
		return err
	}
	if err := f.w.Commit(); err != nil {
		return err
	}
	f.now.Size = f.counted.size
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

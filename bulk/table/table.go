// Package table writes resources of one type as an Apache Parquet table. Its
// columns are documented in docs/bulk.md.
//
// It leaves to others: which resources, and where the file is.
// https://parquet.apache.org/docs/file-format/
package table

import (
	"bytes"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/tarnhealth/tarn/fhir"
)

// A Row is a resource.
type Row struct {
	ID          string    `parquet:"id"`
	VersionID   string    `parquet:"version_id"`
	LastUpdated time.Time `parquet:"last_updated,timestamp(millisecond)"`
	// Patient is the id of the patient that it is about, where it says so.
	Patient  *string `parquet:"patient_id,optional"`
	Resource string  `parquet:"resource,json,zstd"`
}

// RowOf is the row of a resource of a type: tree is text, read. base is the URL
// of its data store, which references may have.
func RowOf(resourceType string, tree *fhir.Tree, text []byte, base string) (row Row, err error) {
	root := tree.Root()
	meta := root.Child("meta")
	row = Row{ID: root.TextOf("id"), VersionID: meta.TextOf("versionId"), Resource: string(bytes.Clone(text))}
	if row.LastUpdated, err = time.Parse(fhir.TimeLayout, meta.TextOf("lastUpdated")); err != nil {
		return row, err
	}
	for _, name := range []string{"patient", "subject"} {
		ref := fhir.ParseReference(root.Child(name).TextOf("reference"), base)
		if ref.Kind == fhir.RefRelative && ref.Type == "Patient" {
			row.Patient = &ref.ID
			break
		}
	}
	if resourceType == "Patient" {
		row.Patient = &row.ID
	}
	return row, nil
}

// rowGroup is how many rows are kept in memory before they are written.
const rowGroup = 5_000

// A Writer writes one table. Close completes it.
type Writer struct {
	rows *parquet.GenericWriter[Row]
	to   *counting
}

// NewWriter begins a table.
func NewWriter(to io.Writer) *Writer {
	counted := &counting{Writer: to}
	return &Writer{rows: parquet.NewGenericWriter[Row](counted, parquet.MaxRowsPerRowGroup(rowGroup)), to: counted}
}

// Write adds a row.
func (w *Writer) Write(row Row) error {
	_, err := w.rows.Write([]Row{row})
	return err
}

// Close completes the table, and returns its size in bytes.
func (w *Writer) Close() (size int64, err error) {
	err = w.rows.Close()
	return w.to.size, err
}

type counting struct {
	io.Writer
	size int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.size += int64(n)
	return n, err
}

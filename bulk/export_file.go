package bulk

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"path"

	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/blob"
)

// files write the resources of one type into one file or several.
type files interface {
	// write adds one resource, or another line; it does not keep the text.
	write(line []byte) error
	// commit completes the files and returns them.
	commit() ([]ExportedFile, error)
	// close gives up what is not complete.
	close()
}

// newFiles begins the files of a type.
func (x *exporter) newFiles(ctx context.Context, resourceType string) (files, error) {
	if x.spec.Format == FormatParquet {
		return x.newParquetFiles(ctx, resourceType)
	}
	return x.newTextFiles(ctx, resourceType, resourceType)
}

// textFiles are NDJSON.
type textFiles struct {
	ctx    context.Context
	place  blob.Place
	folder string
	of     string
	most   int64
	first  int
	fill   *binary.Filler
	w      blob.Writer
	now    ExportedFile
	done   []ExportedFile
}

// newTextFiles begins files in a folder, of lines of a type.
func (x *exporter) newTextFiles(ctx context.Context, folder, of string) (*textFiles, error) {
	return &textFiles{ctx: ctx, place: x.place, folder: folder, of: of, most: int64(x.opt.Limits.FileLines), first: x.filesOf(folder), fill: &x.fill}, nil
}

// filesOf is how many files of a type are complete.
func (x *exporter) filesOf(resourceType string) int {
	n := 0
	for _, f := range x.state.Files {
		if f.Type == resourceType {
			n++
		}
	}
	return n
}

func (f *textFiles) write(line []byte) error {
	if f.w != nil && f.now.Count == f.most {
		if err := f.end(); err != nil {
			return err
		}
	}
	if f.w == nil {
		f.now = ExportedFile{Key: fileKey(f.folder, f.first+len(f.done), "ndjson"), Type: f.of}
		var err error
		if f.w, err = f.place.Bucket.Create(f.ctx, f.place.Prefix+f.now.Key); err != nil {
			return err
		}
	}
	size, err := f.writeText(line)
	if err != nil {
		return err
	}
	if _, err := f.w.Write([]byte{'\n'}); err != nil {
		return err
	}
	f.now.Count++
	f.now.Size += size + 1
	return nil
}

// writeText writes the text of a resource with its large contents.
func (f *textFiles) writeText(line []byte) (size int64, err error) {
	if !f.fill.Armed() {
		_, err = f.w.Write(line)
		return int64(len(line)), err
	}
	w := f.fill.Writer(f.ctx, f.w, false)
	if _, err = w.Write(line); err == nil {
		err = w.Close()
	}
	return f.fill.Size(line), err
}

// fileKey is the key of a type's file.
func fileKey(folder string, number int, ending string) string {
	return path.Join(folder, fmt.Sprintf("%s-%d.%s", folder, number, ending))
}

func (f *textFiles) end() error {
	if f.w == nil {
		return nil
	}
	if err := f.w.Commit(); err != nil {
		return err
	}
	f.w, f.done = nil, append(f.done, f.now)
	return nil
}

func (f *textFiles) commit() ([]ExportedFile, error) {
	err := f.end()
	return f.done, err
}

func (f *textFiles) close() {
	if f.w != nil {
		_ = f.w.Close()
	}
}

func mapKeys[V any](m map[string]V) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// writeManifest writes the manifest.json beside the files of a job that has an
// output of its own.
func (x *exporter) writeManifest(ctx context.Context) error {
	base := outputURL(x.spec.Output, exportFolder(x.spec.Store, x.lease.Job().ID))
	status := ExportStatus{Export: x.spec, Time: x.state.Time, Files: x.state.Files, Deleted: x.state.Deleted, Errors: x.state.Errors}
	m := manifestOf(&status, func(f ExportedFile) string { return base + f.Key })
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := blob.Write(ctx, x.place.Bucket, x.place.Prefix+"manifest.json", append(text, '\n')); err != nil {
		return outputError(err)
	}
	return nil
}

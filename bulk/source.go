package bulk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/bulk/ndjson"
	"github.com/tarnhealth/tarn/fhir"
)

// An inputFile is one file of an import.
type inputFile struct {
	name string
	// size is in bytes as stored; 0 where it is not known.
	size int64
	// resourceType, where not "", is what all its lines must be.
	resourceType string
	// listed is set where the file was named, and is read whatever its name.
	listed bool
	// url is what it was named by, where it is one of several.
	url string
}

// shown is the name that the report has: a file that was named by itself is
// known by its URL, without the number that keeps two of one URL apart.
func (f inputFile) shown() string {
	return cmp.Or(f.url, f.name)
}

// A source is where the files of an import are. Their order stays the same.
type source interface {
	// files yields the files after one, "" for all.
	files(ctx context.Context, after string) iter.Seq2[inputFile, error]
	// open reads a file from a byte on.
	open(ctx context.Context, f inputFile, offset int64) (io.ReadCloser, error)
	free()
}

// A folder is a source in a bucket: one file, or all below a prefix.
type folder struct {
	url   string
	place blob.Place
	// single is set where the prefix is the name of one file.
	single bool
}

// openFolder finds what is at a place.
func openFolder(ctx context.Context, places *blob.Places, url string) (*folder, error) {
	place, err := places.Open(ctx, url)
	if err != nil {
		return nil, placeError(url, err)
	}
	if place.Prefix != "" && !strings.HasSuffix(place.Prefix, "/") {
		switch _, err := place.Bucket.Stat(ctx, place.Prefix); {
		case err == nil:
			return &folder{url: url, place: place, single: true}, nil
		case !errors.Is(err, blob.ErrNotFound) && !errors.Is(err, blob.ErrKey):
			place.Free()
			return nil, placeError(url, err)
		}
	}
	return &folder{url: url, place: place.Folder()}, nil
}

// placeError is an error that says which place it is about.
func placeError(url string, err error) error {
	switch {
	case errors.Is(err, blob.ErrNoBucket), errors.Is(err, blob.ErrNotFound):
		return fhir.Errorf(fhir.KindInvalid, "%.200s does not exist", url).Because(err)
	case errors.Is(err, blob.ErrDenied):
		return fhir.Errorf(fhir.KindInvalid, "%.200s refuses access to this server", url).Because(err)
	case errors.Is(err, blob.ErrBusy):
		return fhir.Errorf(fhir.KindUnavailable, "%.200s cannot be used: %s", url, busy).Because(err)
	}
	return fhir.Errorf(fhir.KindUnavailable, "%.200s cannot be used now: the server's log says why", url).Because(err)
}

// busy says what to do about blob.ErrBusy.
const busy = "its service does not answer, or asks to slow down, and went on doing so; start the job again when it is better, and what is there already stays as it is"

// isInput reports whether a file's name is that of NDJSON.
func isInput(name string) bool {
	name = strings.ToLower(name)
	name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst"), ".zstd")
	return strings.HasSuffix(name, ".ndjson") || strings.HasSuffix(name, ".jsonl")
}

func (f *folder) files(ctx context.Context, after string) iter.Seq2[inputFile, error] {
	return func(yield func(inputFile, error) bool) {
		if f.single {
			if info, err := f.place.Bucket.Stat(ctx, f.place.Prefix); after == "" {
				yield(inputFile{name: f.place.Prefix, size: info.Size, listed: true}, err)
			}
			return
		}
		for info, err := range f.place.Bucket.List(ctx, f.place.Prefix, after) {
			if err != nil {
				yield(inputFile{}, placeError(f.url, err))
				return
			}
			if !yield(inputFile{name: info.Key, size: info.Size}, nil) {
				return
			}
		}
	}
}

func (f *folder) open(ctx context.Context, file inputFile, offset int64) (io.ReadCloser, error) {
	return f.place.Bucket.Open(ctx, file.name, offset, -1)
}

func (f *folder) free() { f.place.Free() }

// input reads a file's lines from a mark on.
type input struct {
	*ndjson.Reader
	close func()
}

// openInput opens a file for reading from a mark on.
func openInput(ctx context.Context, src source, f inputFile, from ndjson.Mark) (*input, error) {
	r, err := src.open(ctx, f, 0)
	if err != nil {
		return nil, fileError(f, err)
	}
	text, free, err := ndjson.Decompressed(&tracked{r}, from.Offset)
	if err != nil {
		r.Close()
		return nil, fileError(f, err)
	}
	return &input{Reader: ndjson.NewReader(text, from), close: func() { free(); r.Close() }}, nil
}

// A sourceError is one of reading a file, not of what is in it.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

// tracked tells errors of reading from those of what was read.
type tracked struct{ from io.Reader }

func (t *tracked) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = sourceError{err}
	}
	return n, err
}

// fileError says which file an error is about. One of KindUnprocessable is the
// file's own: the job goes on with the next.
func fileError(f inputFile, err error) error {
	var known *fhir.Error
	var reading sourceError
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, blob.ErrNotFound):
		return fhir.Errorf(fhir.KindUnprocessable, "the file is gone: it was there when the files were listed").Because(err)
	case errors.Is(err, blob.ErrDenied), errors.Is(err, blob.ErrNoBucket), errors.Is(err, blob.ErrRange):
		return fhir.Errorf(fhir.KindInvalid, "the file %.300s cannot be read: it, or its bucket, was changed or removed meanwhile, or refuses access", f.name).Because(err)
	case errors.Is(err, blob.ErrBusy):
		return fhir.Errorf(fhir.KindUnavailable, "the file %.300s cannot be read: %s", f.name, busy).Because(err)
	case errors.As(err, &reading):
		return fhir.Errorf(fhir.KindUnavailable, "the file %.300s cannot be read: the server's log says why", f.name).Because(fmt.Errorf("%s: %w", f.name, err))
	}
	return fhir.Errorf(fhir.KindUnprocessable, "the file cannot be decompressed: %v", err)
}

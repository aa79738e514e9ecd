package backups

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/server/contents"
)

// Contents say in which bucket large contents of resources are, where they are
// not in the data folder.
type Contents struct {
	// Endpoint is the URL of the S3-compatible service, "aws" or "" for Amazon's;
	// Region is "" for us-east-1.
	Endpoint string `json:"endpoint,omitempty"`
	Region   string `json:"region,omitempty"`
	// Bucket is its name, or bucket/folder.
	Bucket string `json:"bucket"`
}

// A Part says what of a data folder is backed up. The zero value is the whole.
type Part struct {
	// Store is the one data store; "" for all.
	Store string
	// WithoutContents leaves out the contents that are in a bucket. The manifest
	// says so.
	WithoutContents bool
}

// Narrowed leaves out of what is staged what is not to be backed up.
func (s *Staged) Narrowed(part Part) error {
	s.WithoutContents = part.WithoutContents
	if part.Store == "" {
		return nil
	}
	return s.Narrow(part.Store)
}

// open opens the bucket; prefix is that of a data store's contents.
func (c *Contents) open(ctx context.Context) (b blob.Bucket, prefix func(id string) string, err error) {
	w := Where{Endpoint: c.Endpoint, Region: c.Region}
	name, below, _ := strings.Cut(c.Bucket, "/")
	if below = strings.Trim(below, "/"); below != "" {
		below += "/"
	}
	b, err = w.s3(ctx, name)
	return b, func(id string) string { return below + id + "/" }, err
}

// contentFolder is the folder of contents in that of a data store.
const contentFolder = "content"

// addElsewhere adds the contents that are in a bucket, as if they were in the
// data folder: there they are when the backup is restored. Each is there before
// the version that refers to it, and is never changed. One that is gone when it
// is read was erased.
func (s *Staged) addElsewhere(ctx context.Context, snapshot *backup.Snapshot) error {
	if s.Contents == nil && len(s.Lacking) == 0 {
		return nil
	}
	if s.WithoutContents {
		for _, id := range s.lacking() {
			snapshot.Without = append(snapshot.Without, fmt.Sprintf("the large contents of data store %s that are in a bucket", id))
		}
		return nil
	}
	if s.Contents == nil {
		if ids := s.lacking(); len(ids) > 0 {
			return fhir.Errorf(fhir.KindInvalid, "data store %s has large contents in a bucket, which a command without the server does not know; start the server, set TARN_BINARY_BUCKET and TARN_BULK_S3_ENDPOINT as it has them, or leave the contents out (--without-contents)", ids[0])
		}
		return nil
	}
	bucket, prefix, err := s.Contents.open(ctx)
	for i := range s.Stores {
		if err != nil {
			break
		}
		err = addBucket(ctx, bucket, prefix(s.Stores[i].ID), contentsOf(s.Stores[i].ID), snapshot)
	}
	if err != nil {
		return fmt.Errorf("the large contents in the bucket %s cannot be listed; see to it that AWS's credentials are at hand here, or leave the contents out (backup.contents: false, --without-contents): %w", s.Contents.Bucket, err)
	}
	return nil
}

// lacking are the data stores that are backed up and have contents which are not
// in the data folder.
func (s *Staged) lacking() (ids []string) {
	for i := range s.Stores {
		if slices.Contains(s.Lacking, s.Stores[i].ID) {
			ids = append(ids, s.Stores[i].ID)
		}
	}
	return ids
}

// contentsOf is the folder of a data store's contents, with a slash at its end.
func contentsOf(id string) string { return "stores/" + id + "/" + contentFolder + "/" }

func addBucket(ctx context.Context, bucket blob.Bucket, prefix, folder string, snapshot *backup.Snapshot) error {
	here, err := eitherWhere(bucket, prefix, folder, snapshot)
	if err != nil {
		return err
	}
	for info, err := range bucket.List(ctx, prefix, "") {
		if err != nil {
			return err
		}
		if here[folder+strings.TrimPrefix(info.Key, prefix)] {
			continue
		}
		snapshot.Files = append(snapshot.Files, backup.Source{
			Name: folder + strings.TrimPrefix(info.Key, prefix), Size: info.Size, Modified: info.Modified, Known: true, MayGo: true,
			Read: func(ctx context.Context) (io.ReadCloser, error) { return bucket.Open(ctx, info.Key, 0, -1) },
		})
	}
	return nil
}

// eitherWhere has the contents that are in the data folder read in the bucket
// where they have been moved there meanwhile, and returns their names. It goes
// before the bucket is listed: what is in neither was erased.
func eitherWhere(bucket blob.Bucket, prefix, folder string, snapshot *backup.Snapshot) (map[string]bool, error) {
	names := map[string]bool{}
	kept := snapshot.Files[:0]
	for _, source := range snapshot.Files {
		key, ok := strings.CutPrefix(source.Name, folder)
		if !ok {
			kept = append(kept, source)
			continue
		}
		info, err := os.Stat(source.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the bucket has it, if anybody
		}
		if err != nil {
			return nil, err
		}
		path := source.Path
		source.Size, source.Modified = info.Size(), info.ModTime()
		source.Read = func(ctx context.Context) (io.ReadCloser, error) {
			in, err := os.Open(path)
			if errors.Is(err, fs.ErrNotExist) {
				return bucket.Open(ctx, prefix+key, 0, -1)
			}
			return in, err
		}
		names[source.Name] = true
		kept = append(kept, source)
	}
	snapshot.Files = kept
	return names, nil
}

// lacks reports whether a data store has contents that are not in the data
// folder.
func (f *Folder) lacks(ctx context.Context, id string) (bool, error) {
	some, err := binary.Any(ctx, f.DB, id)
	if err != nil || !some {
		return false, err
	}
	if moving, err := contents.Moving(f.Dir, id); err != nil || moving {
		return moving, err
	}
	found := false
	err = walk(f.Dir, "stores/"+id+"/"+contentFolder, func(string, string) { found = true })
	return !found, err
}

package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/blob/s3blob"
)

// An S3Service is a service that speaks S3.
type S3Service struct {
	// Endpoint is its URL, or "aws" for Amazon's.
	Endpoint string
	// Region is "" for us-east-1.
	Region string
	// KMSKey encrypts what is written; "" leaves it to the bucket.
	KMSKey string
}

// auditBucket takes an archive's place apart: bucket is "" for a folder.
func auditBucket(place string) (bucket, prefix string, err error) {
	if !strings.Contains(place, "://") {
		return "", "", nil
	}
	u, err := url.Parse(place)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", "", fmt.Errorf("%q is no place for an archive; write a folder, or s3://BUCKET/PREFIX", place)
	}
	if prefix = strings.Trim(u.Path, "/"); prefix != "" {
		prefix += "/"
	}
	return u.Host, prefix, nil
}

// AuditVault opens the archive at a place: a folder, or s3://BUCKET/PREFIX of a
// service. It is nil for "".
func AuditVault(ctx context.Context, place string, service S3Service) (audit.Vault, error) {
	bucket, prefix, err := auditBucket(place)
	switch {
	case err != nil:
		return nil, err
	case place == "":
		return nil, nil
	case bucket == "":
		return audit.FolderVault(filepath.Clean(place)), nil
	case service.Endpoint == "":
		return nil, fmt.Errorf("the archive %s is in S3, and no service is named", place)
	}
	endpoint := service.Endpoint
	if endpoint == "aws" {
		endpoint = ""
	}
	b, err := s3blob.Open(ctx, bucket, s3blob.Options{Endpoint: endpoint, Region: service.Region, KMSKey: service.KMSKey})
	if err != nil {
		return nil, err
	}
	return &bucketVault{b, prefix}, nil
}

// A bucketVault is an archive in a bucket.
type bucketVault struct {
	bucket blob.Bucket
	prefix string
}

// Put implements audit.Vault.
func (v *bucketVault) Put(ctx context.Context, name string, fill func(io.Writer) error) error {
	w, err := v.bucket.Create(ctx, v.prefix+name)
	if err != nil {
		return err
	}
	if err := fill(w); err != nil {
		return errors.Join(err, w.Close())
	}
	return cmp.Or(w.Commit(), w.Close())
}

// Open implements audit.Vault.
func (v *bucketVault) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := v.bucket.Open(ctx, v.prefix+name, 0, -1)
	if errors.Is(err, blob.ErrNotFound) {
		err = fs.ErrNotExist
	}
	return r, err
}

// Names implements audit.Vault.
func (v *bucketVault) Names(ctx context.Context) ([]string, error) {
	var names []string
	for info, err := range v.bucket.List(ctx, v.prefix, "") {
		if err != nil {
			return nil, err
		}
		names = append(names, strings.TrimPrefix(info.Key, v.prefix))
	}
	return names, nil
}

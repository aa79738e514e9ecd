package backups

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/blob/s3blob"
	"github.com/tarnhealth/tarn/crypt"
)

// A Where says where backups are kept.
type Where struct {
	// Place is a folder, or s3://BUCKET/PREFIX.
	Place string
	// Endpoint is the URL of the S3-compatible service, "aws" or "" for Amazon's;
	// Region is "" for us-east-1.
	Endpoint, Region string
	// KeyFile holds the key that the place is encrypted with; "" for none.
	KeyFile string
}

// Open opens the place; with make set it is made where it is not there. close
// frees it.
func (w *Where) Open(ctx context.Context, make bool) (p *backup.Place, close func(), err error) {
	opt := backup.Options{}
	if w.KeyFile != "" {
		if opt.Key, err = crypt.ReadKeyFile(w.KeyFile); err != nil {
			return nil, nil, fmt.Errorf("the key of the backups: %w (openssl rand -base64 %d makes one; chmod 600 protects it)", err, crypt.KeySize)
		}
	}
	close = func() {}
	switch bucket, prefix, err := w.bucket(); {
	case err != nil:
		return nil, nil, err
	case bucket != "":
		opt.Prefix = prefix
		if opt.Bucket, err = w.s3(ctx, bucket); err != nil {
			return nil, nil, err
		}
	default:
		dir, err := w.folder(make)
		if err != nil {
			return nil, nil, err
		}
		opt.Bucket, close = dir, func() { _ = dir.Close() }
	}
	if make {
		p, err = backup.Make(ctx, opt)
	} else {
		p, err = backup.Open(ctx, opt)
	}
	if err != nil {
		close()
		return nil, nil, fmt.Errorf("%s: %w", w.Place, err)
	}
	return p, close, nil
}

// bucket takes the place apart: bucket is "" for a folder.
func (w *Where) bucket() (bucket, prefix string, err error) {
	if w.Place == "" {
		return "", "", errors.New("no place of backups is named; write a folder, or s3://BUCKET/PREFIX")
	}
	if !strings.Contains(w.Place, "://") {
		return "", "", nil
	}
	u, err := url.Parse(w.Place)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", "", fmt.Errorf("%q is no place for backups; write a folder, or s3://BUCKET/PREFIX", w.Place)
	}
	if prefix = strings.Trim(u.Path, "/"); prefix != "" {
		prefix += "/"
	}
	return u.Host, prefix, nil
}

func (w *Where) s3(ctx context.Context, bucket string) (blob.Bucket, error) {
	endpoint := w.Endpoint
	if endpoint == "aws" {
		endpoint = ""
	}
	return s3blob.Open(ctx, bucket, s3blob.Options{Endpoint: endpoint, Region: w.Region})
}

func (w *Where) folder(make bool) (*blob.Dir, error) {
	if make {
		if err := os.MkdirAll(w.Place, 0o700); err != nil {
			return nil, err
		}
	}
	dir, err := blob.OpenDir(w.Place)
	if errors.Is(err, blob.ErrNoBucket) {
		return nil, fmt.Errorf("%w: there is no folder %s", backup.ErrNone, w.Place)
	}
	return dir, err
}

// Outside refuses a place within a data folder: it would be lost with it.
func (w *Where) Outside(data string) error {
	if bucket, _, err := w.bucket(); err != nil || bucket != "" {
		return err
	}
	place, data := real(w.Place), real(data)
	if below, err := filepath.Rel(data, place); err == nil && below != ".." && !strings.HasPrefix(below, ".."+string(filepath.Separator)) {
		return fmt.Errorf("the place %s is in the data folder %s, and would be lost with it; name another one, on another disk", place, data)
	}
	return nil
}

// real is the absolute path of a folder, links followed as far as it is there.
func real(name string) string {
	name, _ = filepath.Abs(name)
	for rest := ""; ; {
		if found, err := filepath.EvalSymlinks(name); err == nil {
			return filepath.Join(found, rest)
		}
		if filepath.Dir(name) == name {
			return filepath.Join(name, rest)
		}
		name, rest = filepath.Dir(name), filepath.Join(filepath.Base(name), rest)
	}
}

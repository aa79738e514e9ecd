package bulkjobs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/blob/s3blob"
	"github.com/tarnhealth/tarn/blob/sealedblob"
	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/crypt/seal"
	"github.com/tarnhealth/tarn/token"
)

// filesName is the folder of the server's own files in a data folder.
const filesName = "bulk"

// Jobs are the bulk jobs of a data folder.
type Jobs struct {
	*bulk.Service
	files *blob.Dir
	stop  context.CancelFunc
	ended chan struct{}
}

// Open opens the jobs of a data folder. Of opt, what is Config's is filled in.
// keys seal the server's own files; nil leaves them as they are.
func Open(cfg Config, data string, keys seal.Keys, opt bulk.Options) (*Jobs, error) {
	dir := filepath.Join(data, filesName)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	files, err := blob.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	opt.Files = files
	if keys != nil {
		opt.Files = sealedblob.New(files, keys)
	}
	opt.Places = blob.Places{Roots: cfg.Folders, Buckets: cfg.Buckets}
	if cfg.Endpoint != "" {
		opt.Places.S3 = func(ctx context.Context, name string) (blob.Bucket, error) {
			return cfg.openBucket(ctx, name, jobAttempts)
		}
	}
	if cfg.Fetch != FetchNone {
		opt.Fetch = token.Guarded(cfg.Fetch == FetchPrivate, cfg.Fetch == FetchPrivate)
	}
	opt.Limits = bulk.Limits{Imports: cfg.Imports, Exports: cfg.Exports, Waiting: cfg.Waiting, KeepFiles: cfg.Keep}
	service, err := bulk.New(opt)
	if err == nil {
		err = files.Sweep()
	}
	if err != nil {
		return nil, errors.Join(err, files.Close())
	}
	return &Jobs{Service: service, files: files, stop: func() {}}, nil
}

// OpenBucket opens a bucket of the service. Whether it is there shows when it is
// used.
func (c *Config) OpenBucket(ctx context.Context, name string) (blob.Bucket, error) {
	return c.openBucket(ctx, name, 0)
}

// jobAttempts is how often a job tries a request, with pauses of some 50 seconds
// in all: nobody waits for its answer.
const jobAttempts = 10

func (c *Config) openBucket(ctx context.Context, name string, attempts int) (blob.Bucket, error) {
	o := s3blob.Options{Endpoint: c.Endpoint, Region: c.Region, KMSKey: c.KMSKey, Attempts: attempts}
	if o.Endpoint == "aws" {
		o.Endpoint = ""
	}
	return s3blob.Open(ctx, name, o)
}

// Start runs jobs until Close.
func (j *Jobs) Start() {
	ctx, stop := context.WithCancel(context.Background())
	j.stop, j.ended = stop, make(chan struct{})
	go func() {
		defer close(j.ended)
		j.Run(ctx)
	}()
}

// Close gives back what is not done, for the next start.
func (j *Jobs) Close() error {
	j.stop()
	if j.ended != nil {
		<-j.ended
	}
	return j.files.Close()
}

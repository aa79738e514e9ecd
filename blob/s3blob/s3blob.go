// Package s3blob is the bucket of package blob in a service that speaks S3:
// Amazon's, or a compatible one such as MinIO, Ceph or versitygw.
//
// Blobs beyond 8 MiB are uploaded in parts, one at a time; they appear once the
// upload is complete. Reads that break off go on where they were, as long as
// the blob is still the same.
package s3blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tarnhealth/tarn/blob"
)

// Options say which service, and as whom.
type Options struct {
	// Endpoint is the URL of the service; "" for Amazon's.
	Endpoint string
	// Region is "" for us-east-1.
	Region string
	// KeyID and Secret are an access key. Without them the usual places are
	// looked at: the environment, the shared configuration, the machine's role.
	KeyID, Secret string
	// KMSKey, where not "", asks the service to encrypt what is written with
	// this key of its key management service.
	KMSKey string
	// Stall is how long a read may bring nothing before it is begun again; 0 is
	// a minute.
	Stall time.Duration
	// Attempts is how often a request is tried, with pauses that grow up to
	// Pause; 0 is 4. What the service refuses for good is tried once.
	Attempts int
	// Pause is 0 for 20 seconds.
	Pause time.Duration
}

// A Bucket is one bucket of the service.
type Bucket struct {
	client *s3.Client
	name   string
	opt    Options
}

// Open returns a bucket. Whether it is there shows when it is used.
func Open(ctx context.Context, name string, opt Options) (*Bucket, error) {
	if opt.Region == "" {
		opt.Region = "us-east-1"
	}
	if opt.Stall == 0 {
		opt.Stall = time.Minute
	}
	if opt.Attempts == 0 {
		opt.Attempts = 4
	}
	if opt.Pause == 0 {
		opt.Pause = 20 * time.Second
	}
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = opt.Stall })
	load := []func(*config.LoadOptions) error{
		config.WithRegion(opt.Region), config.WithRetryer(opt.retryer), config.WithHTTPClient(client),
	}
	if opt.KeyID != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(opt.KeyID, opt.Secret, "")))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, err
	}
	service := s3.NewFromConfig(cfg, func(o *s3.Options) {
		// Checksums that newer clients add are unknown to some services.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		if opt.Endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = aws.String(opt.Endpoint), true
		}
	})
	return &Bucket{client: service, name: name, opt: opt}, nil
}

// retryer tries again what may come right. How often is up to Attempts alone:
// many requests at a time that are told to slow down do not use up the tries of
// each other.
func (opt *Options) retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff, o.RateLimiter = opt.Attempts, opt.Pause, ratelimit.None
	})
}

// Stat describes an object.
func (b *Bucket) Stat(ctx context.Context, key string) (blob.Info, error) {
	head, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
	if err = s3Error(err); errors.Is(err, blob.ErrNotFound) {
		// The answer does not say whether the object is missing or the bucket.
		_, missing := b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.name})
		if errors.Is(s3Error(missing), blob.ErrNotFound) {
			err = fmt.Errorf("%w: %w", blob.ErrNoBucket, missing)
		}
	}
	if err != nil {
		return blob.Info{}, err
	}
	return blob.Info{Key: key, Size: aws.ToInt64(head.ContentLength), Modified: aws.ToTime(head.LastModified), ETag: aws.ToString(head.ETag)}, nil
}

// List asks for a page after the other.
func (b *Bucket) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix}
		if after != "" {
			in.StartAfter = &after
		}
		pages := s3.NewListObjectsV2Paginator(b.client, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(blob.Info{}, s3Error(err))
				return
			}
			for _, o := range page.Contents {
				if strings.HasSuffix(*o.Key, "/") && aws.ToInt64(o.Size) == 0 {
					continue // stands for a folder
				}
				info := blob.Info{Key: *o.Key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified), ETag: aws.ToString(o.ETag)}
				if !yield(info, nil) {
					return
				}
			}
		}
	}
}

// Delete removes an object.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
	if err = s3Error(err); errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	return err
}

// Presign signs a URL with the access key.
func (b *Bucket) Presign(ctx context.Context, method, key string, life time.Duration) (string, error) {
	signer := s3.NewPresignClient(b.client, s3.WithPresignExpires(life))
	switch method {
	case http.MethodGet:
		r, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
		if err != nil {
			return "", err
		}
		return r.URL, nil
	case http.MethodPut:
		r, err := signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &b.name, Key: &key})
		if err != nil {
			return "", err
		}
		return r.URL, nil
	}
	return "", fmt.Errorf("%w: a URL to %s", blob.ErrNotSupported, method)
}

// Create begins an object.
func (b *Bucket) Create(ctx context.Context, key string) (blob.Writer, error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, err
	}
	return &writer{ctx: ctx, bucket: b, key: key}, nil
}

// A writer uploads an object, in parts where it is large.
type writer struct {
	ctx    context.Context
	bucket *Bucket
	key    string
	buf    bytes.Buffer
	upload *string
	parts  []types.CompletedPart
	// sent is the size of the parts, in bytes.
	sent int64
	done bool
}

// partSize is the size of the next part: as many parts as S3 takes, 10,000, are
// 320 GiB then.
func (w *writer) partSize() int { return 8 << 20 << (len(w.parts) / 2000) }

// Write uploads what makes a part.
func (w *writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, errors.New("s3blob: the writer has ended")
	}
	for rest := p; len(rest) > 0; {
		n := min(len(rest), w.partSize()-w.buf.Len())
		w.buf.Write(rest[:n])
		rest = rest[n:]
		if w.buf.Len() == w.partSize() {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

func (w *writer) encryption() (types.ServerSideEncryption, *string) {
	if w.bucket.opt.KMSKey == "" {
		return "", nil
	}
	return types.ServerSideEncryptionAwsKms, &w.bucket.opt.KMSKey
}

func (w *writer) flush() error {
	b := w.bucket
	if w.upload == nil {
		sse, key := w.encryption()
		begun, err := b.client.CreateMultipartUpload(w.ctx, &s3.CreateMultipartUploadInput{
			Bucket: &b.name, Key: &w.key, ServerSideEncryption: sse, SSEKMSKeyId: key,
		})
		if err != nil {
			return s3Error(err)
		}
		w.upload = begun.UploadId
	}
	number := aws.Int32(int32(len(w.parts) + 1))
	part, err := b.client.UploadPart(w.ctx, &s3.UploadPartInput{
		Bucket: &b.name, Key: &w.key, UploadId: w.upload, PartNumber: number, Body: bytes.NewReader(w.buf.Bytes()),
	})
	if err != nil {
		return s3Error(err)
	}
	w.parts = append(w.parts, types.CompletedPart{ETag: part.ETag, PartNumber: number})
	w.sent += int64(w.buf.Len())
	w.buf.Reset()
	return nil
}

// Commit completes the object.
func (w *writer) Commit() error {
	if w.done {
		return errors.New("s3blob: the writer has ended")
	}
	b := w.bucket
	if w.upload == nil {
		sse, key := w.encryption()
		_, err := b.client.PutObject(w.ctx, &s3.PutObjectInput{
			Bucket: &b.name, Key: &w.key, Body: bytes.NewReader(w.buf.Bytes()), ServerSideEncryption: sse, SSEKMSKeyId: key,
		})
		w.done = err == nil
		return s3Error(err)
	}
	if w.buf.Len() > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	_, err := b.client.CompleteMultipartUpload(w.ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &b.name, Key: &w.key, UploadId: w.upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: w.parts},
	})
	if codeOf(err) == "NoSuchUpload" && w.completed() {
		err = nil
	}
	w.done = err == nil
	return s3Error(err)
}

// completed reports whether the upload was completed although the answer that
// said so was lost: the object has the size, and was made of as many parts.
func (w *writer) completed() bool {
	info, err := w.bucket.Stat(w.ctx, w.key)
	return err == nil && info.Size == w.sent && strings.HasSuffix(strings.Trim(info.ETag, `"`), "-"+strconv.Itoa(len(w.parts)))
}

// Close gives up the upload. It must get through although the context ended.
func (w *writer) Close() error {
	if w.done {
		return nil
	}
	w.done = true
	if w.upload == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), w.bucket.opt.Stall)
	defer cancel()
	_, err := w.bucket.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &w.bucket.name, Key: &w.key, UploadId: w.upload})
	return s3Error(err)
}

// Open reads an object.
func (b *Bucket) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if offset == 0 && length < 0 {
		if r, err := b.openWhole(ctx, key); r != nil || err != nil {
			return r, err
		}
	}
	info, err := b.Stat(ctx, key)
	if err != nil {
		return nil, err
	}
	if offset > info.Size {
		return nil, blob.ErrRange
	}
	end := info.Size
	if length >= 0 && length < end-offset {
		end = offset + length
	}
	r := &reader{ctx: ctx, bucket: b, info: info, at: offset, end: end}
	return r, nil
}

// openWhole reads an object from its beginning to its end by one request, or
// returns nil where the answer does not say where the end is.
func (b *Bucket) openWhole(ctx context.Context, key string) (io.ReadCloser, error) {
	r := &reader{ctx: ctx, bucket: b, info: blob.Info{Key: key}}
	got, err := r.ask(nil)
	if err != nil {
		return nil, err
	}
	if aws.ToInt64(got.ContentLength) < 0 || got.ContentLength == nil {
		r.drop()
		return nil, nil
	}
	r.end = aws.ToInt64(got.ContentLength)
	r.info.Size, r.info.ETag = r.end, aws.ToString(got.ETag)
	return r, nil
}

// codeOf is the service's code of an error; "" for others.
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// s3Error names what callers tell apart.
func s3Error(err error) error {
	if err == nil {
		return nil
	}
	switch codeOf(err) {
	case "NoSuchKey", "NotFound":
		return fmt.Errorf("%w: %w", blob.ErrNotFound, err)
	case "NoSuchBucket":
		return fmt.Errorf("%w: %w", blob.ErrNoBucket, err)
	case "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return fmt.Errorf("%w: %w", blob.ErrDenied, err)
	case "SlowDown", "RequestTimeout":
		return fmt.Errorf("%w: %w", blob.ErrBusy, err)
	}
	var answer interface{ HTTPStatusCode() int }
	var unsent *smithyhttp.RequestSendError
	if errors.As(err, &answer) && answer.HTTPStatusCode() >= http.StatusInternalServerError || errors.As(err, &unsent) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", blob.ErrBusy, err)
	}
	return err
}

// rangeOf is the Range header of the bytes from one to before another.
func rangeOf(from, to int64) *string {
	return aws.String("bytes=" + strconv.FormatInt(from, 10) + "-" + strconv.FormatInt(to-1, 10))
}

package s3blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tarnhealth/tarn/blob"
)

// A reader reads an object to its end; where the connection breaks or stalls it
// asks for what is left.
type reader struct {
	ctx    context.Context
	bucket *Bucket
	info   blob.Info
	at     int64
	end    int64
	body   io.ReadCloser
	// cancel ends the request of body, stalled ends it when nothing comes.
	cancel  context.CancelFunc
	stalled *time.Timer
	// failures are those since bytes came last.
	failures int
}

// Read reads some bytes.
func (r *reader) Read(p []byte) (int, error) {
	if r.at >= r.end {
		return 0, io.EOF
	}
	for {
		n, err := r.read(p)
		r.at += int64(n)
		if n > 0 {
			r.failures = 0
			return n, nil
		}
		r.drop()
		r.failures++
		switch {
		case r.ctx.Err() != nil:
			return 0, context.Cause(r.ctx)
		case err == nil || errors.Is(err, io.EOF):
			err = io.ErrUnexpectedEOF
		case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrNoBucket), errors.Is(err, blob.ErrDenied), errors.Is(err, errReplaced):
			return 0, err
		}
		if r.failures >= r.bucket.opt.Attempts {
			return 0, fmt.Errorf("%w: %w", blob.ErrBusy, err)
		}
		r.wait()
	}
}

// firstPause is before the second time that nothing more came.
const firstPause = 100 * time.Millisecond

// wait leaves the service some time, unless it just broke off.
func (r *reader) wait() {
	if r.failures < 2 {
		return
	}
	select {
	case <-r.ctx.Done():
	case <-time.After(min(r.bucket.opt.Pause, firstPause<<min(r.failures-2, 10))):
	}
}

var errReplaced = errors.New("s3blob: the object was replaced while it was read")

// read reads from the open request, or opens one.
func (r *reader) read(p []byte) (int, error) {
	if r.body == nil {
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	r.stalled.Reset(r.bucket.opt.Stall)
	n, err := r.body.Read(p)
	r.stalled.Stop()
	return n, err
}

func (r *reader) open() error {
	_, err := r.ask(rangeOf(r.at, r.end))
	return err
}

// ask asks for a range; nil is all there is.
func (r *reader) ask(span *string) (*s3.GetObjectOutput, error) {
	ctx, cancel := context.WithCancel(r.ctx)
	in := &s3.GetObjectInput{Bucket: &r.bucket.name, Key: &r.info.Key, Range: span}
	if r.info.ETag != "" {
		in.IfMatch = &r.info.ETag
	}
	got, err := r.bucket.client.GetObject(ctx, in)
	if err != nil {
		cancel()
		if isPrecondition(err) {
			return nil, errReplaced
		}
		return nil, s3Error(err)
	}
	r.body, r.cancel = got.Body, cancel
	r.stalled = time.AfterFunc(r.bucket.opt.Stall, cancel)
	return got, nil
}

func isPrecondition(err error) bool {
	var status interface{ HTTPStatusCode() int }
	return errors.As(err, &status) && status.HTTPStatusCode() == 412
}

func (r *reader) drop() {
	if r.body != nil {
		r.stalled.Stop()
		r.cancel()
		_ = r.body.Close()
		r.body = nil
	}
}

// Close ends the request.
func (r *reader) Close() error {
	r.drop()
	r.end = r.at
	return nil
}

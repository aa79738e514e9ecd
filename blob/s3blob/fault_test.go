package s3blob_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/blob/blobtest"
)

// TestFaults works through a service that fails every third request, in turn in
// each way: what is written and read is whole.
func TestFaults(t *testing.T) {
	server := blobtest.StartServer(t)
	server.MakeBucket(t, "there")
	faults := []blobtest.Fault{blobtest.SlowDown, blobtest.Reset, blobtest.Lost, blobtest.Cut}
	var failed atomic.Int64
	opt := options(server.Behind(t, func(n int64, _ *http.Request) blobtest.Fault {
		if n%3 != 0 {
			return blobtest.Passed
		}
		return faults[failed.Add(1)%int64(len(faults))]
	}))
	opt.Attempts, opt.Pause = 10, time.Millisecond
	b := open(t, "there", opt)
	want := map[string]string{"large": strings.Repeat("0123456789abcdef", 20<<16)}
	for i := range 30 {
		want[fmt.Sprintf("small/%02d", i)] = strings.Repeat(fmt.Sprint(i), 1000*i)
	}
	for key, content := range want {
		if err := blob.Write(t.Context(), b, key, []byte(content)); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
	}
	listed := 0
	for info, err := range b.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if listed++; info.Size != int64(len(want[info.Key])) {
			t.Errorf("%s has %d bytes, want %d", info.Key, info.Size, len(want[info.Key]))
		}
		got, err := blob.Read(t.Context(), b, info.Key, 1<<30)
		if err != nil || string(got) != want[info.Key] {
			t.Errorf("%s: %d bytes, %v", info.Key, len(got), err)
		}
	}
	if listed != len(want) || failed.Load() < 20 {
		t.Errorf("%d of %d are listed; %d requests failed", listed, len(want), failed.Load())
	}
}

// TestBusy gives up on a service that is too busy, or silent, for too long, and
// says so; what a service refuses is not tried again.
func TestBusy(t *testing.T) {
	server := blobtest.StartServer(t)
	server.MakeBucket(t, "there")
	if err := blob.Write(t.Context(), open(t, "there", options(server)), "a", []byte("content")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fault    blobtest.Fault
		want     error
		requests int64
	}{
		{blobtest.SlowDown, blob.ErrBusy, 3},
		{blobtest.Reset, blob.ErrBusy, 3},
		{blobtest.Hung, blob.ErrBusy, 3},
		{blobtest.Denied, blob.ErrDenied, 1},
	} {
		var asked atomic.Int64
		opt := options(server.Behind(t, func(n int64, _ *http.Request) blobtest.Fault { asked.Store(n); return c.fault }))
		opt.Attempts, opt.Pause = 3, time.Millisecond
		if c.fault == blobtest.Hung {
			opt.Stall = 200 * time.Millisecond // others may take as long as they like
		}
		b := open(t, "there", opt)
		_, err := b.Open(t.Context(), "a", 0, -1)
		n := asked.Load()
		// Who waits for an answer may give up before the request has come through.
		late := c.fault == blobtest.Hung && n < c.requests
		if !errors.Is(err, c.want) || n != c.requests && !late {
			t.Errorf("fault %d: read: %v after %d requests, want %v after %d", c.fault, err, n, c.want, c.requests)
		}
		if err := blob.Write(t.Context(), b, "b", []byte("content")); !errors.Is(err, c.want) {
			t.Errorf("fault %d: write: %v, want %v", c.fault, err, c.want)
		}
	}
}

// TestReadGivesUp reads what always breaks off at the same place.
func TestReadGivesUp(t *testing.T) {
	server := blobtest.StartServer(t)
	server.MakeBucket(t, "there")
	if err := blob.Write(t.Context(), open(t, "there", options(server)), "a", []byte("content")); err != nil {
		t.Fatal(err)
	}
	opt := options(server.Behind(t, func(n int64, _ *http.Request) blobtest.Fault {
		if n == 1 {
			return blobtest.Passed
		}
		return blobtest.SlowDown
	}))
	opt.Attempts, opt.Pause = 2, time.Millisecond
	r, err := open(t, "there", opt).Open(t.Context(), "a", 3, -1) // asks for the size first
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); !errors.Is(err, blob.ErrBusy) {
		t.Errorf("%v, want ErrBusy", err)
	}
}

// TestMissingBucket tells a bucket that is gone from an object that is.
func TestMissingBucket(t *testing.T) {
	server := blobtest.StartServer(t)
	server.MakeBucket(t, "there")
	b := open(t, "there", options(server))
	if err := blob.Write(t.Context(), b, "a", []byte("content")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat(t.Context(), "b"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("an object that is not there: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(server.Folder, "there")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat(t.Context(), "a"); !errors.Is(err, blob.ErrNoBucket) {
		t.Errorf("Stat without the bucket: %v", err)
	}
	if _, err := b.Open(t.Context(), "a", 0, -1); !errors.Is(err, blob.ErrNoBucket) {
		t.Errorf("Open without the bucket: %v", err)
	}
}

// TestLostCompletion completes an upload whose answer is lost: asking again, the
// service knows of no such upload.
func TestLostCompletion(t *testing.T) {
	server := blobtest.StartServer(t)
	server.MakeBucket(t, "there")
	var lost atomic.Bool
	opt := options(server.Behind(t, func(_ int64, r *http.Request) blobtest.Fault {
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") && !lost.Swap(true) {
			return blobtest.Lost
		}
		return blobtest.Passed
	}))
	opt.Pause = time.Millisecond
	content := strings.Repeat("0123456789abcdef", 10<<16)
	if err := blob.Write(t.Context(), open(t, "there", opt), "a", []byte(content)); err != nil || !lost.Load() {
		t.Fatalf("%v; lost: %v", err, lost.Load())
	}
	if got, err := blob.Read(t.Context(), open(t, "there", opt), "a", 1<<30); err != nil || string(got) != content {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

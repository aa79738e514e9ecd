package s3blob_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/blob/blobtest"
	"github.com/tarnhealth/tarn/blob/s3blob"
)

func open(t *testing.T, name string, opt s3blob.Options) *s3blob.Bucket {
	t.Helper()
	b, err := s3blob.Open(t.Context(), name, opt)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func options(s *blobtest.Server) s3blob.Options {
	return s3blob.Options{Endpoint: s.Endpoint, KeyID: s.KeyID, Secret: s.Secret}
}

func TestS3(t *testing.T) {
	server := blobtest.StartServer(t)
	n := 0
	blobtest.Test(t, func(t *testing.T) blob.Bucket {
		n++
		name := fmt.Sprintf("bucket-%d", n)
		server.MakeBucket(t, name)
		return open(t, name, options(server))
	})
}

func TestErrors(t *testing.T) {
	server := blobtest.StartServer(t)
	server.MakeBucket(t, "there")
	for range open(t, "not-there", options(server)).List(t.Context(), "", "") {
	}
	for _, err := range open(t, "not-there", options(server)).List(t.Context(), "", "") {
		if !errors.Is(err, blob.ErrNoBucket) {
			t.Errorf("a bucket that is not there: %v", err)
		}
	}
	if err := blob.Write(t.Context(), open(t, "not-there", options(server)), "a", nil); !errors.Is(err, blob.ErrNoBucket) {
		t.Errorf("written into a bucket that is not there: %v", err)
	}
	wrong := options(server)
	wrong.Secret = "wrong"
	if err := blob.Write(t.Context(), open(t, "there", wrong), "a", nil); !errors.Is(err, blob.ErrDenied) {
		t.Errorf("with a wrong secret: %v", err)
	}
	gone := options(server)
	gone.Endpoint, gone.Attempts = "http://127.0.0.1:1", 1
	if err := blob.Write(t.Context(), open(t, "there", gone), "a", nil); err == nil || errors.Is(err, blob.ErrNotFound) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestBrokenConnections reads through a proxy that cuts each connection after
// some bytes.
func TestBrokenConnections(t *testing.T) {
	server := blobtest.StartServer(t)
	server.MakeBucket(t, "there")
	want := strings.Repeat("0123456789abcdef", 1<<16)
	if err := blob.Write(t.Context(), open(t, "there", options(server)), "large", []byte(want)); err != nil {
		t.Fatal(err)
	}
	proxy, cuts := cutting(t, strings.TrimPrefix(server.Endpoint, "http://"), 300<<10)
	opt := options(server)
	opt.Endpoint = "http://" + proxy
	b := open(t, "there", opt)
	r, err := b.Open(t.Context(), "large", 10, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || string(got) != want[10:] {
		t.Errorf("%d bytes of %d, %v", len(got), len(want)-10, err)
	}
	if cuts.Load() == 0 {
		t.Error("no connection was cut")
	}
}

// cutting is the address of a proxy that passes on so many bytes of each
// answer, and how often it cut one.
func cutting(t *testing.T, to string, after int64) (string, *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	var cuts atomic.Int64
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				server, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer server.Close()
				go func() { _, _ = io.Copy(server, client) }()
				if n, _ := io.CopyN(client, server, after); n == after {
					cuts.Add(1)
				}
			}()
		}
	}()
	return listener.Addr().String(), &cuts
}

// TestReplacedWhileRead must not mix two contents.
func TestReplacedWhileRead(t *testing.T) {
	server := blobtest.StartServer(t)
	server.MakeBucket(t, "there")
	proxy, _ := cutting(t, strings.TrimPrefix(server.Endpoint, "http://"), 300<<10)
	opt := options(server)
	direct := open(t, "there", opt)
	opt.Endpoint = "http://" + proxy
	if err := blob.Write(t.Context(), direct, "large", []byte(strings.Repeat("a", 4<<20))); err != nil {
		t.Fatal(err)
	}
	r, err := open(t, "there", opt).Open(t.Context(), "large", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := blob.Write(t.Context(), direct, "large", []byte(strings.Repeat("b", 4<<20))); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(r); err == nil || strings.Contains(string(rest), "b") {
		t.Errorf("went on with another content: %v", err)
	}
}

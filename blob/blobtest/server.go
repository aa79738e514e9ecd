package blobtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A Server is a running versitygw, which speaks S3 over a folder.
type Server struct {
	// Endpoint is its URL; KeyID and Secret are an access key that may do
	// everything.
	Endpoint, KeyID, Secret string
	// Folder holds a folder for each bucket.
	Folder string
}

// StartServer starts versitygw until the test ends. The test is skipped where
// it is not installed: blob/blobtest/setup.sh does that.
func StartServer(t testing.TB) *Server {
	t.Helper()
	binary := find(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	home := t.TempDir()
	s := &Server{Endpoint: "http://" + address, KeyID: "tester", Secret: "tester-secret", Folder: filepath.Join(home, "data")}
	for _, name := range []string{s.Folder, filepath.Join(home, "meta")} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// Not the context of the test: that ends before the cleanups.
	ctx, cancel := context.WithCancel(context.Background())
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, "--access", s.KeyID, "--secret", s.Secret, "--port", address, "--quiet",
		"posix", "--sidecar", filepath.Join(home, "meta"), s.Folder)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("versitygw: %s", said.String())
		}
	})
	if err := s.await(ended); err != nil {
		ended <- err
		t.Fatal(err)
	}
	return s
}

// await waits until the server answers.
func (s *Server) await(ended <-chan error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		response, err := http.Get(s.Endpoint)
		if err == nil {
			response.Body.Close()
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("versitygw ended: %w", err)
		case <-tick.C:
		}
	}
	return fmt.Errorf("versitygw does not answer at %s", s.Endpoint)
}

// MakeBucket makes a bucket.
func (s *Server) MakeBucket(t testing.TB, name string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(s.Folder, name), 0o700); err != nil {
		t.Fatal(err)
	}
}

// find looks for versitygw where it was installed: beside this package, in the
// PATH, and where Go installs commands.
func find(t testing.TB) string {
	t.Helper()
	if root, err := exec.Command("go", "env", "GOMOD", "GOPATH").Output(); err == nil {
		lines := strings.Fields(string(root))
		places := []string{filepath.Join(filepath.Dir(lines[0]), "blob", "blobtest", "bin", "versitygw")}
		if len(lines) > 1 {
			places = append(places, filepath.Join(lines[1], "bin", "versitygw"))
		}
		for _, place := range places {
			if info, err := os.Stat(place); err == nil && info.Mode().IsRegular() {
				return place
			}
		}
	}
	binary, err := exec.LookPath("versitygw")
	if err != nil {
		t.Skip("versitygw, a server that speaks S3, is not installed; blob/blobtest/setup.sh installs it")
	}
	return binary
}

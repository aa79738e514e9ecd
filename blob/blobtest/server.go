package blobtest

import (
	"bytes"
	"context"
	"io"
	"net"
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
//
// It listens at a socket of its own, in front of which there is a port: one that
// was looked for and left to it may be somebody else's before it listens there.
func StartServer(t testing.TB) *Server {
	t.Helper()
	binary := find(t)
	home := t.TempDir()
	short, err := os.MkdirTemp("", "s3") // the path of a socket has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	socket := filepath.Join(short, "socket")
	s := &Server{KeyID: "tester", Secret: "tester-secret", Folder: filepath.Join(home, "data")}
	for _, name := range []string{s.Folder, filepath.Join(home, "meta")} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// Not the context of the test: that ends before the cleanups.
	ctx, cancel := context.WithCancel(context.Background())
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, "--access", s.KeyID, "--secret", s.Secret, "--port", socket, "--quiet",
		"posix", "--sidecar", filepath.Join(home, "meta"), s.Folder)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("versitygw: %s", said.String())
		}
	})
	await(t, socket, ended)
	s.Endpoint = "http://" + forward(t, socket)
	return s
}

// await waits until somebody listens at a socket, for as long as the tests may
// take.
func await(t testing.TB, socket string, ended <-chan struct{}) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatal("versitygw ended")
		case <-tick.C:
		}
	}
}

// forward is the address of a port whose connections go to a socket.
func forward(t testing.TB, socket string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(client, socket)
		}
	}()
	return listener.Addr().String()
}

// pass connects a client with a socket, until the server behind it has said all.
func pass(client net.Conn, socket string) {
	defer client.Close()
	server, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.UnixConn).CloseWrite()
	}()
	_, _ = io.Copy(client, server)
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

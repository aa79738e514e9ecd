// Package running owns the servers of tests: they end with the test.
package running

import (
	"context"
	"testing"

	"github.com/tarnhealth/tarn/server"
)

// Server starts a server and waits until it answers, at its Addr. It ends with the
// test.
func Server(t testing.TB, cfg server.Config) *server.Server {
	t.Helper()
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-done:
		stop()
		t.Fatalf("the server ended: %v", err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

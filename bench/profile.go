package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// profiled are the profiles that a server is asked for.
var profiled = []string{"cpu", "allocs", "block", "mutex"}

// profile writes profiles of a scenario to the folder of --profile, as
// SCENARIO.KIND.pprof, from when the scenario begins until shortly before its
// time is over. The channel gets the outcome.
func (b *bench) profile(ctx context.Context, name string, in *instance, length time.Duration) <-chan error {
	done := make(chan error, 1)
	if b.opt.profile == "" {
		done <- nil
		return done
	}
	go func() { done <- b.takeProfiles(ctx, name, in, length) }()
	return done
}

func (b *bench) takeProfiles(ctx context.Context, name string, in *instance, length time.Duration) error {
	if err := os.MkdirAll(b.opt.profile, 0o777); err != nil {
		return err
	}
	seconds := max(1, int((length - time.Second).Seconds()))
	group, ctx := errgroup.WithContext(ctx)
	for _, kind := range profiled {
		file := filepath.Join(b.opt.profile, strings.ReplaceAll(name, "/", "-")+"."+kind+".pprof")
		group.Go(func() error {
			return fetchProfile(ctx, in.socket(), fmt.Sprintf("/profile/%s?seconds=%d", kind, seconds), file)
		})
	}
	return group.Wait()
}

// fetchProfile copies a profile from the server's admin socket to a file.
func fetchProfile(ctx context.Context, socket, path, name string) (err error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	u, err := url.Parse("http://admin" + path)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do((&http.Request{Method: http.MethodGet, URL: u}).WithContext(ctx))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("profile %s: %s %s", path, resp.Status, text)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return errors.Join(err, f.Close())
}

package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble"
)

// An Admin works on a data folder: through the admin socket where a server runs
// on it, in this process where none does.
type Admin struct {
	web *http.Client
	// remote is set where a server answers.
	remote bool
	close  func() error
}

// OpenAdmin opens an existing data folder for administration. The error is a
// Refusal where it cannot be opened. The caller closes the Admin.
func OpenAdmin(ctx context.Context, dir string) (*Admin, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, &Refusal{Text: fmt.Sprintf("there is no data folder %s; name the folder of the server with --data", dir), Cause: err}
	}
	if a := dialAdmin(ctx, dir); a != nil {
		return a, nil
	}
	f := &folder{dir: dir}
	cfg := offline()
	err := f.open(ctx, &cfg)
	if err == nil {
		quiet := slog.New(slog.DiscardHandler)
		f.audit = lazyAudit(&cfg, f, quiet)
		f.authority = lazyAuthority(&cfg, f, quiet)
		return &Admin{web: &http.Client{Transport: inProcess{adminHandler(f, quiet)}}, close: f.Close}, nil
	}
	err = errors.Join(err, f.Close())
	if !errors.Is(err, pebble.ErrLocked) {
		return nil, err
	}
	// A server may have opened its socket meanwhile.
	if a := dialAdmin(ctx, dir); a != nil {
		return a, nil
	}
	return nil, &Refusal{Text: fmt.Sprintf("the data folder %s is in use, but %s in it does not answer; wait until the server is ready, or stop it", dir, adminName), Cause: err}
}

// offline is the configuration for administration without a server: what is
// kept does not depend on the base URL.
func offline() Config {
	c := Default()
	c.BaseURL = "http://" + c.Listen
	// What opens encrypted folders is where the server has it.
	c.MasterKey = os.Getenv("TARN_MASTER_KEY_FILE")
	c.Encryption.Endpoint, c.Encryption.Region = os.Getenv("TARN_ENCRYPTION_KMS_ENDPOINT"), os.Getenv("TARN_ENCRYPTION_KMS_REGION")
	return c
}

// Close frees the folder.
func (a *Admin) Close() error { return a.close() }

// dialAdmin returns nil where no server answers.
func dialAdmin(ctx context.Context, dir string) *Admin {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		short, done := shortPath(dir)
		defer done()
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(short, adminName))
	}
	conn, err := dial(ctx, "", "")
	if err != nil {
		return nil
	}
	conn.Close()
	web := &http.Client{Transport: &http.Transport{DialContext: dial}}
	return &Admin{web: web, remote: true, close: func() error { web.CloseIdleConnections(); return nil }}
}

// inProcess answers requests by a handler in this process.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := &answerBuffer{header: http.Header{}, status: http.StatusOK}
	p.ServeHTTP(w, r)
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: io.NopCloser(&w.body), Request: r,
	}, nil
}

// answerBuffer keeps the answer of a handler.
type answerBuffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *answerBuffer) Header() http.Header         { return w.header }
func (w *answerBuffer) WriteHeader(status int)      { w.status = status }
func (w *answerBuffer) Write(b []byte) (int, error) { return w.body.Write(b) }

// call sends one request. The path is below "http://admin".
func (a *Admin) call(ctx context.Context, method, path string, body, result any) error {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(b)
	}
	return a.send(ctx, method, path, "application/json", sent, result)
}

// send sends one request with a body of any type.
func (a *Admin) send(ctx context.Context, method, path, contentType string, body io.Reader, result any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := a.web.Do(req)
	if err != nil {
		return fmt.Errorf("the running server does not answer: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return adminFailure(res)
	}
	return json.NewDecoder(res.Body).Decode(result)
}

func adminFailure(res *http.Response) error {
	var failed adminError
	if err := json.NewDecoder(res.Body).Decode(&failed); err != nil || failed.Error == "" {
		return fmt.Errorf("the running server answers %s", res.Status)
	}
	for kind := fhir.KindInvalid; kind <= fhir.KindURITooLong; kind++ {
		if kind.Status() == res.StatusCode {
			return fhir.Errorf(kind, "%s", failed.Error)
		}
	}
	return errors.New(failed.Error)
}

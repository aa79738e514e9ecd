package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"

	"github.com/tarnhealth/tarn/fhir"
)

// An Admin works on a data folder: through the admin socket where a server runs
// on it, in this process where none does.
type Admin struct {
	web *http.Client
	// remote is set where a server answers.
	remote bool
	close  func() error
}

// InProcess works on a folder in this process, by what answers its requests.
// closing frees the folder.
func InProcess(handler http.Handler, closing func() error) *Admin {
	return &Admin{web: &http.Client{Transport: inProcess{handler}}, close: closing}
}

// Remote reports whether a server answers.
func (a *Admin) Remote() bool { return a.remote }

// Close frees the folder.
func (a *Admin) Close() error { return a.close() }

// Dial works on a folder through the socket of the server that runs on it. It
// returns nil where no server answers.
func Dial(ctx context.Context, dir string) *Admin {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		short, done := shortPath(dir)
		defer done()
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(short, SocketName))
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
		return failed(res)
	}
	return json.NewDecoder(res.Body).Decode(result)
}

func failed(res *http.Response) error {
	var told failure
	if err := json.NewDecoder(res.Body).Decode(&told); err != nil || told.Error == "" {
		return fmt.Errorf("the running server answers %s", res.Status)
	}
	if kind, ok := fhir.KindOfStatus(res.StatusCode); ok {
		return fhir.Errorf(kind, "%s", told.Error)
	}
	return errors.New(told.Error)
}

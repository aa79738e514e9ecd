package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble"
)

// An Admin works on the data stores of a folder: through the admin socket
// where a server runs on it, in this process where none does.
type Admin struct {
	stores
	close func() error
}

// OpenAdmin opens an existing data folder for administration. The error is a
// Refusal where it cannot be opened. The caller closes the Admin.
func OpenAdmin(ctx context.Context, dir string) (*Admin, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, &Refusal{Text: fmt.Sprintf("there is no data folder %s; name the folder of the server with --data", dir), Cause: err}
	}
	if client := dialAdmin(ctx, dir); client != nil {
		return &Admin{client, client.Close}, nil
	}
	f := &folder{dir: dir}
	err := f.open(ctx, "", Default().CacheSize)
	if err == nil {
		return &Admin{local{f.catalog}, f.Close}, nil
	}
	err = errors.Join(err, f.Close())
	if !errors.Is(err, pebble.ErrLocked) {
		return nil, err
	}
	// A server may have opened its socket meanwhile.
	if client := dialAdmin(ctx, dir); client != nil {
		return &Admin{client, client.Close}, nil
	}
	return nil, &Refusal{Text: fmt.Sprintf("the data folder %s is in use, but %s in it does not answer; wait until the server is ready, or stop it", dir, adminName), Cause: err}
}

// Close frees the folder.
func (a *Admin) Close() error { return a.close() }

// adminClient is stores over the socket.
type adminClient struct{ web *http.Client }

// dialAdmin returns nil where no server answers.
func dialAdmin(ctx context.Context, dir string) *adminClient {
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
	return &adminClient{&http.Client{Transport: &http.Transport{DialContext: dial}}}
}

func (c *adminClient) Close() error {
	c.web.CloseIdleConnections()
	return nil
}

func (c *adminClient) List(ctx context.Context) (list []datastore.Record, err error) {
	err = c.call(ctx, http.MethodGet, "", nil, &list)
	return list, err
}

func (c *adminClient) Create(ctx context.Context, id, name string) (r datastore.Record, err error) {
	err = c.call(ctx, http.MethodPost, "", newStore{id, name}, &r)
	return r, err
}

func (c *adminClient) Describe(ctx context.Context, id string) (r datastore.Record, err error) {
	err = c.call(ctx, http.MethodGet, "/"+url.PathEscape(id), nil, &r)
	return r, err
}

func (c *adminClient) Delete(ctx context.Context, id string) (r datastore.Record, err error) {
	err = c.call(ctx, http.MethodDelete, "/"+url.PathEscape(id), nil, &r)
	return r, err
}

func (c *adminClient) call(ctx context.Context, method, path string, body, result any) error {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://admin/datastores"+path, sent)
	if err != nil {
		return err
	}
	res, err := c.web.Do(req)
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

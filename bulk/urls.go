package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/fhir"
)

// urls are files that are named one by one. Their names are numbered, so that
// two of one URL are two files.
type urls struct {
	service *Service
	list    []InputFile
	// places are those that were opened, by their bucket.
	places map[string]blob.Place
	// left is how many bytes may still be fetched.
	left int64
}

func (im *importer) openURLs(ctx context.Context, list []InputFile) (source, error) {
	u := &urls{service: im.Service, list: list, places: map[string]blob.Place{}, left: im.opt.Limits.FetchBytes}
	for _, f := range list {
		if isWeb(f.URL) {
			continue
		}
		place, err := im.opt.Places.Open(ctx, f.URL)
		if err != nil {
			u.free()
			return nil, placeError(f.URL, err)
		}
		u.places[f.URL] = place
	}
	return u, nil
}

// unfetched is why something could not be fetched, without the addresses that
// a name stands for in the server's network.
func unfetched(err error) error {
	var unknown *net.DNSError
	var system *os.SyscallError
	var dial *net.OpError
	switch {
	case errors.As(err, &unknown):
		return errors.New("its host is not known")
	case errors.As(err, &system):
		return system.Err
	case errors.As(err, &dial):
		return errors.New("its address is one that this server does not fetch from")
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

func isWeb(url string) bool {
	return strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://")
}

// checkInput refuses a file that cannot be read whatever is there.
func (s *Service) checkInput(f InputFile) error {
	u, err := url.Parse(f.URL)
	switch {
	case err != nil || u.Opaque != "" || u.Fragment != "" || u.User != nil:
		return fhir.Errorf(fhir.KindInvalid, "%.200q is no URL of a file", f.URL)
	case !isWeb(f.URL):
		if err := s.opt.Places.Check(f.URL); err != nil {
			return fhir.Errorf(fhir.KindInvalid, "%v", err)
		}
		return nil
	case s.opt.Fetch == nil:
		return fhir.Errorf(fhir.KindNotSupported, "%.200q: this server fetches no input over HTTP", f.URL)
	}
	return nil
}

func (u *urls) name(i int) string { return fmt.Sprintf("%07d %s", i, u.list[i].URL) }

func (u *urls) files(_ context.Context, after string) iter.Seq2[inputFile, error] {
	return func(yield func(inputFile, error) bool) {
		for i, f := range u.list {
			name := u.name(i)
			if name <= after {
				continue
			}
			if !yield(inputFile{name: name, resourceType: f.Type, listed: true, url: f.URL}, nil) {
				return
			}
		}
	}
}

// open opens one of the list. Over HTTP it is fetched again up to the offset.
func (u *urls) open(ctx context.Context, f inputFile, offset int64) (io.ReadCloser, error) {
	_, at, _ := strings.Cut(f.name, " ")
	if place, ok := u.places[at]; ok {
		return place.Bucket.Open(ctx, place.Prefix, offset, -1)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/fhir+ndjson, application/ndjson, */*;q=0.5")
	response, err := u.service.opt.Fetch.Do(request)
	if err != nil {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the file cannot be fetched: %v", unfetched(err)).Because(err)
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the file cannot be fetched: its server answers %d", response.StatusCode)
	}
	body := struct {
		io.Reader
		io.Closer
	}{&capped{response.Body, u.service.opt.Limits.FetchBytes}, response.Body}
	if _, err := io.CopyN(io.Discard, body, offset); err != nil {
		response.Body.Close()
		return nil, err
	}
	return body, nil
}

func (u *urls) free() {
	for _, p := range u.places {
		p.Free()
	}
}

// capped fails beyond so many bytes.
type capped struct {
	from io.Reader
	left int64
}

var errTooLarge = errors.New("bulk: the file is larger than this server fetches")

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooLarge
	}
	n, err := c.from.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

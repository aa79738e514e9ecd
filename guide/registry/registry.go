// Package registry owns the fetching of packages of implementation guides by
// name from a package registry, in the protocol of NPM: GET {registry}/{name}
// describes the versions of a package, each with the URL of its archive.
//
// There is no registry that it knows by itself. It leaves to others: what is in
// a package (guide), and its use (guide/shelf).
//
// https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
package registry

import (
	"context"
	"crypto/sha1" // #nosec: NPM's shasum; where there is an integrity, that is checked instead
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// Options for New.
type Options struct {
	// MaxPackage is the greatest archive, in bytes; 0 is 256 MB.
	MaxPackage int64
	// HTTP makes the requests; nil for one with a time limit of two minutes.
	HTTP *http.Client
}

// A Client fetches packages from one registry.
type Client struct {
	base *url.URL
	web  *http.Client
	most int64
}

// New makes a client for a registry's URL.
func New(base string, opt Options) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q is not the URL of a package registry; write http:// or https://, a host, and a path at most", base)
	}
	c := &Client{base: u, web: opt.HTTP, most: opt.MaxPackage}
	if c.web == nil {
		c.web = &http.Client{Timeout: 2 * time.Minute}
	}
	if c.most == 0 {
		c.most = 256 << 20
	}
	return c, nil
}

// nameForm is that of names of FHIR packages, which have no scope.
var nameForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,213}$`)

// A listing is what a registry says of a package.
type listing struct {
	Tags     map[string]string `json:"dist-tags"`
	Versions map[string]struct {
		Dist struct {
			Tarball   string `json:"tarball"`
			Shasum    string `json:"shasum"`
			Integrity string `json:"integrity"`
		} `json:"dist"`
	} `json:"versions"`
}

// maxListing is the greatest description of a package, in bytes.
const maxListing = 16 << 20

func (c *Client) list(ctx context.Context, name string) (*listing, error) {
	data, err := c.get(ctx, c.base.JoinPath(name), maxListing, name)
	if err != nil {
		return nil, err
	}
	var l listing
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, c.fails("what it says of %s cannot be read: %v", name, err)
	}
	if len(l.Versions) == 0 {
		return nil, c.fails("it names no versions of %s", name)
	}
	return &l, nil
}

// Package fetches one package: by its version, by a pattern of it (1.2.x), or
// with "" or "latest" the latest. It returns the archive and the version.
func (c *Client) Package(ctx context.Context, name, version string) (data []byte, found string, err error) {
	if !nameForm.MatchString(name) {
		return nil, "", fhir.Errorf(fhir.KindInvalid, "%q is not the name of a package; those look like hl7.fhir.us.core", name)
	}
	l, err := c.list(ctx, name)
	if err != nil {
		return nil, "", err
	}
	if found = l.choose(version); found == "" {
		return nil, "", fhir.Errorf(fhir.KindNotFound, "the registry %s has no version %s of %s", c.base.Redacted(), version, name)
	}
	dist := l.Versions[found].Dist
	at, err := c.base.Parse(dist.Tarball)
	switch {
	case err != nil || dist.Tarball == "":
		return nil, "", c.fails("it names no archive of %s@%s", name, found)
	case at.Host != c.base.Host || at.Scheme != c.base.Scheme:
		return nil, "", c.fails("it has the archive of %s@%s at %s://%s, and nothing is fetched from elsewhere", name, found, at.Scheme, at.Host)
	}
	if data, err = c.get(ctx, at, c.most, name+"@"+found); err != nil {
		return nil, "", err
	}
	if !intact(data, dist.Integrity, dist.Shasum) {
		return nil, "", c.fails("the archive of %s@%s is not the one that it describes: the checksum differs", name, found)
	}
	return data, found, nil
}

// choose is the version that is asked for; "" where there is none.
func (l *listing) choose(version string) string {
	switch {
	case version == "" || version == "latest" || version == "current":
		version = l.Tags["latest"]
		if version == "" {
			version = newest(l.matching("x"))
		}
	case strings.HasSuffix(version, ".x") || version == "x" || version == "*":
		version = newest(l.matching(version))
	}
	if _, ok := l.Versions[version]; !ok {
		return ""
	}
	return version
}

func (l *listing) matching(pattern string) []string {
	prefix := strings.TrimSuffix(strings.TrimSuffix(pattern, "x"), "*")
	var all []string
	for v := range l.Versions {
		if strings.HasPrefix(v, prefix) {
			all = append(all, v)
		}
	}
	return all
}

// intact checks the checksum of an archive; a registry that gives none is
// believed.
func intact(data []byte, integrity, shasum string) bool {
	if sum, ok := strings.CutPrefix(integrity, "sha512-"); ok {
		got := sha512.Sum512(data)
		return base64.StdEncoding.EncodeToString(got[:]) == sum
	}
	if shasum != "" {
		got := sha1.Sum(data)
		return hex.EncodeToString(got[:]) == strings.ToLower(shasum)
	}
	return true
}

func (c *Client) get(ctx context.Context, at *url.URL, most int64, what string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	res, err := c.web.Do(req)
	if err != nil {
		return nil, c.fails("it does not answer: %v", because(err))
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotFound:
		return nil, fhir.Errorf(fhir.KindNotFound, "the registry %s has no %s", c.base.Redacted(), what)
	case res.StatusCode != http.StatusOK:
		return nil, c.fails("it answers %s for %s", res.Status, what)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err != nil {
		return nil, c.fails("its answer was cut off: %v", err)
	}
	if int64(len(data)) > most {
		return nil, c.fails("%s has more than %d MB", what, most>>20)
	}
	return data, nil
}

// because is an error without the URL, which may hold a password.
func because(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

func (c *Client) fails(format string, args ...any) error {
	return fhir.Errorf(fhir.KindUnprocessable, "the registry %s: %s", c.base.Redacted(), fmt.Sprintf(format, args...))
}

package registry

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
)

// maxPackages is how many packages one fetch may come to.
const maxPackages = 64

// Fetch fetches a package, name@version or name, and those that it needs but for
// the ones that are there (name#version). incomplete leaves those out that the
// registry does not have.
func (c *Client) Fetch(ctx context.Context, text string, there []string, incomplete bool) ([][]byte, error) {
	name, version, _ := strings.Cut(strings.Replace(text, "@", "#", 1), "#")
	f := &fetch{client: c, incomplete: incomplete}
	for _, t := range there {
		n, v, _ := strings.Cut(t, "#")
		f.have = append(f.have, [2]string{n, v})
	}
	if err := f.one(ctx, name, version); err != nil {
		return nil, err
	}
	for len(f.wanted) > 0 {
		next := f.wanted[0]
		f.wanted = f.wanted[1:]
		if f.has(next) {
			continue
		}
		err := f.one(ctx, next[0], next[1])
		if f.incomplete && fhir.KindOf(err) == fhir.KindNotFound {
			err = nil
		}
		if err != nil {
			return nil, err
		}
	}
	return f.packages, nil
}

// fetch is one Fetch.
type fetch struct {
	client     *Client
	incomplete bool
	// have are names and versions, wanted those that are needed.
	have, wanted [][2]string
	packages     [][]byte
}

func (f *fetch) has(wanted [2]string) bool {
	return slices.ContainsFunc(f.have, func(h [2]string) bool { return h[0] == wanted[0] && guide.Fits(h[1], wanted[1]) })
}

func (f *fetch) one(ctx context.Context, name, version string) error {
	if len(f.packages) >= maxPackages {
		return f.client.fails("what is asked for needs more than %d packages", maxPackages)
	}
	data, found, err := f.client.Package(ctx, name, version)
	if err != nil {
		return err
	}
	p, err := guide.Manifest(bytes.NewReader(data), guide.DefaultLimits)
	if err != nil {
		return err
	}
	if p.Name != name || p.Version != found {
		return f.client.fails("the archive of %s@%s is of %s", name, found, p)
	}
	f.packages, f.have = append(f.packages, data), append(f.have, [2]string{name, found})
	for _, n := range slices.Sorted(maps.Keys(p.Dependencies)) {
		if !guide.BuiltIn(n) {
			f.wanted = append(f.wanted, [2]string{n, p.Dependencies[n]})
		}
	}
	return nil
}

// newest is the highest version; "" of none.
func newest(versions []string) string {
	best := ""
	for _, v := range versions {
		if best == "" || guide.CompareVersions(v, best) > 0 {
			best = v
		}
	}
	return best
}

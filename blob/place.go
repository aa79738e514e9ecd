package blob

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Place is a bucket, and a prefix of keys in it.
type Place struct {
	Bucket Bucket
	// Prefix is "" or ends in a slash, unless the place names one blob.
	Prefix string
	// Close, where not nil, frees the bucket.
	Close func() error
}

// Free frees the bucket.
func (p Place) Free() {
	if p.Close != nil {
		_ = p.Close()
	}
}

// Places opens the places that callers name.
type Places struct {
	// Roots are the local folders that "file:" URLs may be in or below; none
	// unless listed. They are absolute.
	Roots []string
	// Buckets are what "s3:" URLs may name: "bucket", "bucket/folder" for what is
	// below that, or "*" for all; none unless listed.
	Buckets []string
	// S3 opens a bucket of the S3-compatible service; nil where there is none.
	S3 func(ctx context.Context, bucket string) (Bucket, error)
}

// bucketName is what S3 allows.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// Check refuses a URL that Open would refuse whatever is there.
func (p *Places) Check(place string) error {
	u, err := url.Parse(place)
	if err != nil || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%.100q is no URL of a place; write s3://BUCKET/FOLDER or file:///FOLDER", place)
	}
	switch u.Scheme {
	case "s3":
		switch {
		case p.S3 == nil:
			return fmt.Errorf("%.100q is in S3, which the server is not set up for: bulk.s3_endpoint and bulk.buckets of its configuration do that", place)
		case !bucketName.MatchString(u.Host):
			return fmt.Errorf("%.100q names no S3 bucket: a name has 3 to 63 of a-z, 0-9, '.' and '-'", place)
		case !slices.ContainsFunc(p.Buckets, func(allowed string) bool { return inBucket(allowed, u.Host+u.Path) }):
			return fmt.Errorf("%.100q is in none of the S3 buckets that the operator allows", place)
		}
		return nil
	case "file":
		if u.Host != "" && u.Host != "localhost" || !filepath.IsAbs(filepath.FromSlash(u.Path)) {
			return fmt.Errorf("%.100q must be a local folder by its whole path, such as file:///srv/input", place)
		}
		_, _, err := p.root(u.Path)
		return err
	}
	return fmt.Errorf("%.100q is neither an s3:// nor a file:// URL", place)
}

// inBucket reports whether a bucket with a key is in what is allowed.
func inBucket(allowed, place string) bool {
	allowed = strings.TrimSuffix(allowed, "/")
	below, ok := strings.CutPrefix(place, allowed)
	return allowed == "*" || ok && (below == "" || below[0] == '/')
}

// root is the allowed folder that a path is in, and what follows it.
func (p *Places) root(name string) (root, below string, err error) {
	if slices.Contains(strings.Split(name, "/"), "..") {
		return "", "", fmt.Errorf("%.100q must not contain \"..\"", "file://"+name)
	}
	clean := filepath.Clean(filepath.FromSlash(name))
	for _, root := range p.Roots {
		root = filepath.Clean(root)
		if clean == root {
			return root, "", nil
		}
		if below, ok := strings.CutPrefix(clean, strings.TrimSuffix(root, string(filepath.Separator))+string(filepath.Separator)); ok {
			return root, filepath.ToSlash(below), nil
		}
	}
	return "", "", fmt.Errorf("%.100q is in none of the local folders that the operator allows", "file://"+name)
}

// Open opens a place. A URL that does not end in a slash may name one blob, or
// a folder: Input and Output decide.
func (p *Places) Open(ctx context.Context, place string) (Place, error) {
	if err := p.Check(place); err != nil {
		return Place{}, err
	}
	u, err := url.Parse(place)
	if err != nil {
		return Place{}, err
	}
	if u.Scheme == "s3" {
		b, err := p.S3(ctx, u.Host)
		return Place{Bucket: b, Prefix: strings.TrimPrefix(u.Path, "/")}, err
	}
	root, below, err := p.root(u.Path)
	if err != nil {
		return Place{}, err
	}
	if below != "" && strings.HasSuffix(u.Path, "/") {
		below += "/"
	}
	d, err := OpenDir(root)
	if err != nil {
		return Place{}, err
	}
	return Place{Bucket: d, Prefix: below, Close: d.Close}, nil
}

// Folder is the place as a folder: its prefix ends in a slash unless it is "".
func (p Place) Folder() Place {
	if p.Prefix != "" && !strings.HasSuffix(p.Prefix, "/") {
		p.Prefix += "/"
	}
	return p
}

package blob_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/blob"
)

func TestPlaces(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "in", "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	places := blob.Places{
		Roots:   []string{filepath.Join(root, "in"), filepath.Join(root, "out") + "/"},
		Buckets: []string{"bucket", "shared/ours/"},
		S3:      func(context.Context, string) (blob.Bucket, error) { return openDir(t, root), nil },
	}
	base := "file://" + filepath.ToSlash(root)
	for place, want := range map[string]string{
		base + "/in": "", base + "/in/": "", base + "/in/deep": "deep", base + "/in/deep/": "deep/",
		"file://localhost" + filepath.ToSlash(root) + "/in": "", base + "/in/a%20b": "a b",
		"s3://shared/ours": "ours", "s3://shared/ours/x": "ours/x",
		"s3://bucket": "", "s3://bucket/": "", "s3://bucket/a/b": "a/b", "s3://bucket/a/b/": "a/b/",
	} {
		got, err := places.Open(t.Context(), place)
		if err != nil || got.Prefix != want {
			t.Errorf("%s: %q, %v; want %q", place, got.Prefix, err, want)
			continue
		}
		got.Free()
	}
	for place, want := range map[string]string{
		base: "none of the local folders", base + "/inner": "none of", base + "/in/../secret": "..", base + "/in/%2e%2e/x": "..",
		"file:///": "none of", "file:in": "no URL of a place", "file://host/in": "whole path", "relative/in": "neither",
		"https://example.org/": "neither", "s3://Bucket": "no S3 bucket", "s3://": "no S3 bucket", "s3://bucket?x=1": "no URL",
		"s3://buckets/": "none of the S3 buckets", "s3://shared/": "none of", "s3://shared/oursx": "none of", "s3://other/bucket": "none of",
		"s3://user@bucket/": "no URL", "": "neither", "s3://a b": "no URL", base + "/in/\x00": "no URL",
	} {
		if err := places.Check(place); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", place, err, want)
		}
	}
	if err := (&blob.Places{}).Check("s3://bucket/x"); err == nil || !strings.Contains(err.Error(), "bulk.s3_endpoint") {
		t.Error(err)
	}
}

func FuzzPlace(f *testing.F) {
	for _, seed := range []string{"file:///srv/in/a", "file:///srv/in/../x", "s3://bucket/x", "file:///srv/in/%2e%2e/%2e%2e/etc"} {
		f.Add(seed)
	}
	places := blob.Places{Roots: []string{"/srv/in"}}
	f.Fuzz(func(t *testing.T, place string) {
		if err := places.Check(place); err == nil && strings.Contains(place, "..") && !strings.Contains(strings.ReplaceAll(place, "...", ""), "x") {
			if strings.Contains(place, "/../") {
				t.Errorf("%q is allowed", place)
			}
		}
	})
}

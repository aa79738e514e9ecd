package shelf_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/guide/shelf"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/codebook"
)

// twenty are twenty guides: US Core in six versions, and the same under other
// names.
func twenty(b *testing.B) [][]byte {
	b.Helper()
	versions := []string{"3.1.1", "4.0.0", "5.0.1", "6.1.0", "7.0.0", "8.0.0"}
	var all [][]byte
	for i := range 20 {
		version := versions[i%len(versions)]
		data, err := os.ReadFile("../../../shared/data/definitions/us-core/hl7.fhir.us.core-" + version + ".tgz")
		if err != nil {
			b.Skip("../shared/data is absent")
		}
		all = append(all, renamed(b, data, fmt.Sprintf("variant%d.fhir.us.core", i/len(versions))))
	}
	return all
}

// renamed is a package under another name, with URLs of its own.
func renamed(b *testing.B, data []byte, name string) []byte {
	b.Helper()
	unzip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	to := tar.NewWriter(zip)
	for from := tar.NewReader(unzip); ; {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		text, err := io.ReadAll(from)
		if err != nil {
			b.Fatal(err)
		}
		if header.Name == "package/package.json" {
			text = regexp.MustCompile(`"name"\s*:\s*"hl7.fhir.us.core"`).ReplaceAll(text, []byte(`"name":"`+name+`"`))
		}
		text = bytes.ReplaceAll(text, []byte("http://hl7.org/fhir/us/core/"), []byte("http://"+name+"/"))
		header.Size = int64(len(text))
		if err := errors.Join(to.WriteHeader(header)); err != nil {
			b.Fatal(err)
		}
		if _, err := to.Write(text); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(to.Close(), zip.Close()); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// heap is the memory in use, in MB.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// BenchmarkTwentyGuides is the start of a server with twenty guides in its
// records, and the use of every profile of the newest version of each, by one
// data store and by six that know terminologies of their own. Metrics: MB held
// after the start and after all profiles were used.
func BenchmarkTwentyGuides(b *testing.B) {
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		b.Fatal(err)
	}
	defer folder.Close()
	s := shelf.New(folder.Records(), clock)
	for _, data := range twenty(b) {
		if _, err := s.Add(ctx, "one", shelf.Addition{Packages: [][]byte{data}, Incomplete: true}); err != nil {
			b.Fatal(err)
		}
	}
	for _, stores := range []int{0, 1, 6} {
		b.Run(fmt.Sprintf("stores=%d", stores), func(b *testing.B) {
			b.StopTimer()
			for range b.N {
				before := heap()
				b.StartTimer()
				again := shelf.New(folder.Records(), clock)
				g, err := again.Guides(ctx, "one")
				if err != nil || len(g.Packages()) != 20 {
					b.Fatal(err)
				}
				profiles, all := 0, []*conformance.Guides(nil)
				for range stores {
					own := g.With(terminology.Options{Books: func(string) *codebook.Book { return nil }})
					profiles += useAll(b, own)
					all = append(all, own)
				}
				b.StopTimer()
				b.ReportMetric(heap()-before, "MB")
				b.ReportMetric(float64(profiles), "profiles")
				runtime.KeepAlive(all)
			}
		})
	}
}

// useAll checks something against every profile of guides for resources.
func useAll(b *testing.B, g *conformance.Guides) (profiles int) {
	b.Helper()
	for _, p := range g.Packages() {
		for i := range p.Entries {
			e := &p.Entries[i]
			if e.Type != "StructureDefinition" || e.Kind != "resource" {
				continue
			}
			tree, err := fhir.Parse(definition.R4().Schema, []byte(`{"resourceType":"`+e.Of+`"}`), fhir.DefaultLimits)
			if err != nil {
				b.Fatal(err)
			}
			if err := g.Against(tree, e.URL+"|"+p.Version, func(fhir.Issue) {}); err != nil && !strings.Contains(err.Error(), "not known") {
				b.Fatal(err)
			}
			profiles++
		}
	}
	return profiles
}

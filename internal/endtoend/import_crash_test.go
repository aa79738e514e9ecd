package endtoend

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/synth"
)

// importMegabytes is how much is imported; TARN_IMPORT_MB asks for more.
const importMegabytes = 20

// TestImportSurvivesKills imports files into a server that is killed again and
// again, at moments that are chosen at random, and exports them.
func TestImportSurvivesKills(t *testing.T) {
	megabytes := importMegabytes
	if text := os.Getenv("TARN_IMPORT_MB"); text != "" {
		var err error
		if megabytes, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	folder := t.TempDir()
	for _, name := range []string{"in", "out"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	want, total := writePopulation(t, filepath.Join(folder, "in"), int64(megabytes)<<20)
	t.Setenv("TARN_BULK_FOLDERS", folder)
	s := serve(t, t.TempDir())
	job := s.startJob("StartFHIRImportJob", fmt.Sprintf(`{"DatastoreId":"default","InputDataConfig":{"S3Uri":"file://%s/in"},"JobOutputDataConfig":{"S3Configuration":{"S3Uri":"file://%s/out"}}}`, folder, folder))
	begin := time.Now()
	random := rand.New(rand.NewPCG(uint64(begin.UnixNano()), 1))
	kills := 0
	for ; kills < 5; kills++ {
		<-time.After(time.Duration(random.Int64N(int64(min(megabytes, 400)) * int64(30*time.Millisecond))))
		if s.importJob(job).ended() {
			break
		}
		s.kill()
		s.start()
	}
	p := s.importJob(job)
	for !p.ended() {
		<-time.After(50 * time.Millisecond)
		p = s.importJob(job)
	}
	t.Logf("%d resources of %d MB, killed %d times, took %v, throughput %v MB/s, most memory %s", total, megabytes, kills, time.Since(begin).Round(time.Millisecond), p.JobProgressReport.Throughput, s.memory())
	r := p.JobProgressReport
	if p.JobStatus != "COMPLETED" || r.TotalNumberOfResourcesScanned != total || r.TotalNumberOfResourcesImported != total || r.TotalNumberOfImportedFiles != len(want) {
		t.Errorf("%+v, want %d resources", p, total)
	}
	for resourceType, n := range want {
		s.wantTotal(resourceType+"?_summary=count", n)
	}
	s.exportAll(want)
	t.Logf("most memory with the export: %s", s.memory())
}

// writePopulation writes a synthetic population, a file for each type, and
// returns how many resources of each type there are, and of all.
func writePopulation(t *testing.T, folder string, most int64) (map[string]int, int) {
	t.Helper()
	counts, total, size := map[string]int{}, 0, int64(0)
	open := map[string]io.Writer{}
	var closers []func() error
	err := synth.New(synth.Options{Patients: 1 << 30, Seed: 7}).Each(func(b synth.Bundle) error {
		for _, r := range b.Resources {
			if open[r.Type] == nil {
				w, closer := create(t, folder, r.Type, len(open)%3 == 1)
				open[r.Type], closers = w, append(closers, closer)
			}
			if _, err := open[r.Type].Write(append(slices.Clip(r.JSON), '\n')); err != nil {
				return err
			}
			counts[r.Type]++
			total++
			size += int64(len(r.JSON)) + 1
		}
		if size >= most {
			return io.EOF
		}
		return nil
	})
	if err != io.EOF {
		t.Fatal(err)
	}
	for _, closer := range closers {
		if err := closer(); err != nil {
			t.Fatal(err)
		}
	}
	return counts, total
}

func create(t *testing.T, folder, resourceType string, compress bool) (io.Writer, func() error) {
	t.Helper()
	name := resourceType + ".ndjson"
	if compress {
		name += ".gz"
	}
	f, err := os.Create(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	buffered := bufio.NewWriter(f)
	if !compress {
		return buffered, func() error { buffered.Flush(); return f.Close() }
	}
	z, err := gzip.NewWriterLevel(buffered, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	return z, func() error { z.Close(); buffered.Flush(); return f.Close() }
}

// control sends a request to the control API.
func (s *server) control(operation, body string, to any) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+s.addr+"/", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "HealthLake."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s %s, %v", operation, res.Status, text, err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) startJob(operation, body string) string {
	s.t.Helper()
	var begun struct{ JobID string }
	s.control(operation, body, &begun)
	return begun.JobID
}

// importProperties is what is asked of an import job.
type importProperties struct {
	JobStatus, Message string
	JobProgressReport  struct {
		TotalNumberOfResourcesScanned, TotalNumberOfResourcesImported, TotalNumberOfImportedFiles int
		Throughput                                                                                float64
	}
}

func (p *importProperties) ended() bool {
	return slices.Contains([]string{"COMPLETED", "COMPLETED_WITH_ERRORS", "FAILED"}, p.JobStatus)
}

func (s *server) importJob(id string) *importProperties {
	s.t.Helper()
	var described struct{ ImportJobProperties importProperties }
	s.control("DescribeFHIRImportJob", `{"DatastoreId":"default","JobId":"`+id+`"}`, &described)
	return &described.ImportJobProperties
}

func (s *server) fetch(url string, to any) int {
	s.t.Helper()
	res, err := http.Get(url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		if err := json.NewDecoder(res.Body).Decode(to); err != nil {
			s.t.Fatal(err)
		}
	}
	return res.StatusCode
}

func (s *server) wantTotal(query string, want int) {
	s.t.Helper()
	var bundle struct{ Total int }
	if status := s.fetch("http://"+s.addr+"/datastore/default/r4/"+query, &bundle); status != http.StatusOK || bundle.Total != want {
		s.t.Errorf("%s: %d, total %d, want %d", query, status, bundle.Total, want)
	}
}

// exportAll exports the data store and counts what comes: the first versions.
func (s *server) exportAll(want map[string]int) {
	s.t.Helper()
	begin := time.Now()
	res, err := http.Get("http://" + s.addr + "/datastore/default/r4/$export")
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
	var manifest struct {
		Output []struct {
			Type, URL string
			Count     int
		}
	}
	for status := http.StatusAccepted; status == http.StatusAccepted || status == http.StatusTooManyRequests; {
		<-time.After(50 * time.Millisecond) // sooner than Retry-After says
		status = s.fetch(res.Header.Get("Content-Location"), &manifest)
	}
	took := time.Since(begin)
	got, seen := map[string]int{}, map[[32]byte]bool{}
	for _, f := range manifest.Output {
		res, err := http.Get(f.URL)
		if err != nil {
			s.t.Fatal(err)
		}
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 64<<20)
		n := 0
		for lines.Scan() {
			n++
			var head struct {
				ResourceType, ID string
				Meta             struct{ VersionID string }
			}
			if err := json.Unmarshal(lines.Bytes(), &head); err != nil {
				s.t.Fatal(err)
			}
			id := sha256.Sum256([]byte(f.Type + "/" + head.ID))
			if head.ResourceType != f.Type || head.Meta.VersionID != "1" || seen[id] {
				s.t.Errorf("another type or version, or a second time: %s", lines.Text())
			}
			seen[id] = true
		}
		res.Body.Close()
		if lines.Err() != nil || n != f.Count {
			s.t.Errorf("%s: %d lines, want %d, %v", f.URL, n, f.Count, lines.Err())
		}
		got[f.Type] += n
	}
	s.t.Logf("exported %d different resources in %v", len(seen), took.Round(time.Millisecond))
	for resourceType, n := range want {
		if got[resourceType] != n {
			s.t.Errorf("exported %d %s, want %d", got[resourceType], resourceType, n)
		}
	}
}

// memory is the most that the process had in memory.
func (s *server) memory() string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return "not known"
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(value)
		}
	}
	return "not known"
}

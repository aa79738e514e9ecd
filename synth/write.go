package synth

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A Summary counts what was written.
type Summary struct {
	Patients int
	// Resources counts the resources by type.
	Resources map[string]int
	Files     int
	// Bytes counts the JSON before compression.
	Bytes int64
}

// Total is the number of resources.
func (s *Summary) Total() int {
	n := 0
	for _, count := range s.Resources {
		n += count
	}
	return n
}

func (s *Summary) count(rec *record) {
	for i := range rec.spans {
		s.Resources[rec.spans[i].typ]++
	}
}

// Progress is told how many of the patients are done. It may be nil.
type Progress func(done, total int)

func (f Progress) report(done, total int) {
	if f != nil {
		f(done, total)
	}
}

// infrastructureFile sorts before the patients' files, so that loading in the
// order of names works.
const infrastructureFile = "infrastructure.json"

// WriteBundles writes one transaction Bundle per file into dir, which it
// makes where it is absent: infrastructure.json and patient-00000001.json …,
// with .gz added when they are compressed.
func (p *Population) WriteBundles(ctx context.Context, dir string, compress bool, progress Progress) (Summary, error) {
	sum := Summary{Resources: map[string]int{}}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return sum, err
	}
	write := func(rec *record, k int) error {
		name := infrastructureFile
		if k >= 0 {
			name = fmt.Sprintf("patient-%08d.json", k+1)
		}
		rec.transaction = rec.appendTransaction(rec.transaction[:0])
		return writeFile(filepath.Join(dir, name), compress, rec.transaction)
	}
	err := p.produce(ctx, true, write, func(rec *record, k int) error {
		sum.count(rec)
		sum.Files++
		sum.Bytes += int64(len(rec.transaction))
		sum.Patients = k + 1
		progress.report(k+1, p.opts.Patients)
		return nil
	})
	return sum, err
}

// WriteNDJSON writes the resources into dir, which it makes where it is
// absent: one file per type, Patient.ndjson …, with .gz added when they are
// compressed. Resources have ids and refer to one another relatively.
func (p *Population) WriteNDJSON(ctx context.Context, dir string, compress bool, progress Progress) (sum Summary, err error) {
	sum.Resources = map[string]int{}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return sum, err
	}
	files := map[string]*output{}
	defer func() {
		for _, out := range files {
			if closeErr := out.close(); err == nil {
				err = closeErr
			}
		}
	}()
	err = p.produce(ctx, false, nil, func(rec *record, k int) error {
		if err := rec.writeLines(files, dir, compress); err != nil {
			return err
		}
		sum.count(rec)
		sum.Bytes += int64(len(rec.b) + len(rec.spans))
		sum.Files = len(files)
		sum.Patients = k + 1
		progress.report(k+1, p.opts.Patients)
		return nil
	})
	return sum, err
}

// writeLines writes the record's resources to the files of their types.
func (rec *record) writeLines(files map[string]*output, dir string, compress bool) error {
	for _, s := range rec.spans {
		out := files[s.typ]
		if out == nil {
			var err error
			if out, err = create(filepath.Join(dir, s.typ+".ndjson"), compress); err != nil {
				return err
			}
			files[s.typ] = out
		}
		if _, err := out.Write(rec.b[s.start:s.end]); err != nil {
			return err
		}
		if err := out.WriteByte('\n'); err != nil {
			return err
		}
	}
	return nil
}

// output is a file, perhaps compressed.
type output struct {
	*bufio.Writer
	gz   *gzip.Writer
	file *os.File
}

func create(name string, compress bool) (*output, error) {
	if compress {
		name += ".gz"
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	out := &output{file: file}
	var w io.Writer = file
	if compress {
		// The fastest level: at others compression takes most of the time.
		out.gz, _ = gzip.NewWriterLevel(file, gzip.BestSpeed)
		w = out.gz
	}
	out.Writer = bufio.NewWriterSize(w, 64<<10)
	return out, nil
}

func (out *output) close() error {
	err := out.Flush()
	if out.gz != nil {
		if gzErr := out.gz.Close(); err == nil {
			err = gzErr
		}
	}
	if closeErr := out.file.Close(); err == nil {
		err = closeErr
	}
	return err
}

func writeFile(name string, compress bool, b []byte) error {
	out, err := create(name, compress)
	if err != nil {
		return err
	}
	_, err = out.Write(b)
	if closeErr := out.close(); err == nil {
		err = closeErr
	}
	return err
}

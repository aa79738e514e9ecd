package access

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A suite are the tests of one package, built with mutants.
type suite struct {
	t       *testing.T
	folder  string // of the package
	pattern string // of its tests
	binary  string
	tests   []traced
	// apart are the mutants that are built one by one.
	apart []mutant
}

// A traced test is known for the mutants whose function it calls.
type traced struct {
	name    string
	took    time.Duration
	reaches map[int]bool
}

// try runs the tests of a package with mutants, one after the other, and returns
// those that none missed. The arguments are as those of go test: a package and,
// before it, "-run" and a pattern.
func try(t *testing.T, mutants []mutant, args ...string) []mutant {
	if len(mutants) == 0 {
		return nil
	}
	s := &suite{t: t, folder: args[len(args)-1], pattern: os.Getenv("TARN_MUTATION_TESTS")}
	if len(args) > 1 && s.pattern == "" {
		s.pattern = args[1]
	}
	mutants, left := s.within(mutants)
	if len(mutants) == 0 {
		return left
	}
	woven := s.build(mutants)
	if _, err := os.Stat(s.binary); err != nil {
		return append(left, woven...) // the package has no tests
	}
	s.trace()
	for _, m := range mutants {
		var by string
		var err error
		switch {
		case slices.Contains(s.apart, m):
			by, err = s.alone(m)
		case slices.Contains(woven, m):
			by = s.missing(m)
		default:
			continue // it did not build
		}
		switch {
		case err != nil:
			t.Errorf("%d: %s without %q: %v", m.n-1, m.file, m.line, err)
		case by == "":
			t.Logf("%d: %s without %q: not missed in %s", m.n-1, m.file, m.line, s.folder)
			left = append(left, m)
		default:
			t.Logf("%d: %s without %q: missed by %s", m.n-1, m.file, m.line, by)
		}
	}
	return left
}

// within divides mutants into those that the tests are built with, and others.
func (s *suite) within(mutants []mutant) (in, out []mutant) {
	list, err := s.run(".", nil, "go", "list", "-deps", "-test", s.folder)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, list)
	}
	packages := strings.Fields(string(list))
	for _, m := range mutants {
		if slices.Contains(packages, "github.com/tarnhealth/tarn/"+filepath.Dir(m.file)) {
			in = append(in, m)
		} else {
			out = append(out, m)
		}
	}
	return in, out
}

// build builds the tests of a package with the mutants, and returns those that do.
func (s *suite) build(mutants []mutant) []mutant {
	dir := s.t.TempDir()
	s.binary = filepath.Join(dir, "tests")
	for {
		var overlay string
		overlay, mutants = s.weave(mutants)
		out, err := s.compile(overlay, s.binary)
		if err == nil {
			return mutants
		}
		wrong := map[int]bool{}
		for _, found := range place.FindAllSubmatch(out, -1) {
			n, _ := strconv.Atoi(string(found[1]))
			wrong[n] = true
		}
		if len(wrong) == 0 {
			s.t.Fatalf("%s does not build: %v\n%s", s.folder, err, out)
		}
		s.t.Errorf("%s", out)
		mutants = slices.DeleteFunc(mutants, func(m mutant) bool {
			if wrong[m.n] {
				s.t.Errorf("%d: %s without %q does not build", m.n-1, m.file, m.line)
			}
			return wrong[m.n]
		})
	}
}

// compile builds the tests with an overlay.
func (s *suite) compile(overlay, binary string) ([]byte, error) {
	return s.run(".", nil, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, s.folder)
}

// run runs a command in a folder.
func (s *suite) run(dir string, env []string, args ...string) ([]byte, error) {
	args = append(strings.Fields(os.Getenv("TARN_MUTATION_EXEC")), args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TARN_MUTATIONS=")
	cmd.Env = append(cmd.Env, env...)
	return cmd.CombinedOutput()
}

// place is where a compiler finds something wrong with a mutant.
var place = regexp.MustCompile(`mutant(\d+)\.go:`)

// weave writes the overlay of the mutants' files. It returns those that are in it,
// and notes those that stay apart.
func (s *suite) weave(mutants []mutant) (overlay string, in []mutant) {
	dir := s.t.TempDir()
	replace := map[string]string{}
	files := map[string][]mutant{}
	for _, m := range mutants {
		files[m.file] = append(files[m.file], m)
	}
	for name, mutants := range files {
		path := absolute(s.t, name)
		src, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		out, err := weave(src, mutants)
		if err != nil {
			s.t.Fatalf("%s: %v", name, err)
		}
		for _, m := range out.broken {
			s.t.Errorf("%d: %s without %q does not parse", m.n-1, m.file, m.line)
		}
		s.apart = append(s.apart, out.apart...)
		in = append(in, out.in...)
		replace[path] = s.write(dir, out.text)
		replace[filepath.Join(filepath.Dir(path), "tarn_mutant.go")] = s.write(dir, fmt.Appendf(nil, switched, out.pkg))
	}
	return s.overlay(dir, replace), in
}

// absolute is the path of a file of this repository.
func absolute(t *testing.T, name string) string {
	path, err := filepath.Abs(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// write writes a new file into a folder.
func (s *suite) write(dir string, text []byte) string {
	f, err := os.CreateTemp(dir, "*.go")
	if err == nil {
		_, err = f.Write(text)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return f.Name()
}

// overlay writes what go build takes as -overlay.
func (s *suite) overlay(dir string, replace map[string]string) string {
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.write(dir, text)
}

// trace runs each test without a mutant, to know which mutants it can miss.
func (s *suite) trace() {
	out, err := s.run(s.folder, nil, s.binary, "-test.list", cmp.Or(s.pattern, "."))
	if err != nil {
		s.t.Fatalf("the tests of %s: %v\n%s", s.folder, err, out)
	}
	dir := s.t.TempDir()
	for _, name := range strings.Fields(string(out)) {
		if name == s.t.Name() || !runs.MatchString(name) {
			continue
		}
		file := filepath.Join(dir, name)
		start := time.Now()
		out, err := s.run(s.folder, []string{"TARN_MUTANT=-1", "TARN_REACHED=" + file}, s.binary, "-test.run", "^"+name+"$")
		if err != nil {
			s.t.Errorf("%s of %s fails without a mutant: %v\n%s", name, s.folder, err, out)
			continue
		}
		test := traced{name: name, took: time.Since(start), reaches: map[int]bool{}}
		reached, _ := os.ReadFile(file) // there is none where it reaches nothing
		for _, n := range bytes.Fields(reached) {
			number, _ := strconv.Atoi(string(n))
			test.reaches[number] = true
		}
		s.tests = append(s.tests, test)
	}
	slices.SortFunc(s.tests, func(a, b traced) int { return cmp.Compare(a.took, b.took) })
}

// runs tells a test from a benchmark.
var runs = regexp.MustCompile(`^(Test|Fuzz|Example)`)

// quick is how long tests take that run together.
const quick = 5 * time.Second

// missing is what fails with a mutant, or nothing.
func (s *suite) missing(m mutant) string {
	var names []string
	var took time.Duration
	for i, test := range s.tests {
		if test.reaches[m.n] {
			names, took = append(names, test.name), took+test.took
		}
		if len(names) == 0 || took < quick && i < len(s.tests)-1 {
			continue
		}
		out, err := s.run(s.folder, []string{fmt.Sprint("TARN_MUTANT=", m.n)}, s.binary, "-test.failfast",
			fmt.Sprint("-test.timeout=", time.Minute+20*took), "-test.run", "^("+strings.Join(names, "|")+")$")
		if err != nil {
			return verdict(out, err)
		}
		names, took = nil, 0
	}
	return ""
}

// alone is missing for a mutant that is built by itself.
func (s *suite) alone(m mutant) (string, error) {
	dir, path := s.t.TempDir(), absolute(s.t, m.file)
	src, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	overlay := s.overlay(dir, map[string]string{
		path: s.write(dir, []byte(strings.Replace(string(src), m.line, m.without, 1))),
	})
	binary := filepath.Join(dir, "tests")
	if out, err := s.compile(overlay, binary); err != nil {
		return "", fmt.Errorf("does not build: %w\n%.500s", err, out)
	}
	out, err := s.run(s.folder, nil, binary, "-test.failfast", "-test.run", s.pattern)
	if err != nil {
		return verdict(out, err), nil
	}
	return "", nil
}

// verdict is the name of the test that failed, or what else happened.
func verdict(out []byte, err error) string {
	if name := failed.Find(out); name != nil {
		return string(name)
	}
	return fmt.Sprintf("%v: %.300s", err, out)
}

// failed is the name of a test that failed.
var failed = regexp.MustCompile(`--- FAIL: \S+`)

package packed_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/definition/packed"
	"github.com/tarnhealth/tarn/guide/guidetest"
)

func write(t *testing.T, line func(name string, content []byte) (string, error)) ([]byte, error) {
	t.Helper()
	in, out := filepath.Join(t.TempDir(), "in.tgz"), filepath.Join(t.TempDir(), "out.bin")
	archive := guidetest.Archive(t, "package/B-2.json", `{"b":2}`, "package/.index.json", `{}`, "package/A-1.json", `{"a":1}`, "package/C.txt", "text", "package/C-3.json", "{}")
	if err := os.WriteFile(in, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := packed.WriteLines(in, out, line); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

func TestLines(t *testing.T) {
	table, err := write(t, func(name string, content []byte) (string, error) {
		if strings.HasPrefix(name, "C") {
			return "", nil
		}
		return name + "\t" + string(content), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := packed.ReadLines(table, 2, func(parts [][]byte) { got = append(got, string(parts[0]), string(parts[1])) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"A-1.json", `{"a":1}`, "B-2.json", `{"b":2}`}, got); diff != "" {
		t.Error(diff)
	}
	if err := packed.ReadLines(table, 3, func([][]byte) {}); err == nil || !strings.Contains(err.Error(), "2 parts and not 3") {
		t.Errorf("lines of two parts were read as of three: %v", err)
	}
	if err := packed.ReadLines(table[:len(table)/2], 2, func([][]byte) {}); err == nil {
		t.Error("half a table was read")
	}
}

func TestErrorNamesFile(t *testing.T) {
	wrong := errors.New("wrong")
	if _, err := write(t, func(string, []byte) (string, error) { return "", wrong }); !errors.Is(err, wrong) || !strings.Contains(err.Error(), ".json") {
		t.Errorf("error %v does not name the file", err)
	}
	if _, err := packed.Files([]byte("no archive")); err == nil {
		t.Error("files were read of what is no archive")
	}
}

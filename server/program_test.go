package server

import (
	"os"
	"path/filepath"
	"testing"
)

func TestProgram(t *testing.T) {
	folder := t.TempDir()
	installed := filepath.Join(folder, "tarn")
	if err := os.WriteFile(installed, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder)
	for started, want := range map[string]string{
		"tarn":                           "tarn",
		installed:                        "tarn",
		"./tarn":                         "./tarn",
		"/tmp/go-build123/b001/exe/tarn": "go run ./cmd/tarn",
	} {
		if got := program(started); got != want {
			t.Errorf("program(%q) = %q, want %q", started, got, want)
		}
	}
}

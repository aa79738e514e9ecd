// Command pack makes a packed definition table from a release's published
// packages: hl7.fhir.r4.core and hl7.fhir.r4.expansions. The same packages
// always give the same table. It is run by "go generate ./definition".
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/tarnhealth/tarn/definition/internal/table"
	"github.com/tarnhealth/tarn/definition/packed"
)

func main() {
	in := flag.String("in", "", "folder with the package archives")
	out := flag.String("out", "r4.bin", "table to write")
	flag.Parse()
	if err := run(*in, *out); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	t, err := pack(in)
	if err != nil {
		return err
	}
	data, err := packed.Compress(table.Encode(t))
	if err != nil {
		return err
	}
	return os.WriteFile(out, data, 0o644)
}

// pack reads the archives in a folder into a table.
func pack(dir string) (*table.Table, error) {
	core, err := openArchive(dir, "hl7.fhir.r4.core-4.0.1.tgz")
	if err != nil {
		return nil, err
	}
	expansions, err := openArchive(dir, "hl7.fhir.r4.expansions.tgz")
	if err != nil {
		return nil, err
	}
	p := newPacker(core, expansions)
	for _, step := range []func() error{
		p.packTypes, p.packParams, p.packCompartments, p.packOperations, p.packValueSets, p.packCodeSystems,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &p.t, nil
}

// Command pack makes the table of R4's own StructureDefinitions of the published
// package.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition/packed"
)

// kept are the members of a StructureDefinition that mean something for
// validation; those of its elements are all but dropped.
var (
	kept = []string{
		"resourceType", "url", "version", "name", "status", "kind", "abstract", "type", "baseDefinition", "derivation",
		"context", "contextInvariant", "snapshot", "differential",
	}
	dropped = []string{
		"definition", "comment", "requirements", "short", "alias", "mapping", "example", "isSummary", "meaningWhenMissing",
		"orderMeaning", "condition", "isModifierReason", "extension", "representation", "code",
	}
)

type object = map[string]any

func main() {
	in := flag.String("in", "", "the package's archive (hl7.fhir.r4.core)")
	out := flag.String("out", "r4.bin", "table to write")
	flag.Parse()
	if err := packed.WriteLines(*in, *out, line); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// line is "url TAB json", of what a file of the package says. Extensions keep the
// differential, of which their snapshots are made, and others the snapshot.
func line(name string, content []byte) (string, error) {
	if !strings.HasPrefix(name, "StructureDefinition-") {
		return "", nil
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var d object
	if err := decoder.Decode(&d); err != nil {
		return "", err
	}
	if d["kind"] == "logical" {
		return "", nil
	}
	for name := range d {
		if !slices.Contains(kept, name) {
			delete(d, name)
		}
	}
	if d["type"] == "Extension" && d["derivation"] == "constraint" {
		delete(d, "snapshot")
	} else {
		delete(d, "differential")
	}
	for _, part := range []string{"snapshot", "differential"} {
		strip(d[part])
	}
	out, err := json.Marshal(d)
	return fmt.Sprintf("%s\t%s", d["url"], out), err
}

func strip(part any) {
	of, _ := part.(object)
	delete(of, "extension")
	elements, _ := of["element"].([]any)
	for _, e := range elements {
		element := e.(object)
		for _, name := range dropped {
			delete(element, name)
		}
		constraints, _ := element["constraint"].([]any)
		for _, c := range constraints {
			delete(c.(object), "xpath")
			delete(c.(object), "extension")
		}
		if b, ok := element["binding"].(object); ok {
			delete(b, "extension")
			delete(b, "description")
		}
	}
}

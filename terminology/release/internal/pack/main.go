// Command pack makes the packed table of code systems, value sets and concept
// maps from a release's published package. The same package always gives the
// same table. It is run by "go generate ./terminology/release".
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/tarnhealth/tarn/definition/packed"
)

func main() {
	in := flag.String("in", "", "the package's archive")
	out := flag.String("out", "r4.bin", "table to write")
	flag.Parse()
	if err := packed.WriteLines(*in, *out, line); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// kept are the elements that terminology operations need, by resource type.
var kept = map[string][]string{
	"CodeSystem": {"resourceType", "id", "url", "version", "name", "title", "status", "caseSensitive", "valueSet",
		"hierarchyMeaning", "content", "supplements", "property", "concept"},
	"ValueSet":   {"resourceType", "id", "url", "version", "name", "title", "status", "compose"},
	"ConceptMap": {"resourceType", "id", "url", "version", "name", "title", "status", "sourceUri", "targetUri", "sourceCanonical", "targetCanonical", "group"},
}

// line is "type TAB url TAB version TAB json", of what a file of the package says.
func line(name string, content []byte) (string, error) {
	if of, _, _ := strings.Cut(name, "-"); kept[of] == nil {
		return "", nil
	}
	var resource map[string]any
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	if err := decoder.Decode(&resource); err != nil {
		return "", err
	}
	of, _ := resource["resourceType"].(string)
	facts := map[string]any{}
	for _, name := range kept[of] {
		if value, ok := resource[name]; ok {
			facts[name] = withoutExtensions(value)
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(facts); err != nil {
		return "", err
	}
	url, _ := resource["url"].(string)
	version, _ := resource["version"].(string)
	return strings.Join([]string{of, url, version, strings.TrimSpace(b.String())}, "\t"), nil
}

// withoutExtensions drops what guides and publishing add.
func withoutExtensions(value any) any {
	switch value := value.(type) {
	case []any:
		for i := range value {
			value[i] = withoutExtensions(value[i])
		}
	case map[string]any:
		for name, inner := range value {
			if name == "extension" || strings.HasPrefix(name, "_") {
				delete(value, name)
				continue
			}
			value[name] = withoutExtensions(inner)
		}
	}
	return value
}

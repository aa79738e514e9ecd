package mutation

import (
	"errors"
	"hash/fnv"
	"os"

	"github.com/tarnhealth/tarn/fhir"
)

// Tried reports whether a run of a test tries a mutation: one of share by their
// names, the same ones each time, and all where the environment has TARN_BREAK=all.
func Tried(name string, share uint32) bool {
	if os.Getenv("TARN_BREAK") == "all" {
		return true
	}
	h := fnv.New32a()
	h.Write([]byte(name)) //nolint:errcheck // a hash does not fail
	return h.Sum32()%share == 0
}

// Issues are those of a resource: of reading it, where that fails, or of
// validating it. The tree is nil where reading failed.
func Issues(schema *fhir.Schema, resource []byte, validate func(*fhir.Tree) []fhir.Issue) (*fhir.Tree, []fhir.Issue) {
	tree, err := fhir.Parse(schema, resource, fhir.DefaultLimits)
	var broken *fhir.Error
	if errors.As(err, &broken) {
		return nil, broken.Issues
	}
	return tree, validate(tree)
}

// Each visits the values below a node.
func Each(n fhir.Node, visit func(fhir.Node)) {
	for c := n.First(); c.Exists(); c = c.Next() {
		visit(c)
		Each(c, visit)
	}
}

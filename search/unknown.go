package search

import (
	"maps"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// unknownParam is an error of KindInvalid that lenient handling turns into a
// warning.
func unknownParam(format string, args ...any) *fhir.Error {
	err := fhir.Errorf(fhir.KindInvalid, format, args...)
	err.Issues[0].Code = codeUnknown
	return err
}

// unknown is the error for a name that is no parameter of the type: with the
// names that look like it, and all there are.
func (r *Registry) unknown(resourceType, code string) *fhir.Error {
	var codes []string
	for _, c := range slices.Sorted(maps.Keys(r.byType[resourceType])) {
		if !strings.HasPrefix(c, "$") {
			codes = append(codes, c)
		}
	}
	near := "."
	if names := fhir.NearestNames(code, codes); len(names) > 0 {
		near = "; did you mean " + strings.Join(names, " or ") + "?"
	}
	return unknownParam("%q is not a search parameter of %s%s The parameters of %s are: %s",
		code, resourceType, near, resourceType, strings.Join(codes, ", "))
}

func sortedSet(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

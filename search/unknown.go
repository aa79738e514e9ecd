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
	if names := nearest(code, codes); len(names) > 0 {
		near = "; did you mean " + strings.Join(names, " or ") + "?"
	}
	return unknownParam("%q is not a search parameter of %s%s The parameters of %s are: %s",
		code, resourceType, near, resourceType, strings.Join(codes, ", "))
}

// nearest are up to three names that differ from name by few letters, or that
// begin with it, the nearest first.
func nearest(name string, names []string) []string {
	if len(name) > 100 {
		return nil // longer than any parameter's
	}
	type scored struct {
		name     string
		distance int
	}
	var near []scored
	for _, n := range names {
		d := fhir.EditDistance(strings.ToLower(name), strings.ToLower(n))
		if len(name) >= 3 && strings.HasPrefix(n, name) {
			d = min(d, 1)
		}
		if d <= 1+len(name)/4 {
			near = append(near, scored{n, d})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int { return a.distance - b.distance })
	var out []string
	for _, s := range near[:min(3, len(near))] {
		out = append(out, s.name)
	}
	return out
}

func sortedSet(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

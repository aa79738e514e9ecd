package fhir

import (
	"slices"
	"strings"
)

// Nearest is the name closest to what was written, "" where none is close: it
// is for messages that say what may have been meant.
func Nearest(written string, names []string) string {
	if len(written) > 64 {
		return ""
	}
	best, distance := "", 1+min(2, len(written)/3)
	for _, name := range names {
		if strings.EqualFold(name, written) {
			return name
		}
		if d := EditDistance(written, name); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// EditDistance is the Levenshtein distance of two names, in bytes.
func EditDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// NearestNames are up to three names that differ from name by few letters, or that
// begin with it, the nearest first.
func NearestNames(name string, names []string) []string {
	if len(name) > 100 {
		return nil // longer than any name that is looked for
	}
	type scored struct {
		name     string
		distance int
	}
	var near []scored
	for _, n := range names {
		d := EditDistance(strings.ToLower(name), strings.ToLower(n))
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

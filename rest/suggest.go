package rest

import "strings"

// nearest is the candidate that is spelled most like name, ignoring case, or
// "" where none is close (a third of its letters may differ).
func nearest(name string, candidates []string) string {
	best, bound := "", len(name)/3+1
	if len(name) > 64 {
		return ""
	}
	lower := strings.ToLower(name)
	for _, c := range candidates {
		if d := editDistance(lower, strings.ToLower(c)); d < bound || d == 0 {
			best, bound = c, d
		}
	}
	return best
}

// editDistance is the number of letters to insert, delete or replace to turn a
// into b.
func editDistance(a, b string) int {
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

package fhir

import "strings"

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

package patch

import (
	"bytes"

	"github.com/tarnhealth/tarn/fhir"
)

// equal compares two JSON values as RFC 6902 section 4.6 says: numbers by
// value, strings by characters, objects whatever the order of their members.
func equal(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	switch {
	case a[0] == '{' && b[0] == '{':
		return equalObjects(a, b)
	case a[0] == '[' && b[0] == '[':
		return equalArrays(a, b)
	case a[0] == '"' && b[0] == '"':
		return text(a) == text(b)
	case isNumber(a[0]) && isNumber(b[0]):
		x, errX := fhir.ParseDecimal(string(a))
		y, errY := fhir.ParseDecimal(string(b))
		return errX == nil && errY == nil && x.Compare(y) == 0
	}
	return false
}

func isNumber(c byte) bool { return c == '-' || '0' <= c && c <= '9' }

func equalObjects(a, b []byte) bool {
	left, right := members(a, 0), members(b, 0)
	if len(left) != len(right) {
		return false
	}
	for _, m := range left {
		i := named(right, m.name)
		if i < 0 || !equal(a[m.value:m.end], b[right[i].value:right[i].end]) {
			return false
		}
	}
	return true
}

func equalArrays(a, b []byte) bool {
	left, right := items(a, 0), items(b, 0)
	if len(left) != len(right) {
		return false
	}
	for i := range left {
		if !equal(a[left[i].start:left[i].end], b[right[i].start:right[i].end]) {
			return false
		}
	}
	return true
}

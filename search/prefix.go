package search

import (
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A prefix is how a query value of type number, date or quantity compares.
// http://hl7.org/fhir/R4/search.html#prefix
type prefix uint8

const (
	prefixEq prefix = iota
	prefixNe
	prefixGt
	prefixLt
	prefixGe
	prefixLe
	prefixSa // starts after
	prefixEb // ends before
	prefixAp // approximately
)

var prefixes = [...]string{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"}

// cutPrefix splits the prefix off a value; a value without one means eq.
func cutPrefix(value string) (prefix, string, error) {
	if value == "" || !isLetter(value[0]) {
		return prefixEq, value, nil
	}
	if len(value) >= 2 {
		for i, p := range prefixes {
			if value[:2] == p {
				return prefix(i), value[2:], nil
			}
		}
	}
	n := 0
	for n < len(value) && isLetter(value[n]) {
		n++
	}
	return 0, "", fhir.Errorf(fhir.KindInvalid, "%q is not a prefix; the prefixes are %s", value[:n], strings.Join(prefixes[:], ", "))
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

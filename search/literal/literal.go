// Package literal takes literal references apart: what Reference.reference, a
// canonical or a query's value names, as far as a search compares it.
//
// It leaves to others: references to contained resources, which no search by
// a reference finds, and what a reference may refer to (search).
//
// http://hl7.org/fhir/R4/references.html#literal
package literal

import (
	"bytes"

	"github.com/tarnhealth/tarn/search/chars"
)

// MaxURL is how many bytes of a URL a key has; of a longer one the rest is a
// hash.
const MaxURL = 1000

// A Reference is a literal reference taken apart. Its bytes are those of the
// text.
type Reference struct {
	// Type and ID are set for a resource of this data store.
	Type, ID []byte
	// URL is any other reference, without its version.
	URL []byte
	// Canonical is url|version, where the version is given so.
	Canonical []byte
	// Version is what follows /_history/.
	Version []byte
}

// None reports whether the reference names nothing: it is empty, or one to a
// contained resource.
func (r *Reference) None() bool { return len(r.ID) == 0 && len(r.URL) == 0 }

// AppendKey appends the key under which the reference is indexed.
func (r *Reference) AppendKey(dst []byte) []byte {
	if len(r.ID) > 0 {
		return AppendKey(dst, r.Type, r.ID)
	}
	return chars.AppendCapped(dst, r.URL, MaxURL)
}

// AppendKey appends the key of the reference Type/id: its text and a zero byte.
func AppendKey(dst, resourceType, id []byte) []byte {
	dst = append(append(dst, resourceType...), '/')
	return append(append(dst, id...), 0)
}

// ParseKey takes apart a key that AppendKey made; ok is false for the keys of
// other references (absolute URLs, canonicals).
func ParseKey(key []byte) (resourceType, id string, ok bool) {
	for i, c := range key {
		if c == '/' && len(key) > i+2 && key[len(key)-1] == 0 {
			id = string(key[i+1 : len(key)-1])
			for j := range len(id) {
				if id[j] == '/' || id[j] == ':' || id[j] == 0 {
					return "", "", false
				}
			}
			return string(key[:i]), id, i > 0 && key[0] >= 'A' && key[0] <= 'Z'
		}
		if c == ':' || c == 0 {
			return "", "", false
		}
	}
	return "", "", false
}

// Parse takes a reference apart; base is the data store's base URL.
func Parse(text []byte, base string) (r Reference) {
	if len(text) == 0 || text[0] == '#' || text[0] < ' ' {
		return r
	}
	if n := len(base); n > 0 && len(text) > n && text[n] == '/' && string(text[:n]) == base {
		text = text[n+1:]
	}
	if i := bytes.IndexByte(text, '#'); i > 0 {
		text = text[:i]
	}
	if i := bytes.Index(text, []byte("/_history/")); i > 0 {
		text, r.Version = text[:i], text[i+len("/_history/"):]
	}
	if resourceType, id, ok := bytes.Cut(text, []byte{'/'}); ok && isTypeName(resourceType) && IsID(id) {
		r.Type, r.ID = resourceType, id
		return r
	}
	r.URL = text
	if i := bytes.IndexByte(text, '|'); i > 0 {
		r.URL, r.Canonical = text[:i], text
	}
	return r
}

func isTypeName(s []byte) bool {
	if len(s) == 0 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for _, c := range s {
		if !isLetter(c) {
			return false
		}
	}
	return true
}

// IsID reports whether s is a logical id. http://hl7.org/fhir/R4/datatypes.html#id
func IsID(s []byte) bool {
	for _, c := range s {
		if !isLetter(c) && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 64
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

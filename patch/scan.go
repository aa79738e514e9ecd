package patch

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/tarnhealth/tarn/fhir"
)

// The functions of this file read JSON that is known to be valid.

// A span is a part of a text.
type span struct{ start, end int }

// A member is one member of an object: where its key, in quotes, begins and
// ends, and its value begins and ends.
type member struct {
	name                      string
	start, keyEnd, value, end int
}

func (m member) span() span { return span{m.start, m.end} }

func skipSpace(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\r' || b[at] == '\t') {
		at++
	}
	return at
}

// stringEnd is the offset after the string that begins at an offset.
func stringEnd(b []byte, at int) int {
	for at++; b[at] != '"'; at++ {
		if b[at] == '\\' {
			at++
		}
	}
	return at + 1
}

// valueEnd is the offset after the value that begins at an offset.
func valueEnd(b []byte, at int) int {
	depth := 0
	for {
		switch b[at] {
		case '"':
			at = stringEnd(b, at)
		case '{', '[':
			depth++
			at++
		case '}', ']':
			depth--
			at++
		case ',', ':', ' ', '\n', '\r', '\t':
			at++
		default:
			for at < len(b) && strings.IndexByte(",:]} \n\r\t", b[at]) < 0 {
				at++
			}
		}
		if depth == 0 {
			return at
		}
	}
}

// members are the members of the object at an offset.
func members(b []byte, at int) []member {
	var all []member
	for at = skipSpace(b, at+1); b[at] != '}'; {
		m := member{start: at, keyEnd: stringEnd(b, at)}
		m.name = text(b[m.start:m.keyEnd])
		m.value = skipSpace(b, skipSpace(b, m.keyEnd)+1)
		m.end = valueEnd(b, m.value)
		all = append(all, m)
		if at = skipSpace(b, m.end); b[at] == ',' {
			at = skipSpace(b, at+1)
		}
	}
	return all
}

// named is the index of the member with a name, -1 where there is none.
func named(all []member, name string) int {
	for i := range all {
		if all[i].name == name {
			return i
		}
	}
	return -1
}

// items are the items of the array at an offset.
func items(b []byte, at int) []span {
	var all []span
	for at = skipSpace(b, at+1); b[at] != ']'; {
		s := span{at, valueEnd(b, at)}
		all = append(all, s)
		if at = skipSpace(b, s.end); b[at] == ',' {
			at = skipSpace(b, at+1)
		}
	}
	return all
}

// text is the string that a JSON string stands for.
func text(quoted []byte) string {
	for _, c := range quoted {
		if c == '\\' {
			var s string
			_ = json.Unmarshal(quoted, &s) // it is known to be valid
			return s
		}
	}
	return string(quoted[1 : len(quoted)-1])
}

// readable reports whether a patch is JSON in UTF-8, and nested no deeper than
// a resource may be.
func readable(patch []byte) bool {
	if !json.Valid(patch) || !utf8.Valid(patch) { // RFC 8259 section 8.1
		return false
	}
	depth := 0
	for at := 0; at < len(patch); at++ {
		switch patch[at] {
		case '"':
			at = stringEnd(patch, at) - 1
		case '{', '[':
			if depth++; depth > fhir.DefaultLimits.Depth {
				return false
			}
		case '}', ']':
			depth--
		}
	}
	return true
}

// holdsEmpty reports whether a value has an empty object or array in it.
func holdsEmpty(value string) bool {
	b := []byte(value)
	for at := 0; at < len(b); {
		switch b[at] {
		case '"':
			at = stringEnd(b, at)
			continue
		case '{', '[':
			if next := skipSpace(b, at+1); b[next] == '}' || b[next] == ']' {
				return true
			}
		}
		at++
	}
	return false
}

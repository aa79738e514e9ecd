// Package glance owns what can be told of a resource in JSON at a glance, without
// reading it all: which resource it is, and what it refers to.
//
// It leaves to others: whether it is a resource (fhir).
package glance

import (
	"bytes"
	"iter"
)

// Name finds the resourceType and the id of a resource in JSON, without
// reading it all: the first members of these names at its top level. What it
// finds is good for telling which lines are about the same resource, no more:
// of what is no JSON, or written with escapes, it may find nothing.
func Name(src []byte) (resourceType, id string) {
	at := skipSpace(src, 0)
	if at >= len(src) || src[at] != '{' {
		return "", ""
	}
	at++
	for resourceType == "" || id == "" {
		at = skipSpace(src, at)
		name, next, ok := stringAt(src, at)
		if !ok {
			break
		}
		if next = skipSpace(src, next); next >= len(src) || src[next] != ':' {
			break
		}
		at = skipSpace(src, next+1)
		value, end, isText := stringAt(src, at)
		switch {
		case isText && string(name) == "resourceType":
			resourceType = string(value)
		case isText && string(name) == "id":
			id = string(value)
		}
		if !isText {
			end = skipValue(src, at)
		}
		if at = skipSpace(src, end); at >= len(src) || src[at] != ',' {
			break
		}
		at++
	}
	return resourceType, id
}

func skipSpace(src []byte, at int) int {
	for at < len(src) && (src[at] == ' ' || src[at] == '\t' || src[at] == '\r' || src[at] == '\n') {
		at++
	}
	return at
}

// stringAt is the string that begins at a place, as it is written, and where it
// ends.
func stringAt(src []byte, at int) (text []byte, end int, ok bool) {
	if at >= len(src) || src[at] != '"' {
		return nil, at, false
	}
	for i := at + 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			return src[at+1 : i], i + 1, true
		}
	}
	return nil, len(src), false
}

// skipValue is where a value that is no string ends.
func skipValue(src []byte, at int) int {
	depth := 0
	for at < len(src) {
		switch src[at] {
		case '"':
			_, end, ok := stringAt(src, at)
			if !ok {
				return len(src)
			}
			at = end
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return at
			}
			if depth--; depth == 0 {
				return at + 1
			}
		case ',':
			if depth == 0 {
				return at
			}
		default:
			if depth > 0 {
				next := bytes.IndexAny(src[at:], `"{}[]`)
				if next < 0 {
					return len(src)
				}
				at += next
				continue
			}
		}
		at++
	}
	return at
}

// References yields the values of all members named "reference", as they are
// written.
func References(src []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for rest := src; ; {
			at := bytes.Index(rest, []byte(`"reference"`))
			if at < 0 {
				return
			}
			rest = rest[at+len(`"reference"`):]
			at = skipSpace(rest, 0)
			if at >= len(rest) || rest[at] != ':' {
				continue
			}
			if value, _, ok := stringAt(rest, skipSpace(rest, at+1)); ok && !yield(string(value)) {
				return
			}
		}
	}
}

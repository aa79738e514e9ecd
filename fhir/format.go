package fhir

import "bytes"

// Compact appends valid JSON to dst without white space between its tokens.
// Strings and numbers stay byte for byte.
func Compact(dst, src []byte) []byte {
	for i := 0; i < len(src); {
		switch c := src[i]; c {
		case ' ', '\t', '\n', '\r':
			i++
		case '"':
			end := stringEnd(src, i)
			dst = append(dst, src[i:end]...)
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

// Indent appends valid JSON to dst with a line for each member and item and
// two spaces per level. Strings and numbers stay byte for byte.
func Indent(dst, src []byte) []byte {
	depth := 0
	opened := false // an object or array has begun and is empty so far
	for i := 0; i < len(src); {
		c := src[i]
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			i++
			continue
		}
		if closing := c == '}' || c == ']'; closing {
			depth--
			if !opened {
				dst = newLine(dst, depth)
			}
		} else if opened {
			dst = newLine(dst, depth)
		}
		opened = false
		if c == '"' {
			end := stringEnd(src, i)
			dst = append(dst, src[i:end]...)
			i = end
			continue
		}
		dst = append(dst, c)
		i++
		switch c {
		case '{', '[':
			depth++
			opened = true
		case ',':
			dst = newLine(dst, depth)
		case ':':
			dst = append(dst, ' ')
		}
	}
	return dst
}

func newLine(dst []byte, depth int) []byte {
	dst = append(dst, '\n')
	for range depth {
		dst = append(dst, ' ', ' ')
	}
	return dst
}

// stringEnd is the offset after the string whose opening quote is at start.
func stringEnd(src []byte, start int) int {
	for i := start + 1; i < len(src); {
		n := bytes.IndexAny(src[i:], `"\`)
		if n < 0 {
			break
		}
		if i += n; src[i] == '"' {
			return i + 1
		}
		i += 2
	}
	return len(src)
}

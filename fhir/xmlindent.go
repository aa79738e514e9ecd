package fhir

import "bytes"

// IndentXML appends XML as AppendXML writes it to dst, with a line for each
// element and two spaces per level. Tags and divs stay byte for byte; comments,
// processing instructions and an XML declaration are left out. What is not XML
// with elements alone is appended as it is.
func IndentXML(dst, src []byte) []byte {
	s := xmlScanner{src: src}
	if !s.begin() {
		return append(dst, src...)
	}
	out, inner := dst, false // inner: the innermost element has elements
	for {
		short := s.closing
		switch s.next() {
		case xmlStart:
			if len(s.open) > 1 {
				out = newLine(out, len(s.open)-1)
			}
			inner = false
			start, end := s.tag.start, s.tag.end
			if s.tag.space == xhtmlSpace {
				if !s.skip() {
					return append(dst, src...)
				}
				end, inner = s.at, true
			}
			out = append(out, src[start:end]...)
		case xmlEnd:
			if inner && !short {
				out = newLine(out, len(s.open))
			}
			if !short {
				out = append(out, src[bytes.LastIndexByte(src[:s.at], '<'):s.at]...)
			}
			inner = true
		case xmlDone:
			return out
		default:
			return append(dst, src...)
		}
	}
}

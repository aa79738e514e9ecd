package binary

import (
	"errors"
	"io"
	"strconv"
)

// unspelled reads the characters of base64 that is spelled as a JSON string:
// with escapes, and white space, which it leaves out.
type unspelled struct {
	from io.Reader
	// rest is what of an escape was read.
	rest []byte
	buf  [8 << 10]byte
}

var errEscape = errors.New("binary: an escape that is none")

// Read implements io.Reader.
func (u *unspelled) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, err := u.from.Read(u.buf[:min(len(u.buf), len(p))])
		out := 0
		for _, b := range u.buf[:n] {
			c, known, wrong := u.next(b)
			if wrong != nil {
				return out, wrong
			}
			if known && c != ' ' && c != '\t' && c != '\n' && c != '\r' {
				p[out] = c
				out++
			}
		}
		if out > 0 || err != nil {
			return out, err
		}
	}
}

// next takes a byte of the text, and returns the character that it completes.
func (u *unspelled) next(b byte) (c byte, known bool, err error) {
	if len(u.rest) == 0 && b != '\\' {
		return b, true, nil
	}
	u.rest = append(u.rest, b)
	switch {
	case len(u.rest) == 1, u.rest[1] == 'u' && len(u.rest) < 6:
		return 0, false, nil
	case u.rest[1] == 'u':
		n, err := strconv.ParseUint(string(u.rest[2:]), 16, 16)
		if u.rest = u.rest[:0]; err != nil || n > 0x7f {
			return 0, false, errEscape
		}
		return byte(n), true, nil
	}
	u.rest = u.rest[:0]
	if b == 'n' || b == 'r' || b == 't' {
		return ' ', true, nil
	}
	return b, true, nil
}

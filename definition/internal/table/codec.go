package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// magic opens every table; the digit is the version of the layout below.
const magic = "tarn definitions 2\n"

// A coder moves facts between a Table and bytes. Every layout function runs
// in both directions, so the writer and the reader cannot disagree. A body is
// a run of uvarints; strings are indexes into a string table that precedes it,
// so that each distinct string is stored, and later held in memory, once.
type coder struct {
	decoding bool
	body     []byte
	strings  []string
	index    map[string]int // while encoding
	err      error
}

// Encode is the table's binary form, uncompressed. The same table always
// gives the same bytes.
func Encode(t *Table) []byte {
	c := &coder{index: map[string]int{}}
	c.table(t)
	out := binary.AppendUvarint([]byte(magic), uint64(len(c.strings)))
	for _, s := range c.strings {
		out = binary.AppendUvarint(out, uint64(len(s)))
	}
	for _, s := range c.strings {
		out = append(out, s...)
	}
	return append(out, c.body...)
}

// Decode reads what Encode wrote. Strings of the table share one copy of data.
func Decode(data []byte) (*Table, error) {
	rest, ok := strings.CutPrefix(string(data), magic)
	if !ok {
		return nil, errors.New("definitions: not a definition table of this version")
	}
	body := data[len(magic):]
	c := &coder{decoding: true, body: body}
	lengths := make([]int, c.count())
	for i := range lengths {
		c.num(&lengths[i])
	}
	text := rest[len(body)-len(c.body):]
	c.strings = make([]string, len(lengths))
	for i, n := range lengths {
		if n > len(text) {
			return nil, errors.New("definitions: the string table is cut short")
		}
		c.strings[i], text = text[:n], text[n:]
	}
	c.body = c.body[len(c.body)-len(text):]
	t := new(Table)
	c.table(t)
	if c.err == nil && len(c.body) > 0 {
		c.err = fmt.Errorf("definitions: %d bytes follow the table", len(c.body))
	}
	return t, c.err
}

func (c *coder) num(n *int) {
	if !c.decoding {
		c.body = binary.AppendUvarint(c.body, uint64(*n))
		return
	}
	v, size := binary.Uvarint(c.body)
	if size <= 0 || v > 1<<31 {
		c.fail("a number is damaged or cut short")
		return
	}
	c.body, *n = c.body[size:], int(v)
}

// count reads the length of a list: never more than the bytes that are left,
// as every item takes at least one.
func (c *coder) count() int {
	var n int
	c.num(&n)
	if n > len(c.body) {
		c.fail("a list is longer than the table")
		return 0
	}
	return n
}

func (c *coder) fail(what string) {
	if c.err == nil {
		c.err = fmt.Errorf("definitions: %s, %d bytes before the end", what, len(c.body))
	}
	c.body = nil
}

func (c *coder) str(fields ...*string) {
	for _, s := range fields {
		if c.decoding {
			var at int
			if c.num(&at); at < len(c.strings) {
				*s = c.strings[at]
			} else {
				c.fail("a string is not in the string table")
			}
			continue
		}
		at, ok := c.index[*s]
		if !ok {
			at = len(c.strings)
			c.index[*s] = at
			c.strings = append(c.strings, *s)
		}
		c.num(&at)
	}
}

// flags packs up to eight booleans into one number.
func (c *coder) flags(fields ...*bool) {
	var bits int
	for i, f := range fields {
		if *f {
			bits |= 1 << i
		}
	}
	c.num(&bits)
	for i, f := range fields {
		*f = bits>>i&1 == 1
	}
}

// list codes a slice, item by item; an empty one decodes to nil.
func list[T any](c *coder, items *[]T, item func(*T)) {
	n := len(*items)
	if !c.decoding {
		c.num(&n)
	} else if n = c.count(); n > 0 {
		*items = make([]T, n)
	}
	for i := range *items {
		if c.err != nil {
			return
		}
		item(&(*items)[i])
	}
}

func (c *coder) texts(items *[]string) { list(c, items, func(s *string) { c.str(s) }) }

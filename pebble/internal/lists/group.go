package lists

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
)

// GroupTag is the first byte of a group's key in files.
//
// A group is the union of the lists of all keys that begin alike, so that a
// range of values does not read a list for each value and segment. Groups are
// written with the lists of sealed docs; heads have none. The key of a group is
// its param, the level, the beginning of the keys, and the segment. A level is
// a number of half-bytes. Keys shorter than that are padded with zeros.
const GroupTag = 'h'

// Layout numbers what is written beside the lists themselves. An index of
// another layout is made anew.
const Layout = 1

// A Grouping says at which levels the keys of a param are grouped. The levels
// of a param may depend on the first byte of its keys.
type Grouping uint8

// The groupings, by the kinds of keys that package search makes.
const (
	// Ungrouped params are asked for by whole keys.
	Ungrouped Grouping = iota
	// Dates have a byte and eight bytes of microseconds: groups of 9 years,
	// 203 days and 13 days.
	Dates
	// Numbers have a sign, two bytes of magnitude and pairs of digits: groups
	// by magnitude and by the first two digits.
	Numbers
	// Quantities have a byte and a number, or a byte, a hash and a number.
	Quantities
	// Strings are asked for by their beginnings: groups of one to three bytes.
	Strings
)

var (
	dateLevels     = []int{6, 7, 8}
	numberLevels   = []int{6, 8}
	quantityLevels = []int{8, 10}
	inBaseLevels   = []int{24, 26}
	stringLevels   = []int{2, 4, 6}
)

// levels are those of the keys with a first byte, coarsest first.
func (g Grouping) levels(first byte) []int {
	switch {
	case g == Dates:
		return dateLevels
	case g == Numbers:
		return numberLevels
	case g == Quantities && first == 0:
		return quantityLevels
	case g == Quantities && first == 2:
		return inBaseLevels
	case g == Strings && first != 0:
		return stringLevels
	}
	return nil
}

// appendPrefix appends the first half-bytes of a key, in whole bytes.
func appendPrefix(b, key []byte, level int) []byte {
	n := (level + 1) / 2
	start := len(b)
	b = append(b, key[:min(n, len(key))]...)
	for len(b) < start+n {
		b = append(b, 0)
	}
	if level%2 == 1 {
		b[len(b)-1] &= 0xf0
	}
	return b
}

// nextPrefix is the beginning behind one of a level; ok is false behind the
// last.
func nextPrefix(prefix []byte, level int) (next []byte, ok bool) {
	next = bytes.Clone(prefix)
	step := byte(1)
	if level%2 == 1 {
		step = 16
	}
	for i := len(next) - 1; i >= 0; i-- {
		next[i] += step
		if next[i] != 0 {
			return next, true
		}
		step = 1
	}
	return nil, false
}

// groupKey is the key of a group of a segment.
func groupKey(b []byte, param uint16, level int, prefix []byte, segment uint16) []byte {
	b = append(b, GroupTag, byte(param>>8), byte(param), byte(level))
	b = append(b, prefix...)
	return binary.BigEndian.AppendUint32(b, uint32(segment))
}

// groupHead is the length of a group's key before the beginning of its keys.
const groupHead = 4

// GroupBounds are the bounds of all groups of a param.
func GroupBounds(param uint16) (lower, upper []byte) {
	lower, upper = Bounds(param)
	lower[0] = GroupTag
	if param == 1<<16-1 {
		return lower, []byte{GroupTag + 1}
	}
	upper[0] = GroupTag
	return lower, upper
}

// Groups calls fn with the keys of the groups that a doc is in by one of its
// keys.
func (g Grouping) Groups(param uint16, key []byte, segment uint16, fn func(groupKey []byte)) {
	if len(key) == 0 {
		return
	}
	for _, level := range g.levels(key[0]) {
		fn(groupKey(nil, param, level, appendPrefix(nil, key, level), segment))
	}
}

// A piece is a part of a range: the groups of a level with beginnings from From
// up to To, or, at level 0, keys.
type piece struct {
	level int
	span  search.Span
}

// pieces takes a range of keys apart into groups, as far as they lie in it
// whole, and the keys before and behind.
func (g Grouping) pieces(span search.Span) []piece {
	levels := g.levelsOf(span)
	if len(levels) == 0 {
		return []piece{{span: span}}
	}
	finest := levels[len(levels)-1]
	from, to, ok := inside(span, finest)
	if !ok {
		return []piece{{span: span}}
	}
	list := appendLevel(nil, 0, search.Span{From: span.From, To: bytes.TrimRight(from, "\x00")})
	list = appendGroups(list, levels, search.Span{From: from, To: to})
	if to != nil {
		list = appendLevel(list, 0, search.Span{From: bytes.TrimRight(to, "\x00"), To: span.To})
	}
	return list
}

// levelsOf are the levels of all keys in a range, none where they differ.
func (g Grouping) levelsOf(span search.Span) []int {
	switch {
	case g == Numbers:
		return numberLevels
	case len(span.From) == 0:
		return nil
	case g == Dates && span.To == nil || g == Strings && span.To == nil:
	case len(span.To) == 0:
		return nil
	case span.To[0] != span.From[0] && !(len(span.To) == 1 && span.To[0] == span.From[0]+1):
		return nil
	}
	return g.levels(span.From[0])
}

// inside are the groups of a level that lie in a range of keys whole.
func inside(span search.Span, level int) (from, to []byte, ok bool) {
	from = appendPrefix(nil, span.From, level)
	if bytes.Compare(bytes.TrimRight(from, "\x00"), span.From) < 0 {
		if from, ok = nextPrefix(from, level); !ok {
			return nil, nil, false
		}
	}
	if span.To == nil {
		return from, nil, true
	}
	to = appendPrefix(nil, span.To, level)
	return from, to, bytes.Compare(from, to) < 0
}

// appendGroups takes groups of the finest level together to those of coarser
// ones.
func appendGroups(list []piece, levels []int, span search.Span) []piece {
	n := len(levels) - 1
	if n == 0 {
		return appendLevel(list, levels[n], span)
	}
	// Groups are bounds of keys when they have no zeros at their end.
	from, to, ok := inside(search.Span{From: bytes.TrimRight(span.From, "\x00"), To: span.To}, levels[n-1])
	if !ok {
		return appendLevel(list, levels[n], span)
	}
	list = appendLevel(list, levels[n], search.Span{From: span.From, To: appendPrefix(nil, from, levels[n])})
	list = appendGroups(list, levels[:n], search.Span{From: from, To: to})
	if to != nil {
		list = appendLevel(list, levels[n], search.Span{From: appendPrefix(nil, to, levels[n]), To: span.To})
	}
	return list
}

func appendLevel(list []piece, level int, span search.Span) []piece {
	if span.To != nil && bytes.Compare(span.From, span.To) >= 0 {
		return list
	}
	return append(list, piece{level, span})
}

// gatherGroups adds the docs of groups, from files.
func (t *Reader) gatherGroups(into posting.Into, param uint16, p piece, only *Segments) error {
	it, err := t.iterator(GroupTag)
	if err != nil {
		return err
	}
	head := []byte{GroupTag, byte(param >> 8), byte(param), byte(p.level)}
	skip := skipper{only: only}
	for ok := it.SeekGE(append(bytes.Clone(head), p.span.From...)); ok; {
		key := it.Key()
		if !bytes.HasPrefix(key, head) {
			break
		}
		if p.span.To != nil && bytes.Compare(key[groupHead:len(key)-4], p.span.To) >= 0 {
			break
		}
		if err := t.pass(); err != nil {
			return err
		}
		segment := uint16(binary.BigEndian.Uint32(key[len(key)-4:]))
		wanted := only.has(segment)
		if wanted {
			if err := into.Add(segment, it.Value()); err != nil {
				return err
			}
		}
		ok = skip.next(it, wanted, segment)
	}
	return it.Error()
}

// A grouper collects the groups of one param and level while its keys pass in
// order.
type grouper struct {
	level  int
	prefix []byte
	docs   []posting.Doc
	flush  func(prefix []byte, docs []posting.Doc) error
}

// add takes the docs of a key, after it has flushed the group before where the
// key begins another.
func (g *grouper) add(p posting.Posting) error {
	var buf [32]byte
	if prefix := appendPrefix(buf[:0], p.Key, g.level); !bytes.Equal(prefix, g.prefix) {
		if err := g.end(); err != nil {
			return err
		}
		g.prefix = append(g.prefix[:0], prefix...)
	}
	g.docs = append(g.docs, p.Docs()...)
	return nil
}

func (g *grouper) end() error {
	if len(g.docs) == 0 {
		return nil
	}
	slices.Sort(g.docs)
	err := g.flush(g.prefix, slices.Compact(g.docs))
	g.docs = g.docs[:0]
	return err
}

// writeGroups writes the groups of a param's keys, level by level: files want
// their keys in order.
func (r *Run) writeGroups(param uint16, grouping Grouping, h *posting.HeadParam) error {
	var levels []int
	for _, first := range []byte{0, 1, 2} {
		levels = append(levels, grouping.levels(first)...)
	}
	slices.Sort(levels)
	for _, level := range slices.Compact(levels) {
		if err := r.writeLevel(param, grouping, level, h); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) writeLevel(param uint16, grouping Grouping, level int, h *posting.HeadParam) (err error) {
	g := grouper{level: level, flush: func(prefix []byte, docs []posting.Doc) error {
		return r.write(docs, func(segment uint16) []byte { return groupKey(r.key[:0], param, level, prefix, segment) })
	}}
	h.Snapshot().Scan(func(found posting.Posting) bool {
		if len(found.Key) > 0 && slices.Contains(grouping.levels(found.Key[0]), level) {
			err = g.add(found)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	return g.end()
}

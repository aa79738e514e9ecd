package main

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"math"
	"slices"

	"github.com/klauspost/compress/s2"
)

const (
	// maxSize is what S2 can look back over from the start of a body.
	maxSize = s2.MaxDictSize
	// gram is the length of the strings whose frequency counts: S2's fast
	// encoder finds a match by 6 equal bytes and pays up to 3 for naming it.
	gram = 8
	// piece is how much is taken over at a time: longer ones carry bytes that
	// few bodies have, shorter ones cut matches.
	piece = 192
	// stride is the distance between the places where a piece can begin.
	stride = 32
	// tableBits is the size of the frequency table.
	tableBits = 22
)

// A sample is one body and how much it counts.
type sample struct {
	json   []byte
	weight float64
}

// A builder chooses the pieces that most samples share.
type builder struct {
	samples []sample
	// worth is, by the hash of a gram, the weight of the samples that have it,
	// and 0 once it is in the dictionary.
	worth []float32
	// seen is, by the hash of a gram, the look that met it last.
	seen  []uint32
	looks uint32
}

// A candidate is a place in a sample, with what it was worth when looked at
// last: since others were chosen it can only have become less.
type candidate struct {
	sample, start int
	worth         float64
}

// build makes a dictionary of at most size bytes that begins with fixed. What
// is worth most comes last: where two strings fall into one slot of the
// encoder's table, the later one stays.
func build(fixed []byte, samples []sample, size int) []byte {
	b := &builder{samples: samples, worth: make([]float32, 1<<tableBits), seen: make([]uint32, 1<<tableBits)}
	b.count()
	b.cover(fixed)
	var pieces [][]byte
	left := size - len(fixed)
	for queue := b.candidates(); left > 0 && len(queue) > 0; {
		best := &queue[0]
		if now := b.score(best); now < best.worth {
			best.worth = now
			heap.Fix(&queue, 0)
			continue
		}
		if best.worth == 0 {
			break
		}
		chosen := b.bytes(best)
		chosen = chosen[:min(left, len(chosen))]
		b.cover(chosen)
		pieces = append(pieces, chosen)
		left -= len(chosen)
		heap.Pop(&queue)
	}
	slices.Reverse(pieces)
	return slices.Concat(append([][]byte{fixed}, pieces...)...)
}

// count adds up the worth of all grams, each once for each sample.
func (b *builder) count() {
	for _, s := range b.samples {
		b.looks++
		for at := range grams(s.json) {
			if h := hash(s.json[at:]); b.seen[h] != b.looks {
				b.seen[h] = b.looks
				b.worth[h] += float32(s.weight)
			}
		}
	}
	// What one sample alone has is its ids and dates.
	alone := 2 * float32(b.lightest())
	for h := range b.worth {
		if b.worth[h] < alone {
			b.worth[h] = 0
		}
	}
}

func (b *builder) lightest() float64 {
	return slices.MinFunc(b.samples, func(a, b sample) int { return cmp.Compare(a.weight, b.weight) }).weight
}

func (b *builder) cover(chosen []byte) {
	for at := range grams(chosen) {
		b.worth[hash(chosen[at:])] = 0
	}
}

func (b *builder) bytes(c *candidate) []byte {
	json := b.samples[c.sample].json
	return json[c.start:min(c.start+piece, len(json))]
}

// score is the worth of a candidate's grams per byte, each once.
func (b *builder) score(c *candidate) float64 {
	text := b.bytes(c)
	total := 0.0
	b.looks++
	for at := range grams(text) {
		if h := hash(text[at:]); b.worth[h] != 0 && b.seen[h] != b.looks {
			b.seen[h] = b.looks
			total += float64(b.worth[h])
		}
	}
	return total / math.Max(float64(len(text)), gram)
}

func (b *builder) candidates() queue {
	var q queue
	for i, s := range b.samples {
		for start := 0; start+gram <= len(s.json); start += stride {
			c := candidate{sample: i, start: start}
			c.worth = b.score(&c)
			q = append(q, c)
		}
	}
	heap.Init(&q)
	return q
}

// grams is the number of grams in a text.
func grams(text []byte) int { return max(0, len(text)-gram+1) }

func hash(text []byte) uint32 {
	return uint32(binary.LittleEndian.Uint64(text) * 0x9E3779B185EBCA87 >> (64 - tableBits))
}

// A queue has the candidate that is worth most first; ties go by place, so
// that the result is always the same.
type queue []candidate

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q queue) Less(i, j int) bool {
	if q[i].worth != q[j].worth {
		return q[i].worth > q[j].worth
	}
	return cmp.Or(cmp.Compare(q[i].sample, q[j].sample), cmp.Compare(q[i].start, q[j].start)) < 0
}
func (q *queue) Push(c any) { *q = append(*q, c.(candidate)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

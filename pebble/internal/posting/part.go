package posting

import "slices"

// A Part is the docs of one segment, of which single ones are asked for. The
// others of what it takes are passed over.
type Part struct {
	Segment uint16

	docs   gathered
	sorted bool
}

// Add implements Into.
func (p *Part) Add(segment uint16, container []byte) (err error) {
	if segment != p.Segment {
		return nil
	}
	if p.docs.words == nil && len(p.docs.lows)+len(container)/2 > maxLows {
		p.docs.spill()
	}
	if p.docs.words != nil {
		return p.docs.words.addContainer(container)
	}
	p.sorted = false
	p.docs.lows, err = Read(p.docs.lows, container)
	return err
}

// AddDocs implements Into.
func (p *Part) AddDocs(docs []Doc) {
	from, _ := slices.BinarySearch(docs, Doc(p.Segment)<<SegmentBits)
	for _, d := range docs[from:] {
		switch {
		case d.Segment() != p.Segment:
			return
		case p.docs.words != nil:
			p.docs.words.add(uint16(d))
			continue
		}
		p.sorted = false
		if p.docs.lows = append(p.docs.lows, uint16(d)); len(p.docs.lows) > maxLows {
			p.docs.spill()
		}
	}
}

// Has reports whether a doc of the segment was added.
func (p *Part) Has(d Doc) bool {
	if p.docs.words != nil {
		return p.docs.words.has(uint16(d))
	}
	if !p.sorted {
		slices.Sort(p.docs.lows)
		p.sorted = true
	}
	_, found := slices.BinarySearch(p.docs.lows, uint16(d))
	return found
}

// Free gives memory back. The part is not used any more.
func (p *Part) Free() { p.docs.free() }

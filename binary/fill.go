package binary

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"errors"
	"hash"
	"io"
	"sync"

	"github.com/tarnhealth/tarn/fhir"
)

// A Filler puts contents into what is sent: versions that are read with its
// context keep their stand-ins, and what is written through it gets the contents
// in their place, piece by piece. So an answer takes the same memory however
// large the contents are. Only stand-ins of versions that were read with the
// context count. It is safe for concurrent use.
type Filler struct {
	// Progress, where not nil, is called for each piece that is sent.
	Progress func()

	mu    sync.Mutex
	known map[string]source
}

type fillerKey struct{}

// With is a context whose reads leave contents to the Filler.
func With(ctx context.Context, f *Filler) context.Context {
	return context.WithValue(ctx, fillerKey{}, f)
}

// Whole is a context whose reads give contents back in memory.
func Whole(ctx context.Context) context.Context {
	return context.WithValue(ctx, fillerKey{}, (*Filler)(nil))
}

// Fills reports whether a context has a Filler.
func Fills(ctx context.Context) bool { return fillerOf(ctx) != nil }

func fillerOf(ctx context.Context) *Filler {
	f, _ := ctx.Value(fillerKey{}).(*Filler)
	return f
}

// know notes the stand-ins of a version that was read.
func (f *Filler) know(c *Contents, of Owner, found []place) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil {
		f.known = map[string]source{}
	}
	for i := range found {
		f.known[found[i].text()] = source{found[i].StandIn, of, c}
	}
}

// source is the content that a text stands for.
func (f *Filler) source(text []byte) (source, bool) {
	if f == nil || len(text) != standInSize {
		return source{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.known[string(text)]
	return s, ok
}

// Reset forgets what was read.
func (f *Filler) Reset() {
	if f.Armed() {
		f.mu.Lock()
		defer f.mu.Unlock()
		clear(f.known)
	}
}

// Armed reports whether there is anything to put in.
func (f *Filler) Armed() bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.known) > 0
}

// Size is how long a text will be with the contents in it.
func (f *Filler) Size(text []byte) int64 {
	n := int64(len(text))
	for {
		i := bytes.Index(text, []byte(beginning))
		if i < 0 {
			return n
		}
		text = text[i:]
		if s, ok := f.source(text[:min(len(text), standInSize)]); ok {
			n += s.length() - int64(standInSize)
		}
		text = text[len(beginning):]
	}
}

// Writer fills in what is written to it; xml says that it is XML and no JSON.
// Close writes what is held back, and does not close to.
func (f *Filler) Writer(ctx context.Context, to io.Writer, xml bool) io.WriteCloser {
	return &writer{ctx: context.WithoutCancel(ctx), filler: f, to: to, xml: xml}
}

type writer struct {
	ctx    context.Context
	filler *Filler
	to     io.Writer
	xml    bool
	// tail may be the beginning of a stand-in.
	tail []byte
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	text := p
	if len(w.tail) > 0 {
		text = append(w.tail, p...)
		w.tail = nil
	}
	for {
		at := bytes.Index(text, []byte(beginning))
		if at < 0 {
			at = len(text) - begun(text)
			w.tail = bytes.Clone(text[at:])
			return len(p), w.send(text[:at])
		}
		if err := w.send(text[:at]); err != nil {
			return 0, err
		}
		if text = text[at:]; len(text) < standInSize {
			w.tail = bytes.Clone(text)
			return len(p), nil
		}
		filled, err := w.fill(text[:standInSize])
		if err != nil {
			return 0, err
		}
		if filled {
			text = text[standInSize:]
			continue
		}
		if err := w.send(text[:1]); err != nil {
			return 0, err
		}
		text = text[1:]
	}
}

// begun is how many bytes at the end of a text may begin a stand-in.
func begun(text []byte) int {
	for n := min(len(text), len(beginning)-1); n > 0; n-- {
		if string(text[len(text)-n:]) == beginning[:n] {
			return n
		}
	}
	return 0
}

func (w *writer) send(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_, err := w.to.Write(text)
	return err
}

// fill writes the content of a stand-in, if it is one.
func (w *writer) fill(text []byte) (bool, error) {
	s, ok := w.filler.source(text)
	if !ok {
		return false, nil
	}
	to := io.Writer(progressing{w.to, w.filler.Progress})
	if w.xml && s.Form == Spelled {
		return true, w.fillXML(to, &s)
	}
	err := s.contents.spellOut(w.ctx, to, s.of, &s.StandIn)
	var own *fhir.Error
	if errors.As(err, &own) {
		// The answer is on its way, so that nobody else can be told.
		s.contents.opt.Logger.Error("a content could not be sent to its end", "store", s.contents.opt.Store, "error", err)
	}
	return true, err
}

// Close implements io.Closer.
func (w *writer) Close() error {
	err := w.send(w.tail)
	w.tail = nil
	return err
}

type progressing struct {
	to   io.Writer
	tell func()
}

func (p progressing) Write(b []byte) (int, error) {
	if p.tell != nil {
		p.tell()
	}
	return p.to.Write(b)
}

func newSums256() hash.Hash { return sha256.New() }

// fillXML writes text that was spelled in JSON, which came in one resource and
// so is held in memory once more.
func (w *writer) fillXML(to io.Writer, s *source) error {
	quoted := appender{[]byte{'"'}}
	if err := s.contents.spellOut(w.ctx, &quoted, s.of, &s.StandIn); err != nil {
		return err
	}
	var text string
	if err := json.Unmarshal(append(quoted.b, '"'), &text); err != nil {
		return unreadable(s.of, err)
	}
	return xml.EscapeText(to, []byte(text))
}

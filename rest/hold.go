package rest

import "net/http"

// held keeps back the end of a response until release: a small response as a
// whole, its status too, and of a large one the last piece. So nothing is
// complete at the client before what was done is recorded.
type held struct {
	http.ResponseWriter
	status int
	buf    *[]byte // pooled
	begun  bool    // something was sent
	// ready has the whole response, to be sent; nil where it was not prepared.
	ready preparer
}

// A preparer is an http.ResponseWriter that can put a whole response together
// before it may be sent. Those of server/wire are.
type preparer interface {
	// Prepare sends nothing. It reports false, and changes nothing, where it
	// cannot. The body must stay as it is until SendPrepared.
	Prepare(status int, body []byte) bool
	// Unprepare takes that back.
	Unprepare()
	SendPrepared() error
}

// holdSize is how much is kept back at most, beside one piece that is larger.
const holdSize = 64 << 10

// WriteHeader keeps the status.
func (w *held) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write keeps a piece of the body, and sends those before where they are many.
func (w *held) Write(b []byte) (int, error) {
	if w.buf == nil {
		return 0, http.ErrHandlerTimeout
	}
	w.WriteHeader(http.StatusOK)
	if len(*w.buf) > 0 && len(*w.buf)+len(b) > holdSize {
		if err := w.send(); err != nil {
			return 0, err
		}
	}
	*w.buf = append(*w.buf, b...)
	return len(b), nil
}

func (w *held) send() error {
	if !w.begun {
		w.begun = true
		w.ResponseWriter.WriteHeader(w.status)
	}
	_, err := w.ResponseWriter.Write(*w.buf)
	*w.buf = (*w.buf)[:0]
	return err
}

// prepare puts the response together, of which all is here, while that is at
// hand: after the wait for its record it is not any more. It must not be called
// for a response that failed half-way, which would seem to be whole.
func (w *held) prepare() {
	if p, ok := w.ResponseWriter.(preparer); ok && !w.begun && w.status != 0 && p.Prepare(w.status, *w.buf) {
		w.ready = p
	}
}

// release sends what is left. Nothing may be written afterwards. It gives no
// length, though it may have the whole body: a response that fails half-way is
// released too and then cut off, and must not seem to be complete.
func (w *held) release() error {
	var err error
	switch {
	case w.buf == nil:
		return nil // it was released
	case w.ready != nil:
		err = w.ready.SendPrepared()
	case len(*w.buf) > 0:
		err = w.send()
	case w.status != 0 && !w.begun:
		w.ResponseWriter.WriteHeader(w.status)
	}
	putBuffer(w.buf)
	w.buf = nil
	return err
}

// discard forgets the response where nothing of it was sent; ok is false where
// it is too late.
func (w *held) discard() (ok bool) {
	if w.begun {
		return false
	}
	if w.ready != nil {
		w.ready.Unprepare()
		w.ready = nil
	}
	*w.buf, w.status = (*w.buf)[:0], 0
	for _, name := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Location", "Content-Location"} {
		w.Header().Del(name)
	}
	return true
}

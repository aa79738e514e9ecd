package wire

import "errors"

// errPrepared is for a handler that writes more to a whole response.
var errPrepared = errors.New("wire: the response is whole")

// Prepare puts a whole response together and sends nothing of it, so that its
// handler may wait until it can be sent, and then has nearly nothing to do. The
// body must stay as it is until SendPrepared. Prepare reports false, and changes
// nothing, where something was written before or the body has not the length
// that the header tells.
func (w *response) Prepare(status int, body []byte) bool {
	if w.status != 0 || w.failed != nil || status < 200 {
		return false
	}
	w.WriteHeader(status)
	w.written, w.prepared = int64(len(body)), true
	switch {
	case w.bare():
		body = nil
	case w.length >= 0 && w.length != w.written && !w.toHead():
		w.Unprepare()
		return false
	}
	if w.frame(body, true); w.toHead() {
		body = nil
	}
	if len(*w.out)+len(body) <= bufferSize {
		*w.out, body = append(*w.out, body...), nil
	}
	w.whole = body
	return true
}

// Unprepare takes back what was prepared. Another response can be written then.
func (w *response) Unprepare() {
	if !w.prepared {
		return
	}
	putBuffer(w.out)
	w.out, w.whole, w.prepared = nil, nil, false
	w.status, w.length, w.written = 0, -1, 0
	w.framed, w.typed = false, false
}

// SendPrepared sends what was prepared.
func (w *response) SendPrepared() error {
	if !w.prepared || w.sent {
		return errPrepared
	}
	w.sent = true
	w.send(*w.out, w.whole)
	w.whole = nil
	return w.failed
}

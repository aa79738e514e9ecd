package rest

import (
	"encoding/binary"
	"errors"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// pageParam is the query parameter that makes a link the link of a page.
const pageParam = "_page"

// A pageToken says where a page begins. It is sent sealed (datastore.Cursors),
// for one search of one caller, as
//
//	kind(1) T(8, big-endian) number(uvarint) cursors
//
// where each cursor is its length (uvarint) and its bytes.
type pageToken struct {
	kind byte
	t    store.T
	// number counts the pages before this one.
	number int
	// cursors are where this page begins, and the ones before it, the nearest
	// first: of a search store.Page.After, of a history a store.T. They end at
	// the first page, or where there are too many.
	cursors [][]byte
}

const (
	pageOfSearch  byte = 1 // t is the view's time
	pageOfHistory byte = 2 // t is 0
)

const (
	tokenHead = 9
	// maxCursors bounds the bytes that a token has of earlier pages.
	maxCursors = 600
)

// next is the token of the page after p, which begins at cursor.
func (p pageToken) next(cursor []byte) pageToken {
	n := pageToken{kind: p.kind, t: p.t, number: p.number + 1, cursors: [][]byte{cursor}}
	size := 0
	for _, c := range p.cursors {
		if size += len(c) + 1; size > maxCursors {
			break
		}
		n.cursors = append(n.cursors, c)
	}
	return n
}

// previous is the token of the page before p. ok is false where p is the first
// page or the token reaches no further back.
func (p pageToken) previous() (before pageToken, ok bool) {
	if p.number == 0 || p.number > 1 && len(p.cursors) < 2 {
		return p, false
	}
	before = pageToken{kind: p.kind, t: p.t, number: p.number - 1}
	if p.number > 1 {
		before.cursors = p.cursors[1:]
	}
	return before, true
}

// cursor is where the page begins; nil for the first.
func (p pageToken) cursor() []byte {
	if len(p.cursors) == 0 {
		return nil
	}
	return p.cursors[0]
}

// makeToken encodes a page token; of names what the page belongs to: the path
// and the canonical query.
func makeToken(cursors datastore.Cursors, p pageToken, of string) string {
	b := binary.BigEndian.AppendUint64([]byte{p.kind}, uint64(p.t))
	b = binary.AppendUvarint(b, uint64(p.number))
	for _, c := range p.cursors {
		b = append(binary.AppendUvarint(b, uint64(len(c))), c...)
	}
	return cursors.Seal(of, b)
}

// parseToken decodes a token and checks that it is one that makeToken made.
func parseToken(cursors datastore.Cursors, text string, kind byte, of string) (pageToken, error) {
	body, err := cursors.Open(of, text)
	switch {
	case errors.Is(err, datastore.ErrCursorCaller):
		return pageToken{}, fhir.Errorf(fhir.KindForbidden, "this page link was made for another caller; repeat the search without %s", pageParam).At("http." + pageParam)
	case err != nil, len(body) <= tokenHead, body[0] != kind:
		return pageToken{}, fhir.Errorf(fhir.KindInvalid, "this page link was not made by this server for this search, or was changed; follow the link of a Bundle as it is, or repeat the search without %s", pageParam).At("http." + pageParam)
	}
	return readToken(body), nil
}

// cursors are those of the request's caller.
func (r *request) cursors() datastore.Cursors { return r.store.Cursors(r.access) }

// readToken takes apart what makeToken made.
func readToken(body []byte) pageToken {
	p := pageToken{kind: body[0], t: store.T(binary.BigEndian.Uint64(body[1:]))}
	number, n := binary.Uvarint(body[tokenHead:])
	p.number = int(number)
	for rest := body[tokenHead+n:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest)
		p.cursors = append(p.cursors, rest[n:n+int(size)])
		rest = rest[n+int(size):]
	}
	return p
}

// takePage takes the page token out of a query.
func takePage(pairs []search.Pair) (rest []search.Pair, token string) {
	for _, p := range pairs {
		if p.Name == pageParam {
			token = p.Value
		}
	}
	return without(pairs, pageParam), token
}

// link is the absolute URL of a path and query.
func (r *request) link(path string, query []search.Pair, more ...search.Pair) string {
	q := encodeQuery(append(query[:len(query):len(query)], more...))
	if q == "" {
		return r.url(path)
	}
	return r.url(path) + "?" + q
}

// formPairs are the parameters of form that the links of a Bundle repeat.
func (r *request) formPairs() []search.Pair {
	var pairs []search.Pair
	for _, p := range r.query {
		if p.Name == "_format" || p.Name == "_pretty" {
			pairs = append(pairs, p)
		}
	}
	return pairs
}

// encodeQuery is the canonical form of a query. What FHIR writes often and
// RFC 3986 allows in a query stays readable.
func encodeQuery(pairs []search.Pair) string {
	var space [256]byte
	b := space[:0]
	for i, p := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = appendEscaped(append(appendEscaped(b, p.Name), '='), p.Value)
	}
	return string(b)
}

// appendEscaped is url.QueryEscape but for what stays readable, in one pass.
func appendEscaped(b []byte, text string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(text) {
		switch c := text[i]; {
		case readable[c]:
			b = append(b, c)
		case c == ' ':
			b = append(b, '+')
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

var readable = func() (stays [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~:/,$*") {
		stays[c] = true
	}
	return stays
}()

// pageLinks are the links of a page of a search or history. here is the page's
// token, "" of token where it is the first; next is where the next page begins,
// nil where this is the last. at makes the URL of a token, "" for none.
func (r *request) pageLinks(here pageToken, token string, next []byte, of string, at func(token string) string) []bundleLink {
	links := []bundleLink{{"self", at(token)}}
	if token != "" || next != nil {
		links = append(links, bundleLink{"first", at("")})
	}
	cursors := r.cursors()
	if before, ok := here.previous(); ok {
		links = append(links, bundleLink{"previous", at(makeToken(cursors, before, of))})
	}
	switch {
	case next != nil:
		links = append(links, bundleLink{"next", at(makeToken(cursors, here.next(next), of))})
	case token != "":
		links = append(links, bundleLink{"last", at(token)})
	}
	return links
}

package rest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// pageParam is the query parameter that makes a link the link of a page.
const pageParam = "_page"

// A pageToken says where a page begins. It is sent as base64url of
//
//	kind(1) T(8, big-endian) cursor HMAC-SHA256(16)
//
// where the HMAC also covers what the page belongs to: the path and the
// canonical query. So a client can neither make a token nor take one to
// another search.
type pageToken struct {
	kind   byte
	t      store.T
	cursor []byte // of a search: store.Page.After
}

const (
	pageOfSearch  byte = 1 // t is the view's time
	pageOfHistory byte = 2 // t is store.History.Before
)

const (
	tokenHead = 9
	tokenTail = 16
)

// makeToken encodes a page token; of names what the page belongs to.
func makeToken(key []byte, p pageToken, of string) string {
	b := binary.BigEndian.AppendUint64([]byte{p.kind}, uint64(p.t))
	b = append(b, p.cursor...)
	return base64.RawURLEncoding.EncodeToString(append(b, tokenMAC(key, b, of)...))
}

// parseToken decodes a token and checks that it is one that makeToken made.
func parseToken(key []byte, text string, kind byte, of string) (pageToken, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err == nil && len(b) >= tokenHead+tokenTail {
		body, mac := b[:len(b)-tokenTail], b[len(b)-tokenTail:]
		if hmac.Equal(mac, tokenMAC(key, body, of)) && body[0] == kind {
			return pageToken{kind: kind, t: store.T(binary.BigEndian.Uint64(body[1:])), cursor: body[tokenHead:]}, nil
		}
	}
	return pageToken{}, fhir.Errorf(fhir.KindInvalid, "this page link was not made by this server for this search, or was changed; follow the link of a Bundle as it is, or repeat the search without %s", pageParam).At("http." + pageParam)
}

func tokenMAC(key, body []byte, of string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(binary.BigEndian.AppendUint32(nil, uint32(len(body))))
	m.Write(body)
	m.Write([]byte(of))
	return m.Sum(nil)[:tokenTail]
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
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(readable.Replace(url.QueryEscape(p.Name)))
		b.WriteByte('=')
		b.WriteString(readable.Replace(url.QueryEscape(p.Value)))
	}
	return b.String()
}

var readable = strings.NewReplacer("%3A", ":", "%2F", "/", "%2C", ",", "%24", "$", "%2A", "*")

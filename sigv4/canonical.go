package sigv4

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// canonical returns the canonical requests that a signer may have made of a
// request, the likeliest first. The rules leave some choices, and signers made
// each of them: whether to take repeated slashes of a path as one, and to sort
// the query before it is encoded, or not to encode it anew. All of them say the
// same of a request.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request
func canonical(r *http.Request, p *presented, host, payload string) []string {
	var headers strings.Builder
	for _, name := range p.signedHeaders {
		headers.WriteString(name + ":" + headerValue(r, name, host) + "\n")
	}
	tail := "\n" + headers.String() + "\n" + strings.Join(p.signedHeaders, ";") + "\n" + payload
	var all []string
	for _, path := range paths(r.URL) {
		for _, query := range queries(r.URL.RawQuery) {
			text := r.Method + "\n" + path + "\n" + query + tail
			if !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	return all
}

// paths are the path as sent, encoded once more as all services but S3 have it,
// with its slashes as they are and with one in place of several.
func paths(u *url.URL) []string {
	path := encode(u.EscapedPath(), true)
	if path == "" {
		path = "/"
	}
	single := path
	for strings.Contains(single, "//") {
		single = strings.ReplaceAll(single, "//", "/")
	}
	return []string{path, single}
}

// A parameter is one of a query, as it was sent and decoded.
type parameter struct {
	raw        [2]string
	key, value string
}

func queries(raw string) []string {
	var list []parameter
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		p := parameter{raw: [2]string{key, value}, key: unescape(key), value: unescape(value)}
		if p.key != "X-Amz-Signature" {
			list = append(list, p)
		}
	}
	encoded := func(p parameter) (string, string) { return encode(p.key, false), encode(p.value, false) }
	sent := func(p parameter) (string, string) { return p.raw[0], p.raw[1] }
	decoded := func(p parameter) (string, string) { return p.key, p.value }
	return []string{joined(list, encoded, encoded), joined(list, decoded, encoded), joined(list, sent, sent)}
}

// joined writes the parameters sorted by one of their forms, in another.
func joined(list []parameter, by, as func(parameter) (string, string)) string {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b parameter) int {
		aKey, aValue := by(a)
		bKey, bValue := by(b)
		return cmp.Or(strings.Compare(aKey, bKey), strings.Compare(aValue, bValue))
	})
	parts := make([]string, len(list))
	for i, p := range list {
		key, value := as(p)
		parts[i] = key + "=" + value
	}
	return strings.Join(parts, "&")
}

// unescape decodes a part of a query as the server does; what cannot be decoded
// stands for itself.
func unescape(text string) string {
	if decoded, err := url.QueryUnescape(text); err == nil {
		return decoded
	}
	return text
}

// encode writes every byte but the unreserved ones of RFC 3986 as %XX, and
// leaves the slashes of a path.
func encode(text string, path bool) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0, path && c == '/':
			b.WriteByte(c)
		default:
			b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{c})))
		}
	}
	return b.String()
}

// headerValue is a header's canonical value: its values with a comma between,
// without spaces around them and with one in place of several.
func headerValue(r *http.Request, name, host string) string {
	switch name {
	case "host":
		return host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := slices.Clone(r.Header.Values(name))
	for i, value := range values {
		value = strings.Trim(value, " ")
		for strings.Contains(value, "  ") {
			value = strings.ReplaceAll(value, "  ", " ")
		}
		values[i] = value
	}
	return strings.Join(values, ",")
}

// signature is that of one canonical request.
func signature(key []byte, p *presented, request string) []byte {
	sum := sha256.Sum256([]byte(request))
	return mac(key, algorithm+"\n"+p.stamp+"\n"+p.scope()+"\n"+hex.EncodeToString(sum[:]))
}

// signingKey derives the key of a scope from a secret.
func signingKey(secret string, p *presented) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{p.date, p.region, p.service, terminator} {
		key = mac(key, part)
	}
	return key
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

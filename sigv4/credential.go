package sigv4

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"
)

// A presented signature is what a request says of how it was signed.
type presented struct {
	// inQuery is set for a presigned URL.
	inQuery               bool
	keyID                 string
	date, region, service string
	signedHeaders         []string
	signature             []byte
	at                    time.Time
	// stamp is the time as it was written.
	stamp string
	// expires is how long a presigned URL is good for.
	expires time.Duration
}

func (p *presented) scope() string {
	return p.date + "/" + p.region + "/" + p.service + "/" + terminator
}

// Signed reports whether a request claims to be signed in one of the forms that
// a Verifier checks.
func Signed(r *http.Request) bool {
	if text := r.Header.Get("Authorization"); text != "" {
		return strings.HasPrefix(text, "AWS4-")
	}
	_, ok := r.URL.Query()["X-Amz-Signature"]
	return ok
}

// present reads the signature of a request.
func present(r *http.Request) (*presented, error) {
	values := r.Header["Authorization"]
	query := r.URL.Query()
	_, inQuery := query["X-Amz-Signature"]
	_, named := query["X-Amz-Algorithm"]
	inQuery = inQuery || named
	switch {
	case len(values) > 1:
		return nil, refused(CodeIncomplete, "The request has %d Authorization headers; it must have one.", len(values))
	case len(values) == 1 && inQuery:
		return nil, refused(CodeIncomplete, "The request is signed in its Authorization header and in its query; it must be signed in one of them.")
	case len(values) == 1:
		return presentHeader(r, values[0])
	case inQuery:
		return presentQuery(query)
	}
	return nil, refused(CodeMissing, "The request is not signed: it has no Authorization header of AWS Signature Version 4, and no signature in its query.")
}

// presentHeader reads
//
//	AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func presentHeader(r *http.Request, text string) (*presented, error) {
	name, list, _ := strings.Cut(text, " ")
	if name != algorithm {
		return nil, refused(CodeIncomplete, "The Authorization header must begin with %q.", algorithm)
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(list, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := parts[key]; !ok || twice {
			return nil, refused(CodeIncomplete, "The Authorization header must have Credential, SignedHeaders and Signature once each, as name=value with commas between.")
		}
		parts[key] = value
	}
	p := &presented{stamp: r.Header.Get("X-Amz-Date")}
	if len(parts) != 3 {
		return nil, refused(CodeIncomplete, "The Authorization header must have Credential, SignedHeaders and Signature, and nothing else.")
	}
	if err := p.read(parts["Credential"], parts["SignedHeaders"], parts["Signature"]); err != nil {
		return nil, err
	}
	return p, p.readTime(r.Header)
}

// presentQuery reads the parameters of a presigned URL.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
func presentQuery(query url.Values) (*presented, error) {
	values := map[string]string{}
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if len(query[name]) != 1 {
			return nil, refused(CodeIncomplete, "A presigned URL has the parameter %s once; this one has it %d times.", name, len(query[name]))
		}
		values[name] = query[name][0]
	}
	if values["X-Amz-Algorithm"] != algorithm {
		return nil, refused(CodeIncomplete, "X-Amz-Algorithm must be %q.", algorithm)
	}
	p := &presented{inQuery: true, stamp: values["X-Amz-Date"]}
	seconds, err := strconv.ParseUint(values["X-Amz-Expires"], 10, 31)
	if err != nil || seconds == 0 {
		return nil, refused(CodeIncomplete, "X-Amz-Expires must be a number of seconds, 1 or more.")
	}
	p.expires = time.Duration(seconds) * time.Second
	if err := p.read(values["X-Amz-Credential"], values["X-Amz-SignedHeaders"], values["X-Amz-Signature"]); err != nil {
		return nil, err
	}
	return p, p.readTime(nil)
}

func (p *presented) read(credential, headers, signature string) error {
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || scope[0] == "" || scope[2] == "" || scope[4] != terminator {
		return refused(CodeIncomplete, "The credential must be an access key and a scope: KEY/YYYYMMDD/REGION/SERVICE/%s.", terminator)
	}
	p.keyID, p.date, p.region, p.service = scope[0], scope[1], scope[2], scope[3]
	p.signedHeaders = strings.Split(headers, ";")
	if headers != strings.ToLower(headers) || !slices.IsSorted(p.signedHeaders) || slices.Contains(p.signedHeaders, "") ||
		len(slices.Compact(slices.Clone(p.signedHeaders))) != len(p.signedHeaders) {
		return refused(CodeIncomplete, "The signed headers must be names in lower case, sorted, once each, with semicolons between.")
	}
	var err error
	if p.signature, err = hex.DecodeString(signature); err != nil || len(p.signature) != 32 {
		return refused(CodeIncomplete, "The signature must be 64 hex digits.")
	}
	return nil
}

// readTime reads the time of signing: X-Amz-Date, or else the header Date.
func (p *presented) readTime(header http.Header) error {
	var err error
	if p.stamp == "" && header.Get("Date") != "" {
		if p.at, err = http.ParseTime(header.Get("Date")); err == nil {
			p.stamp = p.at.UTC().Format(timeFormat)
			return nil
		}
		p.stamp = header.Get("Date")
	}
	if p.at, err = time.Parse(timeFormat, p.stamp); err != nil {
		return refused(CodeIncomplete, "X-Amz-Date must be the time of signing as YYYYMMDDTHHMMSSZ.")
	}
	return nil
}

package fhir

import "strings"

// A RefKind says what a literal reference is.
// http://hl7.org/fhir/R4/references.html#literal
type RefKind uint8

// The kinds of references.
const (
	RefInvalid     RefKind = iota // none of the others, or empty
	RefRelative                   // Patient/1, or the same under the server's own base
	RefAbsolute                   // a URL elsewhere
	RefURN                        // urn:uuid:… or urn:oid:…
	RefContained                  // #id, or # for the containing resource
	RefConditional                // Patient?identifier=…, for transactions
)

// A Ref is a literal reference taken apart.
type Ref struct {
	Kind RefKind
	// Text is the reference as given.
	Text string
	// Type and ID are the target's: always for RefRelative, for RefAbsolute
	// where the URL ends like one ("" otherwise), Type alone for
	// RefConditional. For RefContained ID is what follows the "#".
	Type, ID string
	// Version is what follows "/_history/", "" for none.
	Version string
	// Query is what follows the "?" of RefConditional.
	Query string
}

// ParseReference takes a Reference.reference apart. base is the server's own
// base URL, with or without a slash at its end, or "" for none: absolute
// references under it count as relative.
func ParseReference(text, base string) Ref {
	r := Ref{Text: text}
	switch {
	case strings.HasPrefix(text, "#"):
		r.Kind, r.ID = RefContained, text[1:]
		if r.ID != "" && !ValidID(r.ID) {
			return Ref{Text: text}
		}
		return r
	case strings.HasPrefix(text, "urn:"):
		r.Kind = RefURN
		return r
	}
	if rest, ok := under(text, base); ok {
		return localReference(r, rest)
	}
	if !absolute(text) {
		return localReference(r, text)
	}
	r.Kind = RefAbsolute
	r.fill(text)
	return r
}

// under is the part of text below base.
func under(text, base string) (string, bool) {
	base = strings.TrimSuffix(base, "/")
	if base == "" || !strings.HasPrefix(text, base) {
		return "", false
	}
	return strings.CutPrefix(text[len(base):], "/")
}

// absolute reports whether text begins with a URL scheme and "//".
func absolute(text string) bool {
	scheme, _, ok := strings.Cut(text, "://")
	if !ok || scheme == "" || !isLetter(scheme[0]) {
		return false
	}
	for i := range len(scheme) {
		if c := scheme[i]; !isLetter(c) && (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func localReference(r Ref, rest string) Ref {
	if name, query, ok := strings.Cut(rest, "?"); ok && looksLikeType(name) && query != "" {
		r.Kind, r.Type, r.Query = RefConditional, name, query
		return r
	}
	if n := r.fill(rest); n == 0 || n != len(rest) {
		return Ref{Text: r.Text}
	}
	r.Kind = RefRelative
	return r
}

// fill sets type, id and version from the last segments of a path and returns
// the length of what it took, 0 where the path does not end like a resource's.
func (r *Ref) fill(path string) int {
	rest, id := cutLast(path)
	version := ""
	if before, last := cutLast(rest); last == "_history" {
		version = id
		if !ValidID(version) {
			return 0
		}
		rest, id = cutLast(before)
	}
	before, name := cutLast(rest)
	if !looksLikeType(name) || !ValidID(id) {
		return 0
	}
	r.Type, r.ID, r.Version = name, id, version
	if before == "" && rest == name {
		return len(path)
	}
	return len(path) - len(before) - 1
}

// cutLast cuts a path at its last slash.
func cutLast(path string) (before, last string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// looksLikeType reports whether a name has the form of a resource type's:
// letters, the first upper-case.
func looksLikeType(name string) bool {
	for i := range len(name) {
		if !isLetter(name[i]) {
			return false
		}
	}
	return len(name) > 1 && name[0] <= 'Z'
}

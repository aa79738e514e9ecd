package search

import (
	"net/url"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// TotalMode is the value of _total.
type TotalMode uint8

// The total modes.
const (
	TotalDefault TotalMode = iota // not asked for: the server's choice
	TotalNone
	TotalEstimate
	TotalAccurate
)

// DefaultCount and MaxCount bound _count.
const (
	DefaultCount = 20
	MaxCount     = 1000
)

// A Query is a parsed search: the plan, and what the answer should hold.
type Query struct {
	Plan Plan
	// Count is the page size; 0 asks for the total only.
	Count int
	Total TotalMode
	// Includes and RevIncludes are in the order of the query.
	Includes, RevIncludes []Include
	// Summary and Elements say how much of each resource the answer holds.
	// Elements are names of top-level elements, without repetition, as
	// Element.Name has them; empty for all. At most one of the two is set.
	Summary  SummaryMode
	Elements []string
	// Relevance are the phrases by which _text and _content rank matches; nil
	// where there are none, or where _sort asks for another order. A caller
	// ranks them with Rank of package lookup.
	Relevance []Relevance
	// MaxResults is how many matches all pages together have at most; 0 for
	// any number.
	MaxResults int
	// Contained says whether matches are resources, resources inside others,
	// or both; ContainedType, for those inside others, what the answer shows.
	Contained     ContainedMode
	ContainedType ContainedType
	// inside finds the matches inside a resource.
	inside func(c *Candidate) (inside []fhir.Node, itself bool, err error)
	// Self are the parameters that were honoured, for the self link, in the
	// client's order and spelling.
	Self []Pair
	// Warnings name what lenient handling left out.
	Warnings []fhir.Issue
}

// A Pair is one name=value of a query string, decoded.
type Pair struct{ Name, Value string }

var escapes = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`)

// EscapeValue makes a text one value of a search parameter.
// http://hl7.org/fhir/R4/search.html#escaping
func EscapeValue(text string) string { return escapes.Replace(text) }

// An Include is one _include or _revinclude.
// http://hl7.org/fhir/R4/search.html#include
type Include struct {
	// Source is the type that holds the reference.
	Source string
	// Params are the reference parameters to follow: one, or all for "*".
	Params []*Param
	// Target restricts the type referred to; "" for any.
	Target string
	// Iterate is set by :iterate: the include applies to what includes add as
	// well as to matches, until nothing new comes.
	Iterate bool
}

// Options for Parse.
type Options struct {
	// Base is the data store's base URL without a trailing slash, such as
	// "http://127.0.0.1:8080/datastore/default/r4": references that begin
	// with it are relative references.
	Base string
	// Lenient turns an unknown or unsupported parameter from an error into a
	// warning (Prefer: handling=lenient).
	Lenient bool
	// Shaping is set by a caller that follows Query.Summary and
	// Query.Elements. Without it _summary and _elements are refused.
	Shaping bool
	// Iterate is set by a caller that follows Include.Iterate and bounds how
	// many resources includes add. Without it :iterate and _revinclude=* are
	// refused.
	Iterate bool
	// Now is the clock for the prefix ap; nil for time.Now.
	Now func() time.Time
	// ValueSets finds the value sets for :in and :not-in that the definitions
	// do not hold, by what the query names: a URL or ValueSet/id. It returns
	// nil, or an error for the caller, for one that it does not have. It may
	// be nil.
	ValueSets func(url string) (*definition.ValueSet, error)
	// Related finds the codes for :above and :below of code systems that the
	// definitions do not hold: a code and all that subsume it (above), or that
	// it subsumes. It returns nil where the concepts of the system are not
	// known. Package search/terminology has both.
	Related func(system, code string, above bool) ([]string, error)
	// Expand is set by a caller that passes the plan through Expand of
	// package lookup before it searches. Without it :above and :below of references to resources are
	// refused.
	Expand bool
	// Rank is set by a caller that follows Query.Relevance. Without it
	// _sort=_score is refused, and matches of _text and _content come in
	// order of time.
	Rank bool
	// Criteria is set for the criteria of a write: everything in them must be
	// a condition with a value, and anything else is an error, not a warning.
	Criteria bool
	// MaxResults is set by a caller that follows Query.MaxResults, Contained
	// by one that follows Query.Contained and Query.ContainedType. Without
	// them the parameters are refused.
	MaxResults, Contained bool
}

// Pairs splits a raw query string or form body into its pairs, in order.
func Pairs(raw string) ([]Pair, error) {
	if raw == "" {
		return nil, nil
	}
	pairs := make([]Pair, 0, strings.Count(raw, "&")+1)
	for len(raw) > 0 {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, fhir.Errorf(fhir.KindInvalid, "the query part %q is not percent-encoded correctly: %v", part, err)
		}
		pairs = append(pairs, Pair{n, value})
	}
	return pairs, nil
}

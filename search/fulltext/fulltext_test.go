package fulltext_test

import (
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/fulltext"
)

func words(text string) string {
	var all []string
	fulltext.Words([]byte(text), func(w []byte) { all = append(all, string(w)) })
	return strings.Join(all, " ")
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"Heart-failure, 2nd":      "heart failure 2nd",
		"CAFÉ cafe\u0301":         "cafe cafe",
		"心不全 x":                   "心 不 全 x",
		"a\u00a0b_c":              "a b c",
		"naïve Ångström":          "naive angstrom",
		strings.Repeat("a", 100):  strings.Repeat("a", fulltext.MaxWord),
		strings.Repeat("é", 1000): strings.Repeat("e", fulltext.MaxWord),
	} {
		if got := words(text); got != want {
			t.Errorf("%q has the words %q, want %q", text, got, want)
		}
	}
}

func TestNarrative(t *testing.T) {
	for div, want := range map[string]string{
		`<div><p>a</p><p>b</p></div>`:                "a b",
		`<div>a<b>b</b><br/>c &amp; &#233;t&eacute;`: "ab c ete",
		`<div>a<!-- b > c -->d</div>`:                "a d",
		`<div><img alt="x > y"/>z</div>`:             "z",
		`<div><!-- open`:                             "",
		`<div`:                                       "",
	} {
		if got := words(string(fulltext.Narrative([]byte(div)))); got != want {
			t.Errorf("%s has the words %q, want %q", div, got, want)
		}
	}
}

// A score grows with how often a word is there and with how rare it is, and
// shrinks with the length of the text.
func TestScore(t *testing.T) {
	score := func(text string, wanted ...fulltext.Wanted) float64 {
		var d fulltext.Document
		d.Add([]byte(text))
		return d.Score(wanted)
	}
	phrase := func(matches int, words ...string) fulltext.Wanted {
		return fulltext.Wanted{Phrase: fulltext.Phrase{Words: words}, Matches: matches, Documents: 100}
	}
	a, rare, often := phrase(10, "a"), phrase(1, "b"), phrase(90, "c")
	for name, more := range map[string][2]float64{
		"twice":  {score("a a x", a), score("a y x", a)},
		"short":  {score("a x", a), score("a x x x x x x x x x x x x", a)},
		"rare":   {score("b x", rare, often), score("c x", rare, often)},
		"both":   {score("b c", rare, often), score("b x", rare, often)},
		"phrase": {score("a b", phrase(1, "a", "b")), score("b a", phrase(1, "a", "b"))},
	} {
		if more[0] <= more[1] || more[0] >= 1 {
			t.Errorf("%s: %v is not more than %v, or not below 1", name, more[0], more[1])
		}
	}
}

// A query that can be read finds the same by itself and doubly negated, and an
// error says that the query is at fault.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`heart failure`, `heart OR -failure`, `"heart failure*"`, `(a|b) AND NOT c`, `covid-19, x*`, `a\,b "c\"d"`,
		`((((`, `NOT NOT a`, `- -a`, `*`, `心不全 | Ångström`, `AND`, `a AND`, "\x00\xff\"",
	} {
		f.Add(seed)
	}
	var d fulltext.Document
	d.Add([]byte("heart failure, covid-19 Ångström 心不全 a b c d"))
	f.Fuzz(func(t *testing.T, text string) {
		q, err := fulltext.Parse(text)
		if err != nil {
			if kind := fhir.KindOf(err); kind != fhir.KindInvalid && kind != fhir.KindTooCostly {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if q == nil {
			t.Fatalf("%q is read as nothing", text)
		}
		if d.Has(q) == d.Has(fulltext.Not{Query: q}) {
			t.Fatalf("%q holds and does not", text)
		}
		for _, p := range fulltext.Phrases(q) {
			if len(p.Words) == 0 {
				t.Fatalf("%q has an empty phrase", text)
			}
		}
	})
}

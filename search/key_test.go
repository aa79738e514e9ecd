package search

import (
	"bytes"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	_ "github.com/tarnhealth/tarn/internal/seeded"
	"github.com/tarnhealth/tarn/search/compare"
	"github.com/tarnhealth/tarn/search/decimal"
	"pgregory.net/rapid"
)

// numberText draws a decimal in JSON's notation.
func numberText() *rapid.Generator[string] {
	return rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?`)
}

func rat(t interface{ Fatalf(string, ...any) }, text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("big.Rat cannot read %q", text)
	}
	return r
}

func TestNumberKeyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := numberText().Draw(t, "a"), numberText().Draw(t, "b")
		ka, ok := decimal.Append(nil, []byte(a))
		kb, ok2 := decimal.Append(nil, []byte(b))
		if !ok || !ok2 {
			t.Fatalf("%q or %q was not read", a, b)
		}
		if got, want := bytes.Compare(ka, kb), rat(t, a).Cmp(rat(t, b)); got != want {
			t.Fatalf("%s and %s compare as %d, their keys %x and %x as %d", a, b, want, ka, kb, got)
		}
		if !bytes.Equal(ka, kb) && bytes.HasPrefix(kb, ka) {
			t.Fatalf("the key of %s begins that of %s", a, b)
		}
		if n := decimal.Size(append(bytes.Clone(ka), kb...)); n != len(ka) {
			t.Fatalf("the key %x of %s is said to have %d bytes", ka, a, n)
		}
	})
}

func TestNumberKeyRefuses(t *testing.T) {
	for _, text := range []string{"", "-", ".5", "abc", "1e", "1e+", "1.2.3", "0x10", "1 "} {
		if k, ok := decimal.Append([]byte("x"), []byte(text)); ok || string(k) != "x" {
			t.Errorf("%q was read as a number: %x", text, k)
		}
	}
}

// The table of http://hl7.org/fhir/R4/search.html#number.
func TestNumberBounds(t *testing.T) {
	tests := []struct{ text, lo, hi string }{
		{"100", "99.5", "100.5"},
		{"100.00", "99.995", "100.005"},
		{"1e2", "95", "105"},
		{"-5.4", "-5.45", "-5.35"},
		{"0", "-0.5", "0.5"},
		{"5.4e-3", "0.00535", "0.00545"},
	}
	for _, tt := range tests {
		d, err := decimal.Parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := d.Bounds()
		wantLo, _ := decimal.Append(nil, []byte(tt.lo))
		wantHi, _ := decimal.Append(nil, []byte(tt.hi))
		if !bytes.Equal(lo.Key(), wantLo) || !bytes.Equal(hi.Key(), wantHi) {
			t.Errorf("%s means [%v, %v); want [%s, %s)", tt.text, lo, hi, tt.lo, tt.hi)
		}
	}
}

// Every prefix must agree with the plain comparison of the values.
func TestNumberSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, v := numberText().Draw(t, "query"), numberText().Draw(t, "value")
		d, err := decimal.Parse(q)
		if err != nil {
			t.Fatal(err)
		}
		key, _ := decimal.Append(nil, []byte(v))
		order := rat(t, v).Cmp(rat(t, q))
		want := map[prefix]bool{compare.Gt: order > 0, compare.Sa: order > 0, compare.Ge: order >= 0,
			compare.Lt: order < 0, compare.Eb: order < 0, compare.Le: order <= 0}
		for p, w := range want {
			if got := inSpans(numberSpans(d, p), key); got != w {
				t.Fatalf("%s %s%s is %v", v, compare.Names[p], q, got)
			}
		}
		if inSpans(numberSpans(d, compare.Eq), key) == inSpans(numberSpans(d, compare.Ne), key) {
			t.Fatalf("%s is both or neither of eq%s and ne%s", v, q, q)
		}
	})
}

func drawInterval(t *rapid.T, name string) interval {
	lo := rapid.Int64Range(-1e15, 1e15).Draw(t, name+"lo")
	width := rapid.OneOf(rapid.Int64Range(1, 10), rapid.Int64Range(1, 4*compare.Long), rapid.Just(int64(compare.Long)), rapid.Int64Range(1, 1e15)).Draw(t, name+"width")
	i := interval{Lo: lo, Hi: lo + width}
	switch rapid.IntRange(0, 9).Draw(t, name+"open") {
	case 0:
		i.Lo = compare.Always.Lo
	case 1:
		i.Hi = compare.Always.Hi
	case 2:
		i.Hi = i.Lo // a Period that ends before it starts
	}
	return i
}

// The spans and test of a date condition must find, among the keys that a
// value has, one exactly where the prefix holds for the value.
func TestDateConditions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawInterval(t, "v")
		qlo := v.Lo
		if v.Lo == compare.Always.Lo || rapid.Bool().Draw(t, "far") {
			qlo = rapid.Int64Range(-1e15, 1e15).Draw(t, "q")
		}
		qlo += rapid.SampledFrom([]int64{0, 0, 1, -1, compare.Long, -compare.Long, compare.Long + 1, -compare.Long - 1}).Draw(t, "shift")
		q := interval{Lo: qlo, Hi: qlo + rapid.SampledFrom([]int64{1, 1e6, compare.Long, 31 * compare.Long, max(1, v.Hi-qlo)}).Draw(t, "width")}
		keys := [][]byte{v.AppendKey(nil)}
		if v.IsLong() {
			keys = append(keys, v.AppendEndKey(nil))
		}
		for p := compare.Eq; p <= compare.Ap; p++ {
			c := dateCondition(p, q)
			if got, want := slices.ContainsFunc(keys, c.holds), p.Holds(q, v); got != want {
				t.Fatalf("value %v %s %v: found %v, want %v", v, compare.Names[p], q, got, want)
			}
			for _, key := range keys {
				if inSpans(c.sure, key) && inSpans(c.spans, key) && !c.test(key) {
					t.Fatalf("value %v %s %v: %x is sure and fails", v, compare.Names[p], q, key)
				}
			}
		}
	})
}

func TestDateKeyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawInterval(t, "a"), drawInterval(t, "b")
		ka, kb := a.AppendKey(nil), b.AppendKey(nil)
		want := slices.Compare([]int64{a.Lo, a.Hi}, []int64{b.Lo, b.Hi})
		if got := bytes.Compare(ka, kb); got != want || len(ka) != compare.KeySize {
			t.Fatalf("%v and %v compare as %d, their keys as %d", a, b, want, got)
		}
		if compare.OfKey(ka) != a || compare.OfKey(a.AppendEndKey(nil)) != a {
			t.Fatalf("%v does not come back from its keys", a)
		}
	})
}

func TestParseInterval(t *testing.T) {
	const day = 24 * 60 * 60
	tests := []struct {
		text  string
		lo    int64 // seconds
		width int64
	}{
		{"1970", 0, 365 * day},
		{"1972", 2 * 365 * day, 366 * day},
		{"1970-02", 31 * day, 28 * day},
		{"1970-01-01", 0, day},
		{"1969-12-31", -day, day},
		{"1970-01-01T00:01", 60, 60},
		{"1970-01-01T00:00:01Z", 1, 1},
		{"1970-01-01T02:00:00+02:00", 0, 1},
		{"1969-12-31T19:00:00-05:00", 0, 1},
		{"1970-01-01T05:30:00+05:30", 0, 1},
	}
	for _, tt := range tests {
		got, ok := compare.ParseInterval(tt.text)
		if want := (interval{Lo: tt.lo * 1e6, Hi: (tt.lo + tt.width) * 1e6}); !ok || got != want {
			t.Errorf("%s is %v, %v; want %v", tt.text, got, ok, want)
		}
	}
	if got, ok := compare.ParseInterval("1970-01-01T00:00:00.1234567Z"); !ok || got != (interval{Lo: 123456, Hi: 123457}) {
		t.Errorf("seven digits of a second are %v, %v", got, ok)
	}
	for _, text := range []string{"", "70", "1970-", "1970-1", "1970-13", "1970-02-29", "1970-01-01T", "1970-01-01T1:00",
		"1970-01-01T10:00:00.Z", "1970-01-01T10:00:00+0100", "1970-01-01T10:60", "0000", "1970-01-01Z", "19700101", "1970-01-01T10:00:00ZZ"} {
		if got, ok := compare.ParseInterval(text); ok {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func TestMergeSpans(t *testing.T) {
	span := func(from, to string) Span {
		if to == "" {
			return Span{From: []byte(from)}
		}
		return Span{[]byte(from), []byte(to)}
	}
	got := mergeSpans([]Span{span("m", "p"), span("a", "c"), span("b", "d"), span("n", "o"), span("x", ""), span("y", "z"), span("k", "k")})
	want := []Span{span("a", "d"), span("m", "p"), span("x", "")}
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i := range want {
		if !bytes.Equal(got[i].From, want[i].From) || !bytes.Equal(got[i].To, want[i].To) {
			t.Errorf("span %d is %q; want %q", i, got[i], want[i])
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"address", "birthdate", "family", "gender", "given", "name"}
	for in, want := range map[string]string{"nmae": "name", "birthDate": "birthdate", "famly": "family", "xyz": "", "addr": "address"} {
		if got := strings.Join(fhir.NearestNames(in, names), " "); got != want {
			t.Errorf("near %s: %q; want %q", in, got, want)
		}
	}
}

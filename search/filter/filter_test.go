package filter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/filter"
)

// show writes an expression with all its parentheses.
func show(e filter.Expr) string {
	switch e := e.(type) {
	case filter.And:
		return "(" + show(e.Left) + " and " + show(e.Right) + ")"
	case filter.Or:
		return "(" + show(e.Left) + " or " + show(e.Right) + ")"
	case filter.Not:
		return "not(" + show(e.Expr) + ")"
	case filter.Test:
		var path []string
		for _, s := range e.Path {
			name := s.Name
			if s.Filter != nil {
				name += "[" + show(s.Filter) + "]"
			}
			path = append(path, name)
		}
		return fmt.Sprintf("%s %s %q", strings.Join(path, "."), e.Op, e.Value)
	}
	return fmt.Sprintf("%T", e)
}

func TestParse(t *testing.T) {
	tests := []struct{ src, want string }{
		{`name co "pet"`, `name co "pet"`},
		{`given eq "peter" and birthdate ge 2014-10-10`, `(given eq "peter" and birthdate ge "2014-10-10")`},
		{`code eq http://loinc.org|1234-5`, `code eq "http://loinc.org|1234-5"`},
		{`subject.name co "pet"`, `subject.name co "pet"`},
		{`related[type eq "has-component"].target pr true`, `related[type eq "has-component"].target pr "true"`},
		{`related[type eq has-component].target re Observation/4`, `related[type eq "has-component"].target re "Observation/4"`},
		{`a eq 1 or b eq 2 and c eq 3`, `((a eq "1" or b eq "2") and c eq "3")`},
		{`a eq 1 and b eq 2 or c eq 3`, `((a eq "1" and b eq "2") or c eq "3")`},
		{`a eq 1 or (b eq 2 and c eq 3)`, `(a eq "1" or (b eq "2" and c eq "3"))`},
		{`not (a eq 1)`, `not(a eq "1")`},
		{`not(a eq 1 or b eq 2) and c ne 3`, `(not(a eq "1" or b eq "2")) and c ne "3")`},
		{`not ( not ( a eq 1 ) )`, `not(not(a eq "1"))`},
		{`((a eq 1))`, `a eq "1"`},
		{`  a   eq	1  `, `a eq "1"`},
		{`a eq "x ) ] \" \u00e9 \\"`, `a eq "x ) ] \" é \\"`},
		{`(a eq x)`, `a eq "x"`},
		{`subject:Patient.birthdate gt 1970`, `subject:Patient.birthdate gt "1970"`},
		{`a[b eq 1 and c[d eq 2].e eq 3].f.g eq 4`, `a[(b eq "1" and c[d eq "2"].e eq "3")].f.g eq "4"`},
		{`order eq andy and android sw or`, `(order eq "andy" and android sw "or")`},
		{`not eq x`, `not eq "x"`},
		{`_id eq a-b.c`, `_id eq "a-b.c"`},
		{`name co é́`, `name co "é́"`},
		{"a eq b", "a eq \"b\""},
	}
	for _, tt := range tests {
		e, err := filter.Parse(tt.src)
		if err != nil {
			t.Errorf("%s: %v", tt.src, err)
			continue
		}
		want := strings.ReplaceAll(tt.want, `not(a eq "1" or b eq "2")) and`, `not((a eq "1" or b eq "2")) and`)
		if got := show(e); got != want {
			t.Errorf("%s is %s; want %s", tt.src, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	tests := []struct{ src, want string }{
		{``, `at character 1 of the filter: there is the end where the name`},
		{`   `, `there is the end where the name`},
		{`name`, `at character 5 of the filter: the end is not a comparison`},
		{`name xx 1`, `at character 6 of the filter: "xx" is not a comparison; those are eq, ne`},
		{`name eq`, `at character 8 of the filter: there is the end where a value`},
		{`name eq )`, `there is ")" where a value`},
		{`name eqx 1`, `"eqx" is not a comparison`},
		{`é eq 1`, `at character 1 of the filter: there is "é" where the name`},
		{`name eq é and 5 eq 1`, `at character 15 of the filter: there is "5" where the name`},
		{`name eq 1 name eq 2`, `at character 11 of the filter: "name" is left over`},
		{`(name eq 1`, `at character 11 of the filter: there is the end where a ")"`},
		{`name eq 1)`, `at character 10 of the filter: ")" is left over`},
		{`a[b eq 1.c eq 2`, `where a "]" is missing`},
		{`a[b eq 1] eq 2`, `where a "." and a name must follow`},
		{`a[b eq 1].`, `there is the end where the name`},
		{`a. b eq`, `where a value`},
		{`a..b eq 1`, `there is ".b" where the name`},
		{`a eq "x`, `at character 6 of the filter: the string has no closing quote`},
		{`a eq "\x"`, `the string is not one of JSON`},
		{`a eq ""`, `the value is empty`},
		{`a eq 1 and`, `there is the end where the name`},
		{`and a eq 1`, `"a" is not a comparison`},
		{`not (a eq 1`, `where a ")" is missing`},
		{"a eq \xff", `is not text in UTF-8`},
	}
	for _, tt := range tests {
		_, err := filter.Parse(tt.src)
		if err == nil || !strings.Contains(err.Error(), tt.want) || fhir.KindOf(err) != fhir.KindInvalid {
			t.Errorf("%s: the error is %v; want %s", tt.src, err, tt.want)
		}
	}
}

func TestLimits(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat("a eq 1 or ", filter.MaxTests), " or ")
	deep := strings.Repeat("(", filter.MaxDepth-1) + "a eq 1" + strings.Repeat(")", filter.MaxDepth-1)
	for _, src := range []string{many, deep} {
		if _, err := filter.Parse(src); err != nil {
			t.Error(err)
		}
	}
	for _, src := range []string{many + " or a eq 1", "(" + deep + ")", strings.Repeat("a", filter.MaxLength+1)} {
		if _, err := filter.Parse(src); err == nil {
			t.Errorf("a filter of %d bytes is not refused", len(src))
		}
	}
}

// Parse must never panic, and what it accepts must be complete.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`name co "pet"`, `a[b eq 1 and c[d eq 2].e eq 3].f.g eq 4`, `not (a eq 1 or b eq "\u00e9")`, `a eq "`, `a[`, `((((`} {
		f.Add(s)
	}
	var check func(t *testing.T, e filter.Expr)
	check = func(t *testing.T, e filter.Expr) {
		switch e := e.(type) {
		case filter.And:
			check(t, e.Left)
			check(t, e.Right)
		case filter.Or:
			check(t, e.Left)
			check(t, e.Right)
		case filter.Not:
			check(t, e.Expr)
		case filter.Test:
			if len(e.Path) == 0 || e.Op == "" || e.Value == "" || e.At < 1 {
				t.Errorf("the test %+v is not complete", e)
			}
			for _, s := range e.Path {
				if s.Filter != nil {
					check(t, s.Filter)
				}
			}
		default:
			t.Errorf("%T", e)
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		if e, err := filter.Parse(src); err == nil {
			check(t, e)
		} else if fhir.KindOf(err) == fhir.KindInternal {
			t.Errorf("%q: %v", src, err)
		}
	})
}

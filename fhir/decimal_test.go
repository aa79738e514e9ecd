package fhir

import (
	"math/big"
	"strings"
	"testing"
)

func decimal(t testing.TB, text string) Decimal {
	t.Helper()
	d, err := ParseDecimal(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecimalString(t *testing.T) {
	tests := []struct{ text, want string }{
		{"0", "0"}, {"-0", "0"}, {"0.00", "0"}, {"1.50", "1.5"}, {"-12.34", "-12.34"}, {"1200", "1200"},
		{"1e3", "1000"}, {"1E+3", "1000"}, {"12.5e-3", "0.0125"}, {"1e-40", "1e-40"}, {"-12e50", "-1.2e51"},
		{"0.001", "0.001"}, {"0e10000", "0"},
	}
	for _, tt := range tests {
		if got := decimal(t, tt.text).String(); got != tt.want {
			t.Errorf("%s is %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestParseDecimalErrors(t *testing.T) {
	for _, text := range []string{
		"", "-", "+1", "01", "1.", ".5", "1e", "1e+", "1e+-1", "1e--1", "1e1.5", "0x1", "1 ", " 1", "NaN", "Inf", "1,5", "--1", "-.5",
		"1e10001", "1e-10001", "1e99999999999999999999", strings.Repeat("9", maxDecimalDigits+1), "1.2.3", "١",
	} {
		if d, err := ParseDecimal(text); err == nil || KindOf(err) != KindInvalid {
			t.Errorf("ParseDecimal(%q) = %v, %v", text, d, err)
		}
	}
}

func TestDecimalParts(t *testing.T) {
	d := decimal(t, "-0012.300e2"[:1]+"12.300e2")
	if d.Sign() != -1 || d.Exponent() != 4 || d.Unit() != -1 {
		t.Errorf("%d %d %d", d.Sign(), d.Exponent(), d.Unit())
	}
	if got := d.Shift(-3); got.String() != "-1.23" || got.Unit() != -4 {
		t.Errorf("shifted: %s, unit %d", got, got.Unit())
	}
	var zero Decimal
	if zero.Sign() != 0 || zero.String() != "0" || zero.Compare(decimal(t, "0.00")) != 0 || zero.Neg().Sign() != 0 {
		t.Error("the zero value is not 0")
	}
}

// rational is the value of a decimal's text, computed another way.
func rational(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("not a rational: " + text)
	}
	return r
}

func checkDecimals(t *testing.T, a, b string) {
	t.Helper()
	x, y := decimal(t, a), decimal(t, b)
	p, q := rational(a), rational(b)
	if got, want := x.Compare(y), p.Cmp(q); got != want || y.Compare(x) != -want {
		t.Errorf("%s against %s: %d, want %d", a, b, got, want)
	}
	sum := x.Add(y)
	if rational(sum.String()).Cmp(new(big.Rat).Add(p, q)) != 0 {
		t.Errorf("%s + %s = %s", a, b, sum)
	}
	if again := decimal(t, x.String()); again.Compare(x) != 0 {
		t.Errorf("%s written and read again is %s", a, again)
	}
}

func TestDecimalArithmetic(t *testing.T) {
	texts := []string{"0", "-0.0", "1", "-1", "1.00", "9.99", "10", "0.1", "-0.1", "1e3", "999", "1000.0001",
		"123456789012345678901234567890", "-123456789012345678901234567890.5", "1e-30", "-5e-31", "999999999999999999", "1e18"}
	for _, a := range texts {
		for _, b := range texts {
			checkDecimals(t, a, b)
		}
	}
}

func FuzzDecimal(f *testing.F) {
	f.Add("1.50", "-3e4")
	f.Add("0.00", "99999999999999999999.5")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, errA := ParseDecimal(a)
		y, errB := ParseDecimal(b)
		if errA != nil || errB != nil {
			return
		}
		if max(x.Exponent(), y.Exponent())-min(x.Unit(), y.Unit()) > 400 {
			return // the other way of computing is slow there
		}
		checkDecimals(t, a, b)
	})
}

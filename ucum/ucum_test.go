package ucum

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/tarnhealth/tarn/internal/seeded"
)

// base writes a number of a unit in base units.
func base(t *testing.T, number, code string) string {
	t.Helper()
	u, err := Parse(code)
	if err != nil {
		t.Fatal(err)
	}
	whole, fraction, _ := strings.Cut(number, ".")
	n, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		t.Fatalf("%q is not a number", number)
	}
	digits, e := u.ToBase(n, -len(fraction))
	x := new(big.Rat).SetInt(digits)
	x.Mul(x, ratPower(10, e))
	return x.RatString() + " " + u.Base
}

func TestEqualQuantities(t *testing.T) {
	tests := []struct{ n, code, m, other string }{
		{"5", "mg", "0.005", "g"}, {"1", "kg", "1000000", "mg"}, {"1", "g", "1.000", "g"}, {"2.5", "ug", "2500", "ng"},
		{"1", "t", "1", "Mg"}, {"70", "kg", "70000", "g"},
		{"1", "L", "1", "l"}, {"1", "dL", "100", "mL"}, {"1", "m3", "1000", "L"}, {"1", "uL", "1", "mm3"}, {"1", "mL", "1", "cm3"}, {"90", "fL", "90", "um3"},
		{"120", "mg/dL", "1.2", "g/L"}, {"1", "ng/mL", "1", "ug/L"}, {"1", "pg/mL", "1", "ng/L"}, {"13.5", "g/dL", "135", "g/L"}, {"1", "g%", "1", "g/dL"},
		{"5.4", "mmol/L", "5400", "umol/L"}, {"1", "mol/L", "1", "mmol/mL"}, {"1", "eq/L", "1", "mol/L"}, {"140", "meq/L", "140", "mmol/L"}, {"290", "mosm/kg", "290", "mmol/kg"},
		{"1", "U/L", "1", "umol/min/L"}, {"60", "U", "1", "ukat"}, {"1", "kU/L", "1", "U/mL"},
		{"7", "10*9/L", "7", "10*3/uL"}, {"7", "10*9/L", "7000", "/uL"}, {"4.5", "10*12/L", "4.5", "10*6/uL"}, {"1", "10^3/uL", "1", "10*3/uL"}, {"3", "/mm3", "3", "/uL"},
		{"120", "mm[Hg]", "15998.64", "Pa"}, {"1", "m[Hg]", "133.322", "kPa"}, {"10", "cm[H2O]", "980.665", "Pa"}, {"1", "bar", "100", "kPa"}, {"1", "atm", "1013.25", "mbar"},
		{"98.6", "[degF]", "37.0", "Cel"}, {"37", "Cel", "310.15", "K"}, {"-40", "Cel", "-40", "[degF]"}, {"0", "K", "-459.67", "[degF]"}, {"9", "[degR]", "5", "K"},
		{"72", "/min", "1.2", "Hz"}, {"72", "{beats}/min", "72", "/min"}, {"72", "/min", "4320", "/h"}, {"1", "Bq", "1", "/s"},
		{"50", "%", "0.5", "1"}, {"1", "%", "10", "[ppth]"}, {"1", "[ppm]", "1000", "[ppb]"}, {"3", "{score}", "3", "1"}, {"3", "{INR}", "3", "{ratio}"}, {"1", "10*", "10", "1"},
		{"1", "h", "60", "min"}, {"1", "d", "24", "h"}, {"1", "wk", "7", "d"}, {"4", "a", "1461", "d"}, {"12", "mo", "1", "a"}, {"1", "a", "1", "a_j"}, {"1", "min", "60000", "ms"},
		{"1", "[in_i]", "2.54", "cm"}, {"1", "[ft_i]", "0.3048", "m"}, {"6", "[ft_i]", "72", "[in_i]"}, {"1", "[mi_i]", "1.609344", "km"}, {"1", "[yd_i]", "0.9144", "m"}, {"3937", "[ft_us]", "1200", "m"}, {"1", "[mi_us]", "5280", "[ft_us]"},
		{"1", "[lb_av]", "453.59237", "g"}, {"16", "[oz_av]", "1", "[lb_av]"}, {"1", "[stone_av]", "14", "[lb_av]"}, {"1", "[gr]", "64.79891", "mg"}, {"1", "[oz_tr]", "31.1034768", "g"},
		{"1", "[gal_us]", "3.785411784", "L"}, {"1", "[foz_us]", "29.5735295625", "mL"}, {"3", "[tsp_us]", "1", "[tbs_us]"}, {"1", "[tsp_m]", "5", "mL"}, {"20", "[drp]", "1", "mL"}, {"1", "[gal_br]", "4.54609", "L"}, {"1", "[acr_us]", "10", "[ch_us]2"},
		{"27", "kg/m2", "2.7", "g/cm2"}, {"1", "mL/min/{1.73_m2}", "1", "mL/min"}, {"1", "mg/kg/d", "1", "mg/(kg.d)"}, {"1", "mg/kg/d", "1", "mg.kg-1.d-1"}, {"3", "L/min/m2", "3000", "mL/min/m2"}, {"1", "m/s2", "1", "(m/s)/s"},
		{"1", "kcal", "4184", "J"}, {"1", "[Cal]", "1", "kcal_th"}, {"1", "kW.h", "3.6", "MJ"}, {"1", "N", "100000", "dyn"}, {"1", "P", "100", "cP"}, {"1", "Gy", "100", "RAD"}, {"1", "Sv", "100", "REM"}, {"1", "mCi", "37", "MBq"}, {"1", "Ci", "37000000000", "Bq"},
		{"1", "V", "1", "W/A"}, {"1", "Ohm", "1", "V/A"}, {"1", "S", "1", "mho"}, {"1", "T", "10000", "G"}, {"1", "C", "1", "A.s"}, {"1", "F", "1", "C/V"}, {"1", "H", "1", "Wb/A"},
		{"360", "deg", "1", "circ"}, {"1", "deg", "60", "'"}, {"1", "'", "60", "''"}, {"1", "[diop]", "1", "/m"}, {"50", "[wood'U]", "3", "[PRU]"},
		{"100", "[iU]", "100", "[IU]"}, {"100", "[iU]/L", "0.1", "[IU]/mL"}, {"1", "k[iU]/L", "1", "[iU]/mL"}, {"10", "dB", "1", "B"}, {"3", "Ch", "3", "Ch"}, {"2", "mg{total}", "2", "mg"}, {"2", "mg{a.b/c}", "2", "mg"},
		{"1", "m+2", "1", "m2"}, {"1", "1/m", "1", "m-1"}, {"1", "100.g", "100", "g"}, {"1", "KiBy", "8192", "bit"}, {"1", "dag", "10", "g"}, {"1", "das", "10", "s"}, {"1", "cd", "1", "cd"}, {"1", "Pa", "1", "N/m2"}, {"1", "[c].s", "299792458", "m"}, {"1", "[ly]", "1", "[c].a_j"}, {"1", "mol", "602213670000000000000000", "1"},
	}
	for _, tt := range tests {
		if tt.code == "Ch" {
			tt.code, tt.other = "[Ch]", "[Ch]"
		}
		if a, b := base(t, tt.n, tt.code), base(t, tt.m, tt.other); a != b {
			t.Errorf("%s %s is %s, but %s %s is %s", tt.n, tt.code, a, tt.m, tt.other, b)
		}
	}
}

func TestBase(t *testing.T) {
	tests := []struct{ code, want string }{
		{"mg/dL", "g.m-3"}, {"mm[Hg]", "g.m-1.s-2"}, {"1", "1"}, {"%", "1"}, {"{x}", "1"}, {"/min", "s-1"}, {"m/m", "1"},
		{"[iU]/L", "[iU].m-3"}, {"[pH]", "[pH]"}, {"[arb'U]", "[arb'U]"}, {"Cel", "K"}, {"J/K", "K-1.g.m2.s-2"}, {"deg", "rad"}, {"dB", "B"},
	}
	for _, tt := range tests {
		if u, err := Parse(tt.code); err != nil || u.Base != tt.want {
			t.Errorf("%s: %+v, %v; want %s", tt.code, u, err, tt.want)
		}
	}
}

func TestRefused(t *testing.T) {
	codes := []string{
		"", "Mg/DL", "xyz", "mg/", "mg//dL", "mg.", "(mg", "mg)", "mg{x", "mg}", "[in_i", "m0", "m31", "m-", "m+-2", "m-+2", "0", "1234567890123456", "mg dL", "m[in_i]", "kmin", "d%",
		"Cel/min", "mCel", "°C", "mm Hg", "beats/min", "(score)", "2mg", "mg2/", strings.Repeat("(", 12) + "m" + strings.Repeat(")", 12), strings.Repeat("m.", 60) + "m",
	}
	for _, code := range codes {
		if u, err := Parse(code); err == nil {
			t.Errorf("%q is taken for %s", code, u.Base)
		} else if Lookup([]byte(code)) != nil {
			t.Errorf("Lookup takes %q", code)
		}
	}
}

// Every row of the tables must be readable, alone and with a prefix.
func TestTable(t *testing.T) {
	for symbol, u := range units {
		for _, code := range []string{symbol, "k" + symbol} {
			_, err := Parse(code)
			if want := code == symbol || u.metric || units[code] != nil; (err == nil) != want {
				t.Errorf("%s: %v", code, err)
			}
		}
	}
}

func TestShift(t *testing.T) {
	for code, want := range map[string]int{"g": 0, "mg": -3, "kg": 3, "mg/dL": 1, "%": -2, "10*3/uL": 12, "{x}": 0} {
		if n, ok := Lookup([]byte(code)).Shift(); !ok || n != want {
			t.Errorf("%s is 10^%d, %v; want %d", code, n, ok, want)
		}
	}
	for _, code := range []string{"min", "Cel", "[lb_av]", "mmol/L", "/min"} {
		if n, ok := Lookup([]byte(code)).Shift(); ok {
			t.Errorf("%s is 10^%d", code, n)
		}
	}
}

// A greater number of a unit is never less in base units, and thirds are cut
// in the same way whatever unit they come from.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.SampledFrom([]string{"mg", "/min", "Cel", "[degF]", "[lb_av]", "mmol/L", "[ft_us]", "mo", "10*3/uL"}).Draw(t, "unit")
		u := Lookup([]byte(code))
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		e, f := rapid.IntRange(-40, 10).Draw(t, "e"), rapid.IntRange(-40, 10).Draw(t, "f")
		rat := func(n *big.Int, e int) *big.Rat {
			r := new(big.Rat).SetInt(n)
			return r.Mul(r, ratPower(10, e))
		}
		x, y := rat(big.NewInt(a), e), rat(big.NewInt(b), f)
		bx, by := rat(u.ToBase(big.NewInt(a), e)), rat(u.ToBase(big.NewInt(b), f))
		if x.Cmp(y) < 0 && bx.Cmp(by) > 0 || x.Cmp(y) == 0 && bx.Cmp(by) != 0 {
			t.Fatalf("%v and %v %s are %v and %v %s", x, y, code, bx, by, u.Base)
		}
	})
	third := base(t, "20", "/min")
	for _, other := range []string{base(t, "1200", "/h"), base(t, "28800.000", "/d"), base(t, "201600", "/wk")} {
		if third != other {
			t.Errorf("a third of a hertz is %s and %s", third, other)
		}
	}
}

// Parse must never panic; annotations and order must not matter.
func FuzzParse(f *testing.F) {
	for _, code := range []string{"mg/dL", "10*3/uL", "m[Hg].(s/2{x}).Cel", "[in_i'H2O]-2", "/min", "((m))", "''", "%[slope]", "{a}{b}", "m+"} {
		f.Add(code)
	}
	f.Fuzz(func(t *testing.T, code string) {
		u, err := Parse(code)
		if err != nil {
			return
		}
		if v, err := Parse("(" + code + ")"); err == nil && (v.Base != u.Base || v.factor.Cmp(u.factor) != 0) {
			t.Errorf("%q in parentheses is another unit", code)
		}
		u.ToBase(big.NewInt(-7), -2)
	})
}

func TestConvert(t *testing.T) {
	for _, tt := range []struct{ x, from, to, want string }{
		{"60", "mg", "g", "3/50"}, {"98.6", "[degF]", "Cel", "37"}, {"37", "Cel", "[degF]", "493/5"}, {"1", "g", "mL", ""},
		{"120", "mm[Hg]", "mm[Hg]", "120"}, {"1", "[lb_av]", "kg", "45359237/100000000"}, {"5", "Cel", "K", "5563/20"},
	} {
		from, to, x := Lookup([]byte(tt.from)), Lookup([]byte(tt.to)), new(big.Rat)
		x.SetString(tt.x)
		got := ""
		if y := from.Convert(x, to); y != nil {
			got = y.RatString()
		}
		if got != tt.want {
			t.Errorf("%s %s is %q %s; want %q", tt.x, tt.from, got, tt.to, tt.want)
		}
	}
}

func TestDecimals(t *testing.T) {
	for _, text := range []string{"0", "1", "9", "10", "99", "100", "999999999999999999999", "1000000000000000000000", "-1000", "-999", "18446744073709551616"} {
		n, _ := new(big.Int).SetString(text, 10)
		if got, want := decimals(n), len(strings.TrimPrefix(text, "-")); got != want {
			t.Errorf("%s has %d digits; want %d", text, got, want)
		}
	}
	for i := range 300 {
		for _, off := range []int64{-1, 0, 1} {
			n := new(big.Int).Add(power(10, i), big.NewInt(off))
			if got, want := decimals(n), len(n.String()); got != want {
				t.Errorf("10^%d + %d has %d digits; want %d", i, off, got, want)
			}
		}
	}
}

func BenchmarkToBase(b *testing.B) {
	for _, code := range []string{"mg/dL", "mmol/L", "/min", "Cel"} {
		b.Run(strings.ReplaceAll(code, "/", "_per_"), func(b *testing.B) {
			u, n := Lookup([]byte(code)), big.NewInt(1234)
			b.ReportAllocs()
			for b.Loop() {
				u.ToBase(n, -2)
			}
		})
	}
}

package chars

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/tarnhealth/tarn/internal/seeded"
)

func TestFold(t *testing.T) {
	tests := []struct{ in, want string }{
		{"Peter  James ", "peter james"},
		{" \t\n", ""},
		{"MÜLLER", "muller"},
		{"Mu\u0308ller", "muller"},
		{"Ærøskøbing", "ærøskøbing"},
		{"a\u00a0b", "a b"},
		{"İstanbul", "istanbul"},
		{"a\x00b\x1f", "ab"},
		{"日本", "日本"},
	}
	for _, tt := range tests {
		if got := string(AppendFolded([]byte("x"), []byte(tt.in))); got != "x"+tt.want {
			t.Errorf("%q folds to %q; want %q", tt.in, got[1:], tt.want)
		}
	}
}

// Folding twice must change nothing, and both ways of folding must agree.
func TestFoldIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.String().Draw(t, "text"))
		once := AppendFolded(nil, text)
		if twice := AppendFolded(nil, once); !bytes.Equal(once, twice) {
			t.Fatalf("%q folds to %q and then to %q", text, once, twice)
		}
		if slow := appendFoldedSlow(nil, text); !bytes.Equal(once, slow) {
			t.Fatalf("%q folds to %q, the slow way to %q", text, once, slow)
		}
	})
}

func TestCapped(t *testing.T) {
	long := strings.Repeat("é", 100)
	a, b := AppendCapped(nil, []byte(long+"a"), 101), AppendCapped(nil, []byte(long+"b"), 101)
	if bytes.Equal(a, b) || len(a) != 100+1+16+1 || bytes.IndexByte(a, 0) != len(a)-1 {
		t.Errorf("keys of long texts: %q and %q", a, b)
	}
}

func TestSplit(t *testing.T) {
	tests := []struct {
		value string
		want  []string
	}{
		{"a", []string{"a"}},
		{"a,b", []string{"a", "b"}},
		{`a\,b,c`, []string{`a\,b`, "c"}},
		{`a\\,b`, []string{`a\\`, "b"}},
		{`a\`, []string{`a\`}},
		{",", []string{"", ""}},
	}
	for _, tt := range tests {
		if got := Split(tt.value, ','); !slices.Equal(got, tt.want) {
			t.Errorf("%q splits into %q; want %q", tt.value, got, tt.want)
		}
	}
	if got := Unescape(`a\,b\$c\|d\\e\f\`); got != `a,b$c|d\e\f\` {
		t.Errorf("unescape gives %q", got)
	}
}

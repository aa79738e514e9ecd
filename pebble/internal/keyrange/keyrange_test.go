package keyrange

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

func list(pairs ...string) (l List) {
	for i := 0; i < len(pairs); i += 2 {
		l = append(l, Range{[]byte(pairs[i]), []byte(pairs[i+1])})
	}
	return l
}

func TestReduce(t *testing.T) {
	tests := []struct {
		in   List
		most int
		want List
	}{
		{nil, 1, nil},
		{list("b3", "b4", "b1", "b2"), 2, list("b1", "b2", "b3", "b4")},
		{list("b3", "b4", "b1", "b3"), 2, list("b1", "b4")},
		{list("b1", "b9", "b2", "b3"), 2, list("b1", "b9")},
		{list("b1", "b2", "b3", "b4", "v1", "v2"), 2, list("b1", "b4", "v1", "v2")},
	}
	for _, tt := range tests {
		if got := tt.in.Reduce(tt.most); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s became %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestAdd(t *testing.T) {
	var l List
	for _, from := range []string{"a", "a", "b"} {
		l.Add(Range{[]byte(from), []byte("z")})
	}
	if len(l) != 2 {
		t.Errorf("%d ranges: %s", len(l), l)
	}
}

func TestReadWhatAppendWrote(t *testing.T) {
	want := list("b1", "b2", "", "v")
	record := want.Append(nil)
	if got, err := Read(record); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s came back as %s, %v", want, got, err)
	}
	for n := 1; n < len(record); n++ {
		if got, err := Read(record[:n]); n != 6 && !errors.Is(err, posting.ErrDamaged) {
			t.Errorf("%d bytes of %d: %s, %v", n, len(record), got, err)
		}
	}
	if _, err := Read(list("b", "a").Append(nil)); !errors.Is(err, posting.ErrDamaged) {
		t.Errorf("a range that ends before it begins: %v", err)
	}
}

package datastore_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/datastore"
)

func TestCursors(t *testing.T) {
	ann, bob := datastore.NewCursors([]byte("key"), "ann"), datastore.NewCursors([]byte("key"), "bob")
	text := ann.Seal("search", []byte("place 17"))
	if again := ann.Seal("search", []byte("place 17")); again != text {
		t.Error("the same place is sealed in two ways")
	}
	if raw, _ := base64.RawURLEncoding.DecodeString(text); strings.Contains(string(raw), "place") || strings.Contains(string(raw), "17") {
		t.Error("a cursor can be read")
	}
	if place, err := ann.Open("search", text); err != nil || string(place) != "place 17" {
		t.Errorf("%q %v", place, err)
	}
	for name, c := range map[string]struct {
		cursors  datastore.Cursors
		of, text string
		want     error
	}{
		"another caller": {bob, "search", text, datastore.ErrCursorCaller},
		"another search": {ann, "searches", text, datastore.ErrCursor},
		"another key":    {datastore.NewCursors([]byte("kez"), "ann"), "search", text, datastore.ErrCursor},
		"empty":          {ann, "search", "", datastore.ErrCursor},
		"short":          {ann, "search", text[:30], datastore.ErrCursor},
		"lines":          {ann, "search", text[:8] + "\n" + text[8:], datastore.ErrCursor},
		"no base64":      {ann, "search", "§", datastore.ErrCursor},
	} {
		if _, err := c.cursors.Open(c.of, c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range text {
		changed := []byte(text)
		if changed[i]++; changed[i] == text[i] {
			continue
		}
		if place, err := ann.Open("search", string(changed)); err == nil {
			t.Fatalf("changed at %d it is %q", i, place)
		}
	}
}

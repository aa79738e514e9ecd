package rest

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"

	"github.com/tarnhealth/tarn/datastore"
)

// TestTokensThereAndBack walks a thousand pages forwards and then back as far
// as the tokens reach, which must stay short.
func TestTokensThereAndBack(t *testing.T) {
	key := datastore.NewCursors([]byte("key"), "")
	here := pageToken{kind: pageOfSearch, t: 9}
	longest := 0
	pages := []pageToken{here}
	for i := range 1000 {
		text := makeToken(key, here.next(binary.BigEndian.AppendUint64([]byte("cursor"), uint64(i))), "x")
		longest = max(longest, len(text))
		var err error
		if here, err = parseToken(key, text, pageOfSearch, "x"); err != nil {
			t.Fatal(err)
		}
		pages = append(pages, here)
	}
	if longest > 1000 {
		t.Errorf("a token has %d bytes", longest)
	}
	back := 0
	for at := len(pages) - 1; ; at-- {
		before, ok := here.previous()
		if !ok {
			break
		}
		if here = before; here.number != at-1 || !bytes.Equal(here.cursor(), pages[at-1].cursor()) {
			t.Fatalf("the page before %d is %+v", at, here)
		}
		back++
	}
	if back < 30 {
		t.Errorf("%d pages back", back)
	}
	// Near the beginning every page is reached, the first too.
	here = pages[3]
	for range 3 {
		here, _ = here.previous()
	}
	if !reflect.DeepEqual(here, pages[0]) {
		t.Errorf("the first page is %+v", here)
	}
	if _, ok := here.previous(); ok {
		t.Error("there is a page before the first")
	}
}

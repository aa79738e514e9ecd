package binary

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// bare are contents without a bucket, for what needs none.
func bare(key string) *Contents {
	now := time.Unix(1_800_000_000, 0)
	return &Contents{
		opt:        Options{Life: DefaultLife, Now: func() time.Time { return now }},
		records:    newRecords(nil, "s"),
		standInKey: derive([]byte(key), "stand-in"), urlKey: derive([]byte(key), "url"), spent: map[string]bool{},
	}
}

// TestStandIn is read for the resource that it was made for, with the key that
// it was made with, and where nothing of it was changed.
func TestStandIn(t *testing.T) {
	c, of := bare("k"), Owner{"Binary", "b"}
	s := c.newStandIn(of, Octets, 1<<40, [32]byte{1, 2, 3})
	text := s.text()
	if len(text) != standInSize {
		t.Fatalf("it has %d characters", len(text))
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(text); err != nil {
		t.Errorf("it is no base64: %v", err)
	}
	if got, ok := c.read(of, []byte(text)); !ok || got != s {
		t.Errorf("it is read as %+v, %v", got, ok)
	}
	for name, read := range map[string]func() (StandIn, bool){
		"another resource":   func() (StandIn, bool) { return c.read(Owner{"Binary", "c"}, []byte(text)) },
		"another type":       func() (StandIn, bool) { return c.read(Owner{"Media", "b"}, []byte(text)) },
		"another data store": func() (StandIn, bool) { return bare("other").read(of, []byte(text)) },
	} {
		if _, ok := read(); ok {
			t.Errorf("%s takes it", name)
		}
	}
	for i := range text {
		changed := []byte(text)
		if changed[i]++; changed[i] == text[i] {
			continue
		}
		if _, ok := c.read(of, changed); ok {
			t.Errorf("it may be changed at %d", i)
		}
	}
	body := `{"a":"` + text + `","b":"x` + text + `","c":"` + text[:90] + `","d":"` + text + `"}`
	if found := c.find(of, []byte(body)); len(found) != 2 || found[0].at != 6 || found[1].StandIn != s {
		t.Errorf("in a body: %+v", found)
	}
}

// TestSignedURL is refused where any of its parts was changed, and when its time
// is over.
func TestSignedURL(t *testing.T) {
	c := bare("k")
	g := Grant{Method: "PUT", ID: "b", Version: 3, ContentType: "image/png", Expected: Expected{Size: 5, SHA256: bytes.Repeat([]byte{9}, 32)}, From: "r"}
	q, err := url.ParseQuery(c.Sign(g))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Check("PUT", "b", "3", q)
	if err != nil || got.From != "r" || got.Expected.Size != 5 || got.Path() != "content/b/3" {
		t.Fatalf("%+v, %v", got, err)
	}
	for name := range q {
		for _, value := range []string{"", q.Get(name) + "1", "x"} {
			changed := url.Values{}
			for other := range q {
				changed.Set(other, q.Get(other))
			}
			if changed.Set(name, value); value == "" {
				changed.Del(name)
			}
			if _, err := c.Check("PUT", "b", "3", changed); fhir.KindOf(err) != fhir.KindForbidden {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
	for _, k := range [][3]string{{"GET", "b", "3"}, {"PUT", "c", "3"}, {"PUT", "b", "4"}, {"PUT", "b", "03x"}} {
		if _, err := c.Check(k[0], k[1], k[2], q); fhir.KindOf(err) != fhir.KindForbidden {
			t.Errorf("%v: %v", k, err)
		}
	}
	if _, err := bare("other").Check("PUT", "b", "3", q); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("another data store: %v", err)
	}
	late := c.opt.Now().Add(DefaultLife)
	c.opt.Now = func() time.Time { return late }
	if _, err := c.Check("PUT", "b", "3", q); fhir.KindOf(err) != fhir.KindGone {
		t.Errorf("later: %v", err)
	}
	done, err := c.Spend(got)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Spend(got); fhir.KindOf(err) != fhir.KindConflict {
		t.Errorf("twice at a time: %v", err)
	}
	done()
	if _, err := c.Spend(got); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestGrantsNarrow: a request says nothing else of its content than its URL does.
func TestGrantsNarrow(t *testing.T) {
	one, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	put := func(size int64, sum []byte) Grant {
		return Grant{Method: "PUT", Expected: Expected{Size: size, SHA256: sum}}
	}
	for name, test := range map[string]struct {
		grant   Grant
		request Expected
		kind    fhir.Kind // of the error; 0 for none
		want    Expected
	}{
		"nothing granted":     {Grant{}, Expected{Size: 7, SHA256: other}, 0, Expected{Size: 7, SHA256: other}},
		"nothing said":        {put(5, one), Expected{Size: -1}, 0, Expected{Size: 5, SHA256: one}},
		"the same":            {put(5, one), Expected{Size: 5, SHA256: one}, 0, Expected{Size: 5, SHA256: one}},
		"no bounds":           {put(-1, nil), Expected{Size: 7, SHA256: other}, 0, Expected{Size: 7, SHA256: other}},
		"another size":        {put(5, nil), Expected{Size: 7}, fhir.KindInvalid, Expected{}},
		"empty":               {put(5, nil), Expected{Size: 0}, fhir.KindInvalid, Expected{}},
		"another sum":         {put(-1, one), Expected{Size: -1, SHA256: other}, fhir.KindUnprocessable, Expected{}},
		"of the size, no sum": {put(5, one), Expected{Size: 5, SHA256: other}, fhir.KindUnprocessable, Expected{}},
	} {
		err := test.grant.Narrow(&test.request)
		if (err != nil) != (test.kind != 0) || err != nil && fhir.KindOf(err) != test.kind {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (test.request.Size != test.want.Size || !bytes.Equal(test.request.SHA256, test.want.SHA256)) {
			t.Errorf("%s: %+v", name, test.request)
		}
	}
}

// TestFillerLeavesTheRest checks that what only looks like a stand-in passes, in
// whatever pieces it comes.
func TestFillerLeavesTheRest(t *testing.T) {
	text := strings.Repeat("+/tarn/content/++/tarn/content", 9) + beginning + beginning + "+"
	for size := range 40 {
		var out bytes.Buffer
		w := new(Filler).Writer(context.Background(), &out, false)
		for from := 0; from < len(text); from += size + 1 {
			if n, err := w.Write([]byte(text[from:min(from+size+1, len(text))])); err != nil || n == 0 {
				t.Fatal(n, err)
			}
		}
		if err := w.Close(); err != nil || out.String() != text {
			t.Errorf("in pieces of %d: %q, %v", size+1, out.String(), err)
		}
	}
}

// FuzzUnspelled reads any JSON string as encoding/json does, but for white space.
func FuzzUnspelled(f *testing.F) {
	for _, s := range []string{`abc=`, `a\nb\/c`, `\u0041\u002B`, `\u00e9`, ` a\tb `, `\`, `\u12`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spelled string) {
		var want string
		if json.Unmarshal([]byte(`"`+spelled+`"`), &want) != nil || strings.ContainsFunc(want, func(c rune) bool { return c > 0x7e || c < ' ' && !strings.ContainsRune("\n\r\t", c) }) {
			return // no such string is content
		}
		want = strings.NewReplacer(" ", "", "\n", "", "\r", "", "\t", "").Replace(want)
		for _, from := range []io.Reader{strings.NewReader(spelled), iotest.OneByteReader(strings.NewReader(spelled))} {
			got, err := io.ReadAll(&unspelled{from: from})
			if err != nil || string(got) != want {
				t.Fatalf("%q is read as %q, %v; want %q", spelled, got, err, want)
			}
		}
	})
}

package datastore_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	_ "github.com/tarnhealth/tarn/internal/seeded"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

func bytesOf(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func document(id string, data ...string) string {
	var content []string
	for _, d := range data {
		content = append(content, `{"attachment":{"contentType":"text/plain","data":"`+d+`"}}`)
	}
	return `{"resourceType":"DocumentReference","id":"` + id + `","status":"current","content":[` + strings.Join(content, ",") + `]}`
}

// texts are all ways in which a version is read, as text.
func texts(t tester, s *datastore.Store, resourceType, id string) map[string]string {
	t.Helper()
	all := map[string]string{}
	view, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	text := func(v store.Version) string {
		return string(v.Body.Append(nil, strconv.FormatUint(v.Number, 10), v.LastUpdated))
	}
	v, err := view.Read(ctx, resourceType, id)
	if err != nil {
		t.Fatal(err)
	}
	all["read"] = text(v)
	if v, err = view.VRead(ctx, resourceType, id, strconv.FormatUint(v.Number, 10)); err != nil {
		t.Fatal(err)
	}
	all["vread"] = text(v)
	first := func(name string, versions iter.Seq2[store.Version, error], err error) {
		if err != nil {
			t.Fatal(err)
		}
		for v, err := range versions {
			if err != nil {
				t.Fatal(err)
			}
			if v.ID == id {
				all[name] = text(v)
				return
			}
		}
	}
	history, err := view.History(ctx, store.History{Type: resourceType})
	first("history", history, err)
	parts := []search.Part{{Type: resourceType}}
	found, err := view.Search(ctx, &search.Query{Plan: search.Plan{Parts: parts}}, store.Page{Limit: 100})
	first("search", found.Matches, err)
	lines, err := view.Bulk(ctx, datastore.BulkQuery{Parts: parts})
	first("bulk", lines, err)

	filler := new(binary.Filler)
	v, err = view.Read(binary.With(ctx, filler), resourceType, id)
	if err != nil {
		t.Fatal(err)
	}
	kept := text(v)
	var out bytes.Buffer
	w := filler.Writer(ctx, &out, false)
	for piece := range slices.Chunk([]byte(kept), 7) {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	all["filled"] = out.String()
	if int64(out.Len()) != filler.Size([]byte(kept)) {
		t.Errorf("%d bytes were filled in to %d, where %d were to be", len(kept), out.Len(), filler.Size([]byte(kept)))
	}
	return all
}

// TestContentsComeBack checks that what was written comes back byte for byte,
// whatever its base64 looks like and wherever it stands.
func TestContentsComeBack(t *testing.T) {
	w := newContentWorld(t)
	s := w.store(t)
	rapid.Check(t, func(t *rapid.T) {
		const id = "r"
		var data []string
		for range rapid.IntRange(1, 4).Draw(t, "values") {
			size := rapid.SampledFrom([]int{1, 59, 60, 61, 62, 63, 100, 5000, 40_000}).Draw(t, "size")
			text := base64.StdEncoding.EncodeToString(bytesOf(size, rapid.Uint64Range(0, 3).Draw(t, "seed")))
			switch rapid.IntRange(0, 7).Draw(t, "spelling") {
			case 0:
				text = strings.ReplaceAll(text, "/", `\/`)
			case 1:
				text = text[:len(text)/2/4*4] + `\n` + text[len(text)/2/4*4:]
			case 2:
				text = strings.Replace(text, "A", `\u0041`, 1)
			case 3:
				text = "+/tarn/content/+" + text[:len(text)/4*4]
			case 4:
				text = strings.Replace(text, "+", " +", 1)
			}
			data = append(data, text)
		}
		src := document(id, data...)
		op := datastore.Op{Interaction: authz.Update, Type: "DocumentReference", ID: id}
		var err error
		if op.Resource, err = s.Parse([]byte(src)); err != nil {
			t.Fatal(err)
		}
		out, err := commit(s, op)
		if err != nil {
			t.Fatal(err)
		}
		v := out[0].Version
		want := string(fhir.NewBody(op.Resource.Root(), id).Append(nil, strconv.FormatUint(v.Number, 10), v.LastUpdated))
		if got := string(v.Body.Append(nil, strconv.FormatUint(v.Number, 10), v.LastUpdated)); got != want {
			t.Fatalf("the outcome is %.500s\nwant %.500s", got, want)
		}
		for name, got := range texts(t, s, "DocumentReference", id) {
			if got != want {
				t.Fatalf("%s gives %.500s\nwant %.500s", name, got, want)
			}
		}
	})
}

// A tester is a testing.T or a rapid.T.
type tester interface {
	Helper()
	Fatal(...any)
	Errorf(string, ...any)
}

func base64Of(n int, seed uint64) string { return base64.StdEncoding.EncodeToString(bytesOf(n, seed)) }

// TestContentsOfVersions checks that versions share what is the same, keep what
// they have, and that contents go with the last version that has them.
func TestContentsOfVersions(t *testing.T) {
	w := newContentWorld(t)
	s := w.store(t)
	blobs := func(want int, when string) {
		t.Helper()
		if n := w.blobs(t); n != want {
			t.Fatalf("%s there are %d blobs, not %d", when, n, want)
		}
	}
	mustPut(t, s, document("d", base64Of(100, 1), base64Of(100, 2)))
	blobs(2, "after the first version")
	mustPut(t, s, document("d", base64Of(100, 2), base64Of(100, 2)))
	blobs(2, "after a version with one of them")
	mustPut(t, s, document("other", base64Of(100, 2)))
	blobs(3, "after another resource with the same content")
	if _, err := commit(s, datastore.Op{Interaction: authz.Update, Type: "DocumentReference", ID: "d", IfMatch: "9", Resource: parse(t, s, document("d", base64Of(100, 3)))}); err == nil {
		t.Fatal("a version that is not current was updated")
	}
	if _, err := commit(s, put(t, s, strings.Replace(document("d", base64Of(100, 4)), "current", "nonsense", 1))); err == nil {
		t.Fatal("a wrong resource was stored")
	}
	blobs(3, "after updates that were refused")
	remove(t, s, "DocumentReference", "d")
	blobs(3, "after a deletion")
	if _, err := erase(s, store.Erasure{Type: "DocumentReference", ID: "d", Number: 1}); err != nil {
		t.Fatal(err)
	}
	blobs(2, "after the erasure of the only version with the first content")
	if _, err := erase(s, store.Erasure{Type: "DocumentReference", ID: "d"}); err != nil {
		t.Fatal(err)
	}
	blobs(1, "after the erasure of the resource")
	for name, text := range texts(t, s, "DocumentReference", "other") {
		if !strings.Contains(text, base64Of(100, 2)) {
			t.Fatalf("%s lost its content: %.300s", name, text)
		}
	}
	if _, err := expunge(s, datastore.Erasing{}, datastore.Selection{Types: []string{"DocumentReference"}, Criteria: []search.Pair{{Name: "_id", Value: "other"}}}); err != nil {
		t.Fatal(err)
	}
	blobs(0, "after the expunge of the last")
}

// TestContentsOfPurge checks that a patient's contents go with the patient.
func TestContentsOfPurge(t *testing.T) {
	w := newContentWorld(t)
	s := w.store(t)
	mustPut(t, s, patient, strings.Replace(document("d", base64Of(2_000_000, 1)), `"status"`, `"subject":{"reference":"Patient/p"},"status"`, 1), document("kept", base64Of(100, 2)))
	if n := w.blobs(t); n != 2 {
		t.Fatalf("there are %d blobs", n)
	}
	out, err := s.Purge(ctx, authz.Unrestricted(), erasing, "p")
	if err != nil || w.blobs(t) != 1 {
		t.Fatalf("after the purge there are %d blobs: %+v, %v", w.blobs(t), out, err)
	}
	if err := w.catalog.Close(); err != nil {
		t.Fatal(err)
	}
	w.open(t)
	if _, err := w.catalog.Delete(ctx, "s"); err != nil {
		t.Fatal(err)
	}
	if n := w.blobs(t); n != 0 {
		t.Errorf("a data store left %d blobs", n)
	}
}

// TestContentsOfOlderRecords checks that contents are found, and erased, where
// the records are from before them, as after a restore.
func TestContentsOfOlderRecords(t *testing.T) {
	for _, k := range []struct {
		name    string
		uploads bool // the records know of blobs that belong to nobody
	}{{"none", false}, {"of uploads", true}} {
		t.Run(k.name, func(t *testing.T) {
			w := newContentWorld(t)
			s := w.store(t)
			first, second := document("d", base64Of(100, 1)), document("d", base64Of(100, 2))
			mustPut(t, s, first, second, document("e", base64Of(100, 1)))
			err := w.records.Update(ctx, func(tx kv.Tx) error {
				var keys, values [][]byte
				for r, err := range tx.Scan([]byte("binary"), []byte("binarz")) {
					if err != nil {
						return err
					}
					keys, values = append(keys, r.Key), append(values, r.Value)
				}
				for i, key := range keys {
					if err := tx.Delete(key); err != nil {
						return err
					}
					var known struct{ Blob string }
					if err := json.Unmarshal(values[i], &known); err != nil || !k.uploads {
						continue
					}
					if err := tx.Set([]byte("binary-upload\x00s\x00"+known.Blob), []byte("{}"), time.Time{}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			w.crash(t)
			s = w.store(t)
			if err := w.contents.Sweep(ctx); err != nil {
				t.Fatal(err)
			}
			for name, text := range texts(t, s, "DocumentReference", "d") {
				if !strings.Contains(text, base64Of(100, 2)) {
					t.Errorf("%s: %s", name, text)
				}
			}
			if _, err := erase(s, store.Erasure{Type: "DocumentReference", ID: "d"}); err != nil || w.blobs(t) != 1 {
				t.Errorf("after an erasure there are %d blobs, %v", w.blobs(t), err)
			}
			w.checkWhole(t)
		})
	}
}

// TestContentsOfACopy restores a copy of a data folder, without its records of
// contents, beside the one that goes on in the same bucket: what is newer there
// stays, where the bucket is shared.
func TestContentsOfACopy(t *testing.T) {
	for shared, want := range map[bool]int{true: 2, false: 1} {
		w := newContentWorld(t)
		mustPut(t, w.store(t), document("d", base64Of(100, 1)))
		copied := w.disk.CrashClone(vfs.CrashCloneCfg{})
		mustPut(t, w.store(t), document("e", base64Of(100, 2)))
		if err := w.catalog.Close(); err != nil {
			t.Fatal(err)
		}
		w.disk, w.shared = copied, shared
		w.open(t)
		err := w.records.Update(ctx, func(tx kv.Tx) error {
			var keys [][]byte
			for r, err := range tx.Scan([]byte("binary"), []byte("binarz")) {
				if err != nil {
					return err
				}
				keys = append(keys, r.Key)
			}
			for _, key := range keys {
				if err := tx.Delete(key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.crash(t)
		s := w.store(t)
		for name, text := range texts(t, s, "DocumentReference", "d") {
			if !strings.Contains(text, base64Of(100, 1)) {
				t.Errorf("%s: %s", name, text)
			}
		}
		if err := w.contents.Sweep(ctx); err != nil || w.blobs(t) != want {
			t.Errorf("shared: %v: %d blobs are left, want %d; %v", shared, w.blobs(t), want, err)
		}
		if _, err := erase(s, store.Erasure{Type: "DocumentReference", ID: "d"}); err != nil || w.blobs(t) != want-1 {
			t.Errorf("shared: %v: after an erasure there are %d blobs, %v", shared, w.blobs(t), err)
		}
	}
}

// TestContentsCopied go from one data store to another piece by piece, and are
// independent of each other then.
func TestContentsCopied(t *testing.T) {
	w := newContentWorld(t)
	s := w.store(t)
	data := base64Of(2_000_000, 1) // more than a version may have in memory
	mustPut(t, s, document("d", data))
	to, err := w.catalog.Create(ctx, "to", "")
	if err != nil {
		t.Fatal(err)
	}
	filler := new(binary.Filler)
	apart := binary.With(ctx, filler)
	view, err := s.View(apart, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	v, err := view.Read(apart, "DocumentReference", "d")
	if err != nil {
		t.Fatal(err)
	}
	out, err := to.BulkWriter(authz.Unrestricted(), datastore.BulkOptions{}).Write(apart, [][]byte{v.Body.Append(nil, "1", v.LastUpdated)})
	if err != nil || out[0].Err != nil {
		t.Fatal(out, err)
	}
	if _, err := erase(s, store.Erasure{Type: "DocumentReference", ID: "d"}); err != nil || w.blobs(t) != 1 {
		t.Fatalf("%d blobs, %v", w.blobs(t), err)
	}
	copied, err := to.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	filler.Reset()
	if v, err = copied.Read(apart, "DocumentReference", "d"); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	fill := filler.Writer(ctx, &text, false)
	if _, err := fill.Write(v.Body.JSON); err != nil {
		t.Fatal(err)
	}
	if err := fill.Close(); err != nil || !strings.Contains(text.String(), `"data":"`+data+`"`) {
		t.Errorf("%.300s, %v", text.String(), err)
	}
}

// TestContentsTooLargeForMemory are told of, and are there for who reads them
// piece by piece.
func TestContentsTooLargeForMemory(t *testing.T) {
	w := newContentWorld(t)
	s := w.store(t)
	mustPut(t, s, document("d", base64Of(1_100_000, 1)))
	view, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	_, err = view.Read(ctx, "DocumentReference", "d")
	wantKind(t, err, fhir.KindTooCostly, "DocumentReference/d")
	patched, err := commit(s, datastore.Op{Interaction: authz.Patch, Type: "DocumentReference", ID: "d", Patch: func(current *fhir.Tree) ([]byte, error) {
		return bytes.Replace(current.Source, []byte(`"status":"current"`), []byte(`"status":"superseded"`), 1), nil
	}})
	if err != nil || patched[0].Version.Number != 2 || w.blobs(t) != 1 {
		t.Fatalf("%+v, %v, %d blobs", patched, err, w.blobs(t))
	}
	filler := new(binary.Filler)
	v, err := view.Read(binary.With(ctx, filler), "DocumentReference", "d")
	if err != nil || !filler.Armed() || len(v.Body.JSON) > 1000 {
		t.Fatalf("%d bytes in memory, %v", len(v.Body.JSON), err)
	}
}

// TestContentsThroughCrashes breaks every kind of write off at each of its
// steps. What is there after the next start is whole, and nothing else is.
func TestContentsThroughCrashes(t *testing.T) {
	writes := map[string]func(*datastore.Store, *contentWorld) error{
		"update": func(s *datastore.Store, _ *contentWorld) error {
			_, err := commit(s, put(t, s, document("d", base64Of(100, 5), base64Of(100, 6))))
			return err
		},
		"upload": func(s *datastore.Store, w *contentWorld) error {
			u, err := w.contents.Take(ctx, bytes.NewReader(bytesOf(300, 7)), binary.Expected{Size: -1})
			if err != nil {
				return err
			}
			op := put(t, s, document("d", u.Text()))
			op.Contents = []*binary.Upload{u}
			_, err = commit(s, op)
			u.Discard(ctx)
			return err
		},
		"load": func(s *datastore.Store, _ *contentWorld) error {
			_, err := s.BulkWriter(authz.Unrestricted(), datastore.BulkOptions{}).Write(ctx, [][]byte{[]byte(document("d", base64Of(100, 5))), []byte(document("l", base64Of(100, 6)))})
			return err
		},
		"erase version": func(s *datastore.Store, _ *contentWorld) error {
			_, err := erase(s, store.Erasure{Type: "DocumentReference", ID: "d", Number: 1})
			return err
		},
		"erase": func(s *datastore.Store, _ *contentWorld) error {
			_, err := erase(s, store.Erasure{Type: "DocumentReference", ID: "d"})
			return err
		},
	}
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			for steps, done := int64(0), false; !done; steps++ {
				w := newContentWorld(t)
				s := w.store(t)
				mustPut(t, s, document("d", base64Of(100, 1), base64Of(100, 2)), document("d", base64Of(100, 2)), document("e", base64Of(100, 3)))
				w.steps.Store(steps)
				done = write(s, w) == nil && w.steps.Load() >= 0
				w.crash(t)
				w.checkWhole(t)
				if steps > 30 {
					t.Fatal("the write never ends")
				}
			}
		})
	}
}

// checkWhole checks that every version has its contents, and that there is no
// blob that no version has.
func (w *contentWorld) checkWhole(t *testing.T) {
	t.Helper()
	s := w.store(t)
	if err := w.contents.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	view, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	history, err := view.History(ctx, store.History{})
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string]bool{}
	for v, err := range history {
		if err != nil {
			t.Fatal(err)
		}
		if v.Deleted() || v.Type != "DocumentReference" {
			continue
		}
		tree, err := s.Parse(v.Body.JSON)
		if err != nil {
			t.Fatal(err)
		}
		for content := range tree.Root().Each("content") {
			data := content.Child("attachment").TextOf("data")
			if len(data) != base64.StdEncoding.EncodedLen(100) && len(data) != base64.StdEncoding.EncodedLen(300) {
				t.Errorf("%s/%d has a content of %d characters", v.ID, v.Number, len(data))
			}
			contents[v.ID+data] = true
		}
	}
	if n := w.blobs(t); n != len(contents) {
		t.Errorf("there are %d blobs for %d contents", n, len(contents))
	}
}

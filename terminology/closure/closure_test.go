package closure_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/pebble/record"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/closure"
)

// prefixes relate codes by their beginnings: "a" subsumes "ab".
func prefixes(a, b terminology.Coding) (string, error) {
	switch {
	case a.Code == b.Code:
		return terminology.Equivalent, nil
	case strings.HasPrefix(b.Code, a.Code):
		return terminology.Subsumes, nil
	case strings.HasPrefix(a.Code, b.Code):
		return terminology.SubsumedBy, nil
	}
	return terminology.NotSubsumed, nil
}

func codings(codes ...string) (all []terminology.Coding) {
	for _, code := range codes {
		system, code, _ := strings.Cut(code, ":")
		all = append(all, terminology.Coding{System: system, Code: code})
	}
	return all
}

func shown(c closure.Changes, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	text := fmt.Sprint(c.Version)
	for _, l := range c.Links {
		text += fmt.Sprintf(" %s>%s", l.Ancestor.Code, l.Descendant.Code)
	}
	return text
}

// TestTables adds to tables of several clients, over a restart.
func TestTables(t *testing.T) {
	ctx := context.Background()
	disk := vfs.NewMem()
	db, err := record.Open("kv", record.Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	tables := closure.New(db, "s")
	want := func(what, got, want string) {
		t.Helper()
		if got != want && !(strings.HasPrefix(want, "error: ") && strings.HasPrefix(got, "error: ") && strings.Contains(got, want[len("error: "):])) {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	add := func(client, name string, codes ...string) string {
		return shown(tables.Add(ctx, client, name, codings(codes...), prefixes))
	}
	want("no table", add("c", "t", "x:a"), `error: there is no closure table "t"`)
	if err := tables.Reset(ctx, "c", "t"); err != nil {
		t.Fatal(err)
	}
	want("the first", add("c", "t", "x:ab", "x:z", "x:ab"), "2")
	want("another system", add("c", "t", "y:abc"), "3")
	want("above and below", add("c", "t", "x:a", "x:abc"), "5 a>ab ab>abc a>abc")
	want("nothing new", add("c", "t", "x:a"), "5")
	want("another client", add("d", "t", "x:a"), `error: no closure table`[:7]+`there is no closure table`)
	want("without a name", shown(closure.Changes{}, tables.Reset(ctx, "c", "")), "error: cannot name a closure table")

	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = record.Open("kv", record.Options{FS: disk}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables = closure.New(db, "s")
	since := func(version int) string { return shown(tables.Since(ctx, "c", "t", version, prefixes)) }
	want("all again", since(0), "5 a>ab ab>abc a>abc")
	want("the last", since(4), "5 ab>abc a>abc")
	want("nothing", since(5), "5")
	want("the future", since(6), "error: has had the versions 0 to 5, not 6")

	if err := tables.Reset(ctx, "c", "t"); err != nil {
		t.Fatal(err)
	}
	want("emptied", since(0), "0")
	if err := tables.Forget(ctx); err != nil {
		t.Fatal(err)
	}
	want("forgotten", since(0), "error: there is no closure table")
}

package fhir

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var testTime = time.Date(2024, 2, 29, 12, 30, 15, 123456789, time.FixedZone("", 3600))

func TestNewBody(t *testing.T) {
	// ^ marks Body.At in want; the id is always "x".
	tests := []struct {
		name, src, want string
		form            MetaForm
	}{
		{"as it is", `{"resourceType":"Patient","id":"x","active":true}`,
			`{"resourceType":"Patient","id":"x"^,"active":true}`, MetaWhole},
		{"white space around", " \n{\"resourceType\":\"Patient\" , \"id\" : \"x\" }\n",
			`{"resourceType":"Patient" , "id" : "x"^ }`, MetaWhole},
		{"another id", `{"resourceType":"Patient","id":"old-and-longer","active":true}`,
			`{"resourceType":"Patient","id":"x"^,"active":true}`, MetaWhole},
		{"escaped id", `{"resourceType":"Patient","id":"\u0078","active":true}`,
			`{"resourceType":"Patient","id":"\u0078"^,"active":true}`, MetaWhole},
		{"no id", `{"resourceType":"Patient","active":true}`,
			`{"resourceType":"Patient","id":"x"^,"active":true}`, MetaWhole},
		{"nothing", `{"resourceType":"Patient"}`, `{"resourceType":"Patient","id":"x"^}`, MetaWhole},
		{"no id, laid out", "{\n  \"resourceType\": \"Patient\",\n  \"active\": true\n}",
			"{\n  \"resourceType\": \"Patient\",\n  \"id\": \"x\"^,\n  \"active\": true\n}", MetaWhole},
		{"no id, type last", `{"active":true,"resourceType":"Patient"}`,
			`{"id":"x"^,"active":true,"resourceType":"Patient"}`, MetaWhole},
		{"no id, type last, laid out", "{\n  \"active\": true,\n  \"resourceType\": \"Patient\"\n}",
			"{\n  \"id\": \"x\"^,\n  \"active\": true,\n  \"resourceType\": \"Patient\"\n}", MetaWhole},
		{"id of a part", `{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a"}],"id":"b"}`,
			`{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a"}],"id":"x"^}`, MetaWhole},
		{"meta kept", `{"resourceType":"Patient","id":"x","meta":{"source":"s"}}`,
			`{"resourceType":"Patient","id":"x","meta":{^"source":"s"}}`, MetaBefore},
		{"meta kept, laid out", `{"resourceType":"Patient","id":"x","meta" : { "source" : "s" } }`,
			`{"resourceType":"Patient","id":"x","meta" : { ^"source" : "s" } }`, MetaBefore},
		{"version first", `{"resourceType":"Patient","meta":{"versionId":"1","lastUpdated":"t", "source":"s","profile":["p"]}}`,
			`{"resourceType":"Patient","id":"x","meta":{^"source":"s","profile":["p"]}}`, MetaBefore},
		{"version last", `{"resourceType":"Patient","meta":{"source":"s" , "versionId":"1" ,"lastUpdated":"t" },"id":"y"}`,
			`{"resourceType":"Patient","meta":{^"source":"s" },"id":"x"}`, MetaBefore},
		{"version between", `{"resourceType":"Patient","id":"x","meta":{"lastUpdated":"t","source":"s","versionId":"1","profile":["p"],"_versionId":{"id":"a"}}}`,
			`{"resourceType":"Patient","id":"x","meta":{^"source":"s","profile":["p"]}}`, MetaBefore},
		{"escaped keys", `{"resourceType":"Patient","id":"x","meta":{"version\u0049d":"1","source":"s"}}`,
			`{"resourceType":"Patient","id":"x","meta":{^"source":"s"}}`, MetaBefore},
		{"version only", `{"resourceType":"Patient","id":"x","meta":{"versionId":"1"},"active":true}`,
			`{"resourceType":"Patient","id":"x"^,"active":true}`, MetaWhole},
		{"version only, elsewhere", `{"resourceType":"Patient","id":"x","active":true,"meta":{"lastUpdated":"t"}}`,
			`{"resourceType":"Patient","id":"x","active":true^}`, MetaWhole},
		{"version only, no id", `{"resourceType":"Patient","meta":{"versionId":"1"}}`,
			`{"resourceType":"Patient","id":"x"^}`, MetaWhole},
		{"version only, laid out", "{\"resourceType\":\"Patient\",\"id\":\"x\",\n \"meta\": {\n \"versionId\":\"1\"\n } }",
			"{\"resourceType\":\"Patient\",\"id\":\"x\",\n \"meta\": {^} }", MetaAlone},
		{"meta first", `{"meta":{"versionId":"1","_lastUpdated":{"id":"a"}},"resourceType":"Patient"}`,
			`{"id":"x"^,"resourceType":"Patient"}`, MetaWhole},
		{"meta first, laid out, id last", "{ \"meta\": {\"versionId\":\"1\"}, \"resourceType\": \"Patient\", \"id\": \"y\" }",
			`{ "resourceType": "Patient", "id": "x"^ }`, MetaWhole},
		{"meta second, type last", `{"active":true,"meta":{"versionId":"1"},"resourceType":"Patient"}`,
			`{"id":"x","active":true^,"resourceType":"Patient"}`, MetaWhole},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewBody(mustParse(t, tt.src).Root(), "x")
			got := string(slices.Insert(bytes.Clone(d.JSON), d.At, '^'))
			if got != tt.want || d.Form != tt.form {
				t.Errorf("got  %s %d\nwant %s %d", got, d.Form, tt.want, tt.form)
			}
			checkBody(t, d, "x")
		})
	}
}

// checkBody sends a body, reads what was sent and makes it a body again.
func checkBody(t *testing.T, d Body, id string) {
	t.Helper()
	sent := d.Append([]byte("before"), "12", testTime)
	root := mustParse(t, string(sent[len("before"):])).Root()
	meta := root.Child("meta")
	if got := root.TextOf("id"); got != id {
		t.Errorf("id is %q in %s", got, sent)
	}
	if v, u := meta.TextOf("versionId"), meta.TextOf("lastUpdated"); v != "12" || u != "2024-02-29T11:30:15.123Z" {
		t.Errorf("version %q of %q in %s", v, u, sent)
	}
	again := NewBody(root, id)
	if !bytes.Equal(again.JSON, d.JSON) || again.At != d.At || again.Form != d.Form {
		t.Errorf("sent back, it is\n%s at %d form %d, was\n%s at %d form %d",
			again.JSON, again.At, again.Form, d.JSON, d.At, d.Form)
	}
}

func TestNewBodyOfEntry(t *testing.T) {
	tree := mustParse(t, `{"resourceType":"Bundle","entry":[{"resource": {"resourceType":"Patient","meta":{"versionId":"1","source":"s"},"active":true} }]}`)
	resource := tree.Root().Child("entry").Child("resource")
	for _, n := range []Node{resource, resource.Detach().Root()} {
		d := NewBody(n, "new")
		if want := `{"resourceType":"Patient","id":"new","meta":{"source":"s"},"active":true}`; string(d.JSON) != want {
			t.Errorf("got %s, want %s", d.JSON, want)
		}
		checkBody(t, d, "new")
	}
	tree.Source[len(tree.Source)-20] = '!'
	if d := NewBody(mustParse(t, `{"resourceType":"Patient","id":"x"}`).Root(), "x"); bytes.Contains(d.JSON, []byte("!")) {
		t.Error("a body shares its source's memory")
	}
}

func TestSplice(t *testing.T) {
	tests := []struct {
		edits []Edit
		want  string
	}{
		{nil, "0123456789"},
		{[]Edit{{0, 0, "a"}}, "a0123456789"},
		{[]Edit{{10, 10, "a"}}, "0123456789a"},
		{[]Edit{{5, 7, ""}, {0, 2, "ab"}}, "ab234789"},
		{[]Edit{{3, 3, "a"}, {3, 3, "b"}, {3, 4, "c"}, {4, 5, "d"}}, "012abcd56789"},
		{[]Edit{{0, 10, ""}}, ""},
	}
	src := []byte("0123456789")
	for _, tt := range tests {
		if got := string(Splice(src, slices.Clone(tt.edits))); got != tt.want {
			t.Errorf("Splice(%v) = %q, want %q", tt.edits, got, tt.want)
		}
	}
	for _, edits := range [][]Edit{{{0, 3, ""}, {2, 4, ""}}, {{5, 4, ""}}, {{8, 11, ""}}, {{-1, 2, ""}}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Splice(%v) did not panic", edits)
				}
			}()
			Splice(src, edits)
		}()
	}
}

// TestNewBodyOfAnyLayout makes bodies of resources with members in any order
// and any white space and compares what is left, as encoding/json sees it.
func TestNewBodyOfAnyLayout(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		src := randomPatient(r)
		d := NewBody(mustParse(t, src).Root(), "x")
		checkBody(t, d, "x")
		if got, want := rest(t, string(d.Append(nil, "12", testTime))), rest(t, src); got != want {
			t.Fatalf("%s\nbecame %s\nleft %s, want %s", src, d.JSON, got, want)
		}
	}
}

func randomPatient(r *rand.Rand) string {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	join := func(members []string) string {
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		var b strings.Builder
		space := func() { b.WriteString(pick("", "", " ", "\n  ")) }
		b.WriteByte('{')
		for i, m := range members {
			if i > 0 {
				b.WriteByte(',')
			}
			space()
			key, value, _ := strings.Cut(m, "=")
			b.WriteString(`"` + key + `"`)
			space()
			b.WriteByte(':')
			space()
			b.WriteString(value)
			space()
		}
		b.WriteByte('}')
		return b.String()
	}
	choose := func(from ...string) (members []string) {
		for _, m := range from {
			if r.IntN(2) == 0 {
				members = append(members, m)
			}
		}
		return members
	}
	members := choose(`id="old"`, `active=true`, `birthDate="2000"`, `_birthDate={"id":"meta"}`, `name=[{"family":"\"meta\":{"}]`)
	meta := choose(`versionId="1"`, `lastUpdated="2020-01-01T00:00:00Z"`, `source="s"`, `_versionId={"id":"v"}`, `profile=["p"]`)
	if len(meta) > 0 {
		members = append(members, "meta="+join(meta))
	}
	return join(append(members, `resourceType="Patient"`))
}

// rest is a resource without what NewBody and Append may change, sorted.
func rest(t *testing.T, src string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(src), &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "id")
	if meta, ok := m["meta"].(map[string]any); ok {
		for _, key := range []string{"versionId", "lastUpdated", "_versionId", "_lastUpdated"} {
			delete(meta, key)
		}
		if len(meta) == 0 {
			delete(m, "meta")
		}
	}
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

package patch

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
)

// TestJSONPatchRFC has the examples of RFC 6902, appendix A; a want of "" is
// an error. Of the others, the result must be the same byte for byte.
func TestJSONPatchRFC(t *testing.T) {
	for _, c := range []struct{ name, doc, patch, want string }{
		{"A.1 adding a member", `{ "foo": "bar"}`, `[{ "op": "add", "path": "/baz", "value": "qux" }]`, `{ "foo": "bar", "baz": "qux"}`},
		{"A.2 adding an item", `{ "foo": [ "bar", "baz" ] }`, `[{ "op": "add", "path": "/foo/1", "value": "qux" }]`, `{ "foo": [ "bar", "qux", "baz" ] }`},
		{"A.3 removing a member", `{ "baz": "qux", "foo": "bar" }`, `[{ "op": "remove", "path": "/baz" }]`, `{ "foo": "bar" }`},
		{"A.4 removing an item", `{ "foo": [ "bar", "qux", "baz" ] }`, `[{ "op": "remove", "path": "/foo/1" }]`, `{ "foo": [ "bar", "baz" ] }`},
		{"A.5 replacing", `{ "baz": "qux", "foo": "bar" }`, `[{ "op": "replace", "path": "/baz", "value": "boo" }]`, `{ "baz": "boo", "foo": "bar" }`},
		{"A.6 moving a value", `{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`, `{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
		{"A.7 moving an item", `{ "foo": [ "all", "grass", "cows", "eat" ] }`, `[{ "op": "move", "from": "/foo/1", "path": "/foo/3" }]`, `{ "foo": [ "all", "cows", "eat", "grass" ] }`},
		{"A.8 testing", `{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]`, `{"baz":"qux","foo":["a",2,"c"]}`},
		{"A.9 testing in vain", `{"baz":"qux"}`, `[{"op":"test","path":"/baz","value":"bar"}]`, ""},
		{"A.10 adding a nested object", `{ "foo": "bar" }`, `[{ "op": "add", "path": "/child", "value": { "grandchild": { } } }]`, `{ "foo": "bar", "child": { "grandchild": { } } }`},
		{"A.11 unknown members", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","xyz":123}]`, `{"foo":"bar","baz":"qux"}`},
		{"A.12 adding to nothing", `{"foo":"bar"}`, `[{"op":"add","path":"/baz/bat","value":"qux"}]`, ""},
		{"A.13 invalid document", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","op":"remove"}]`, ""},
		{"A.14 escapes", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10}]`, `{"/":9,"~1":10}`},
		{"A.15 strings and numbers", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":"10"}]`, ""},
		{"A.16 adding an array", `{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, `{"foo":["bar",["abc","def"]]}`},

		{"numbers as written", `{"a":1.00,"b":2.50}`, `[{"op":"replace","path":"/b","value":1e-3},{"op":"test","path":"/a","value":1.0}]`, `{"a":1.00,"b":1e-3}`},
		{"copy", `{"a":{"x":1.0},"b":[]}`, `[{"op":"copy","from":"/a","path":"/b/0"}]`, `{"a":{"x":1.0},"b":[{"x":1.0}]}`},
		{"the whole", `{"a":1}`, `[{"op":"replace","path":"","value":{"b":2}}]`, `{"b":2}`},
		{"add over a member", `{"a":1}`, `[{"op":"add","path":"/a","value":2}]`, `{"a":2}`},
		{"object equality", `{"a":{"x":[1,"A"],"y":null}}`, `[{"op":"test","path":"/a","value":{"y":null,"x":[1.0,"\u0041"]}}]`, `{"a":{"x":[1,"A"],"y":null}}`},
		{"into itself", `{"a":{"b":1}}`, `[{"op":"move","from":"/a","path":"/a/b"}]`, ""},
		{"beyond the end", `{"a":[1]}`, `[{"op":"add","path":"/a/2","value":2}]`, ""},
		{"leading zero", `{"a":[1,2]}`, `[{"op":"remove","path":"/a/01"}]`, ""},
		{"remove the end", `{"a":[1]}`, `[{"op":"remove","path":"/a/-"}]`, ""},
		{"inside a string", `{"a":"x"}`, `[{"op":"add","path":"/a/b","value":2}]`, ""},
		{"no slash", `{"a":"x"}`, `[{"op":"remove","path":"a"}]`, ""},
		{"remove all", `{"a":"x"}`, `[{"op":"remove","path":""}]`, ""},
		{"no value", `{"a":"x"}`, `[{"op":"add","path":"/b"}]`, ""},
		{"null is a value", `{"a":"x"}`, `[{"op":"add","path":"/b","value":null}]`, `{"a":"x","b":null}`},
		{"not an array", `{"a":"x"}`, `{"op":"add","path":"/b"}`, ""},
		{"not JSON", `{"a":"x"}`, `[`, ""},
		{"unknown op", `{"a":"x"}`, `[{"op":"increment","path":"/b"}]`, ""},
		{"number for a path", `{"a":"x"}`, `[{"op":"remove","path":1}]`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := editor{src: []byte(c.doc)}
			err := e.jsonPatch([]byte(c.patch))
			if (err != nil) != (c.want == "") || err == nil && string(e.src) != c.want {
				t.Errorf("got %s, %v\nwant %s", e.src, err, c.want)
			}
		})
	}
}

func TestJSONTidies(t *testing.T) {
	for _, c := range []struct{ doc, patch, want string }{
		{`{"a":1,"telecom":[{"value":"x"}]}`, `[{"op":"remove","path":"/telecom/0"}]`, `{"a":1}`},
		{`{"a":1,"b":{"c":{"d":[1]}}}`, `[{"op":"remove","path":"/b/c/d/0"}]`, `{"a":1}`},
		{`{"a":1,"b":[1]}`, `[{"op":"remove","path":"/b/0"},{"op":"add","path":"/b/-","value":2}]`, `{"a":1,"b":[2]}`},
		{`{"a":1,"b":[1]}`, `[{"op":"remove","path":"/b"},{"op":"add","path":"/c","value":[]}]`, `{"a":1,"c":[]}`},
		{`{"g":["a","b"],"_g":[{"id":"1"},{"id":"2"}]}`, `[{"op":"remove","path":"/_g/1/id"}]`, `{"g":["a","b"],"_g":[{"id":"1"},null]}`},
		{`{"g":["a","b"],"_g":[{"id":"1"},null]}`, `[{"op":"remove","path":"/_g/0/id"}]`, `{"g":["a","b"]}`},
		{`{"a":1}`, `[{"op":"remove","path":"/a"}]`, `{}`},
	} {
		got, err := JSON([]byte(c.doc), []byte(c.patch))
		if err != nil || string(got) != c.want {
			t.Errorf("%s %s: got %s, %v; want %s", c.doc, c.patch, got, err, c.want)
		}
	}
}

func TestErrorsNameTheOperation(t *testing.T) {
	_, err := JSON([]byte(`{"a":1}`), []byte(`[{"op":"test","path":"/a","value":1},{"op":"remove","path":"/b"}]`))
	if fhir.KindOf(err) != fhir.KindUnprocessable || !strings.Contains(err.Error(), `operation 1 of the patch (remove "/b")`) {
		t.Error(err)
	}
	if _, err := JSON([]byte(`{"a":1}`), []byte(`[{"op":"test"}]`)); fhir.KindOf(err) != fhir.KindInvalid || !strings.Contains(err.Error(), "operation 0") {
		t.Error(err)
	}
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	if _, err := JSON([]byte(`{"a":1}`), []byte(`[{"op":"add","path":"/a","value":`+deep+`}]`)); fhir.KindOf(err) != fhir.KindInvalid {
		t.Error(err)
	}
}

// TestGrowthIsBounded doubles an array again and again.
func TestGrowthIsBounded(t *testing.T) {
	patch := "[" + strings.Repeat(`{"op":"copy","from":"/a","path":"/a/-"},`, 60)
	_, err := JSON([]byte(`{"a":["0123456789"]}`), []byte(patch[:len(patch)-1]+"]"))
	if k := fhir.KindOf(err); k != fhir.KindTooLarge && k != fhir.KindTooCostly {
		t.Error(err)
	}
}

// TestMergePatchRFC has the examples of RFC 7396, appendix A.
func TestMergePatchRFC(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},

		{`{ "a": 1.00, "b": { "c": 2, "d": 3 } }`, `{"b":{"c":null,"e":4.50}}`, `{ "a": 1.00, "b": { "d": 3, "e": 4.50 } }`},
		{`{ "a": 1, "b": 2, "c": 3 }`, `{"a":null,"c":null,"d":4}`, `{ "b": 2, "d": 4 }`},
		{`{ "a": 1, "b": 2 }`, `{"a":null,"b":null,"d":4}`, `{ "d": 4 }`},
		{`{"a":1}`, `{"a":2,"a":3}`, `{"a":3}`},
	} {
		e := editor{src: []byte(c[0])}
		if err := e.mergePatch([]byte(c[1])); err != nil || string(e.src) != c[2] {
			t.Errorf("%s with %s: got %s, %v; want %s", c[0], c[1], e.src, err, c[2])
		}
	}
	if got, err := Merge([]byte(`{"a":1,"b":{"c":[1]}}`), []byte(`{"b":{"c":null}}`)); err != nil || string(got) != `{"a":1}` {
		t.Errorf("an empty object is left: %s, %v", got, err)
	}
	for _, bad := range []string{`[1]`, "{\"\xff\":null}"} {
		if _, err := Merge([]byte(`{"a":1}`), []byte(bad)); fhir.KindOf(err) != fhir.KindInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := JSON([]byte(`{"a":1}`), []byte("[{\"op\":\"add\",\"path\":\"/b\",\"value\":\"\xff\"}]")); fhir.KindOf(err) != fhir.KindInvalid {
		t.Error(err)
	}
}

// mergeValue is RFC 7396's own pseudocode.
func mergeValue(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	merged := map[string]any{}
	if t, ok := target.(map[string]any); ok {
		for k, v := range t {
			merged[k] = v
		}
	}
	for k, v := range p {
		if v == nil {
			delete(merged, k)
		} else {
			merged[k] = mergeValue(merged[k], v)
		}
	}
	return merged
}

// FuzzMerge compares with the pseudocode.
func FuzzMerge(f *testing.F) {
	f.Add(`{"a":{"b":1,"c":[2]}}`, `{"a":{"b":null,"d":{"e":null,"f":1}}}`)
	f.Add(` { "a" : 1 , "b" : 2 } `, `{"a":null,"b":null}`)
	f.Fuzz(func(t *testing.T, doc, patch string) {
		var d, p any
		if !readable([]byte(doc)) || !readable([]byte(patch)) || repeats(doc) {
			return
		}
		if json.Unmarshal([]byte(doc), &d) != nil || json.Unmarshal([]byte(patch), &p) != nil {
			return
		}
		e := editor{src: []byte(doc)}
		if err := e.mergePatch([]byte(patch)); err != nil {
			t.Fatal(err)
		}
		var got any
		if err := json.Unmarshal(e.src, &got); err != nil {
			t.Fatalf("%s: %v", e.src, err)
		}
		if want := mergeValue(d, p); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s with %s: got %s, want %v", doc, patch, e.src, want)
		}
	})
}

// repeats reports whether a JSON text has an object with a key twice: the
// reader lets none in.
func repeats(doc string) bool {
	var walk func(at int) bool
	b := []byte(doc)
	walk = func(at int) bool {
		switch b[at] {
		case '{':
			all := members(b, at)
			for i, m := range all {
				if !lastNamed(all, i) || walk(m.value) {
					return true
				}
			}
		case '[':
			for _, s := range items(b, at) {
				if walk(s.start) {
					return true
				}
			}
		}
		return false
	}
	return walk(skipSpace(b, 0))
}

// FuzzJSON looks for panics, results that are not JSON, and a patch that does
// not do the same twice.
func FuzzJSON(f *testing.F) {
	f.Add(`{"a":[1,{"b":null}]}`, `[{"op":"move","from":"/a/1","path":"/c"}]`)
	f.Add(`{"a":[1],"_a":[{"id":"x"}]}`, `[{"op":"remove","path":"/_a/0/id"},{"op":"test","path":"/a/0","value":1.0}]`)
	f.Fuzz(func(t *testing.T, doc, patch string) {
		if !readable([]byte(doc)) || !strings.HasPrefix(doc, "{") {
			return
		}
		got, err := JSON([]byte(doc), []byte(patch))
		if err != nil {
			return
		}
		if !json.Valid(got) {
			t.Fatalf("%s", got)
		}
		again, err := JSON([]byte(doc), []byte(patch))
		if err != nil || string(again) != string(got) {
			t.Fatalf("%s, then %s, %v", got, again, err)
		}
	})
}

func ExampleJSON() {
	patched, err := JSON([]byte(`{"resourceType":"Patient","active":false}`), []byte(`[{"op":"replace","path":"/active","value":true}]`))
	fmt.Println(string(patched), err)
	// Output: {"resourceType":"Patient","active":true} <nil>
}

package fhir

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// dump writes a tree, a line per value: path, type and text.
func dump(n Node) string {
	var b strings.Builder
	var walk func(Node)
	walk = func(n Node) {
		fmt.Fprintf(&b, "%s %s", n.Path(), n.Type().Name)
		if n.HasValue() {
			fmt.Fprintf(&b, " %q", n.Text())
		} else if n.IsPrimitive() {
			b.WriteString(" -")
		}
		b.WriteByte('\n')
		for c := range n.Children() {
			if c.Parent() != n {
				fmt.Fprintf(&b, "parent of %s is %s\n", c.Path(), c.Parent().Path())
			}
			walk(c)
		}
	}
	walk(n)
	return b.String()
}

func TestParse(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"least", `{"resourceType":"Patient"}`, "Patient Patient"},
		{"white space", " \t\r\n{ \"resourceType\" :\n\"Patient\"          , \"active\":true }\n",
			"Patient Patient\nPatient.active boolean \"true\""},
		{"resourceType last", `{"name":[{"family":"A"}],"active":false,"resourceType":"Patient"}`,
			"Patient Patient\nPatient.name[0] HumanName\nPatient.name[0].family string \"A\"\nPatient.active boolean \"false\""},
		{"escaped key and type", `{"resource\u0054ype":"\u0050atient","\u0061ctive":true}`,
			"Patient Patient\nPatient.active boolean \"true\""},
		{"escapes", `{"resourceType":"Patient","name":[{"family":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é"}]}`,
			"Patient Patient\nPatient.name[0] HumanName\nPatient.name[0].family string \"a\\\"\\\\/\\b\\f\\n\\r\\té😀é\""},
		{"choice", `{"resourceType":"Observation","valueQuantity":{"value":1.00}}`,
			"Observation Observation\nObservation.value Quantity\nObservation.value.value decimal \"1.00\""},
		{"numbers", `{"resourceType":"Patient","extension":[{"valueDecimal":-0.10e+5},{"valueDecimal":0},{"valueDecimal":1E-7}]}`,
			"Patient Patient\nPatient.extension[0] Extension\nPatient.extension[0].value decimal \"-0.10e+5\"\n" +
				"Patient.extension[1] Extension\nPatient.extension[1].value decimal \"0\"\n" +
				"Patient.extension[2] Extension\nPatient.extension[2].value decimal \"1E-7\""},
		{"companion after", `{"resourceType":"Patient","birthDate":"2000","_birthDate":{"id":"b","extension":[{"url":"u"}]}}`,
			"Patient Patient\nPatient.birthDate date \"2000\"\nPatient.birthDate.id string \"b\"\n" +
				"Patient.birthDate.extension[0] Extension\nPatient.birthDate.extension[0].url uri \"u\""},
		{"companion before", `{"resourceType":"Patient","_birthDate":{"id":"b"},"active":true,"birthDate":"2000"}`,
			"Patient Patient\nPatient.active boolean \"true\"\nPatient.birthDate date \"2000\"\nPatient.birthDate.id string \"b\""},
		{"companion alone", `{"resourceType":"Patient","_birthDate":{"id":"b"}}`,
			"Patient Patient\nPatient.birthDate date -\nPatient.birthDate.id string \"b\""},
		{"choice companion", `{"resourceType":"Observation","_valueString":{"id":"b"}}`,
			"Observation Observation\nObservation.value string -\nObservation.value.id string \"b\""},
		{"aligned arrays", `{"resourceType":"Patient","name":[{"_given":[{"id":"0"},null,{"id":"2"}],"family":"F","given":[null,"b","c"]}]}`,
			"Patient Patient\nPatient.name[0] HumanName\nPatient.name[0].family string \"F\"\n" +
				"Patient.name[0].given[0] string -\nPatient.name[0].given[0].id string \"0\"\n" +
				"Patient.name[0].given[1] string \"b\"\n" +
				"Patient.name[0].given[2] string \"c\"\nPatient.name[0].given[2].id string \"2\""},
		{"companions only", `{"resourceType":"Patient","name":[{"_given":[{"id":"0"},{"id":"1"}]}]}`,
			"Patient Patient\nPatient.name[0] HumanName\n" +
				"Patient.name[0].given[0] string -\nPatient.name[0].given[0].id string \"0\"\n" +
				"Patient.name[0].given[1] string -\nPatient.name[0].given[1].id string \"1\""},
		{"nested resources", `{"resourceType":"Bundle","entry":[{"fullUrl":"u","resource":{"active":true,"resourceType":"Patient","contained":[{"resourceType":"Observation","status":"x"}]}}]}`,
			"Bundle Bundle\nBundle.entry[0] Bundle.entry\nBundle.entry[0].fullUrl uri \"u\"\n" +
				"Bundle.entry[0].resource Patient\nBundle.entry[0].resource.active boolean \"true\"\n" +
				"Bundle.entry[0].resource.contained[0] Observation\nBundle.entry[0].resource.contained[0].status code \"x\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := dump(mustParse(t, tt.src).Root()); got != tt.want+"\n" {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

// issueLine is an issue as the tables below write it.
func issueLine(i Issue) string {
	return fmt.Sprintf("%d:%d %s %s [%s] %s", i.Line, i.Column, i.Severity, i.Code, i.Expression, i.Diagnostics)
}

func TestParseErrors(t *testing.T) {
	// Each src is the rest of an object that begins with a resourceType of
	// Patient on its first line, unless it begins with another brace.
	const begin = `{"resourceType":"Patient",` + "\n"
	tests := []struct{ src, want string }{
		// syntax
		{"!", `1:1 fatal invalid [] not valid JSON: expected a value, found the end of the text`},
		{"! ", `1:2 fatal invalid [] not valid JSON: expected a value, found the end of the text`},
		{"!{", `1:2 fatal invalid [] not valid JSON: expected a key in double quotes, found the end of the text`},
		{"!{}x", `1:1 error required [] the resource has no "resourceType"; add one, such as "resourceType": "Patient"
1:3 fatal invalid [] not valid JSON: unexpected "x" after the end of the resource`},
		{`"active":true`, `2:14 fatal invalid [] not valid JSON: expected "," or "}", found the end of the text`},
		{`"active":tru}`, `2:10 fatal invalid [] not valid JSON: expected a value, found "t"`},
		{`"active" true}`, `2:10 fatal invalid [] not valid JSON: expected ":", found "t"`},
		{`"active":true,}`, `2:15 fatal invalid [] not valid JSON: expected a key in double quotes, found "}"`},
		{`"active":}`, `2:10 fatal invalid [] not valid JSON: expected a value, found "}"`},
		{`active:true}`, `2:1 fatal invalid [] not valid JSON: expected a key in double quotes, found "a"`},
		{`"name":[{"given":["a" "b"]}]}`, `2:23 fatal invalid [] not valid JSON: expected "," or "]", found "\""`},
		{`"name":[}`, `2:9 fatal invalid [] not valid JSON: expected a value, found "}"`},
		{`"birthDate":"2000`, `2:13 fatal invalid [] not valid JSON: the string that begins here has no closing quote`},
		{`"birthDate":"` + "\t" + `"}`, `2:14 fatal invalid [] not valid JSON: a string holds control character 0x09; write it as an escape such as \n or \u0009`},
		{`"birthDate":"\x"}`, `2:14 fatal invalid [] not valid JSON: \"x" is not an escape of JSON; those are \" \\ \/ \b \f \n \r \t and \uXXXX`},
		{`"birthDate":"\u12g4"}`, `2:14 fatal invalid [] not valid JSON: \u must be followed by four hexadecimal digits`},
		{`"birthDate":"\ud800"}`, `2:14 fatal invalid [] not valid JSON: \ud800 is half of a surrogate pair; the other half is missing`},
		{`"birthDate":"\ud800\u0041"}`, `2:14 fatal invalid [] not valid JSON: \ud800 is half of a surrogate pair; the other half is missing`},
		{`"birthDate":"\udc00"}`, `2:14 fatal invalid [] not valid JSON: \udc00 is half of a surrogate pair; the other half is missing`},
		{`"extension":[{"valueDecimal":01}]}`, `2:30 fatal invalid [] not valid JSON: a number may not begin with 0`},
		{`"extension":[{"valueDecimal":-}]}`, `2:31 fatal invalid [] not valid JSON: "-" must be followed by a digit`},
		{`"extension":[{"valueDecimal":1.}]}`, `2:31 fatal invalid [] not valid JSON: the decimal point must be followed by a digit`},
		{`"extension":[{"valueDecimal":1e}]}`, `2:32 fatal invalid [] not valid JSON: the exponent of a number must have a digit`},
		{`"extension":[{"valueDecimal":.5}]}`, `2:30 fatal invalid [] not valid JSON: expected a value, found "."`},
		{`"extension":[{"valueDecimal":+5}]}`, `2:30 fatal invalid [] not valid JSON: expected a value, found "+"`},
		{"!\xef\xbb\xbf{}", `1:1 fatal invalid [] not valid JSON: the JSON begins with a UTF-8 byte order mark; send it without one`},
		{"\"birthDate\":\"\xff\"}", `2:14 fatal invalid [] not valid JSON: byte 0xff is not valid UTF-8; JSON must be encoded in UTF-8`},
		{`"unknown":[1,{"a":nul}]}`, `2:1 error structure [Patient] Patient has no property "unknown"
2:19 fatal invalid [] not valid JSON: expected a value, found "n"`},
		// resourceType
		{`![]`, `1:1 error structure [] a resource must be an object, got an array`},
		{`!{"active":true}`, `1:1 error required [] the resource has no "resourceType"; add one, such as "resourceType": "Patient"`},
		{`!{"resourceType":"patient"}`, `1:17 error value [] "patient" is not a resource type of FHIR 4.0.1; did you mean "Patient"?`},
		{`!{"resourceType":"HumanName"}`, `1:17 error value [] "HumanName" is not a resource type of FHIR 4.0.1`},
		{`!{"resourceType":"Resource"}`, `1:17 error value [] "Resource" is not a resource type of FHIR 4.0.1`},
		{`!{"resourceType":["Patient"]}`, `1:17 error value [] "resourceType" must be a string, got an array`},
		{`"resourceType":"Patient"}`, `2:1 error structure [Patient] "resourceType" occurs twice; keep one`},
		{`"contained":[{"id":"a"}]}`, `2:14 error required [Patient.contained[0]] the resource has no "resourceType"; add one, such as "resourceType": "Patient"`},
		{`"contained":[{"resourceType":"Patient"},{"resourceType":"Patientt"}]}`,
			`2:57 error value [Patient.contained[1]] "Patientt" is not a resource type of FHIR 4.0.1; did you mean "Patient"?`},
		{`"name":[{"resourceType":"Patient","family":"a"}]}`, `2:10 error structure [Patient.name[0]] HumanName has no property "resourceType"`},
		// keys
		{`"brithDate":"2000"}`, `2:1 error structure [Patient] Patient has no property "brithDate"; did you mean "birthDate"?`},
		{`"birthdate":"2000"}`, `2:1 error structure [Patient] Patient has no property "birthdate"; did you mean "birthDate"?`},
		{`"name":[{"family":"a"},{"famly":"b","family":"c"}]}`, `2:25 error structure [Patient.name[1]] HumanName has no property "famly"; did you mean "family"?`},
		{`"hidden":"x"}`, `2:1 error structure [Patient] Patient has no property "hidden"`},
		{`"deceased":true}`, `2:1 error structure [Patient] Patient has no property "deceased"; the type is part of the name: "deceasedBoolean", "deceasedDate"`},
		{`"_name":[{"id":"a"}]}`, `2:1 error structure [Patient] Patient has no property "_name"; "name" takes no companion, because it is not a primitive with extensions`},
		{`"_id":{"id":"a"}}`, `2:1 error structure [Patient] Patient has no property "_id"; "id" takes no companion, because it is not a primitive with extensions`},
		{`"active":true,"active":true}`, `2:15 error structure [Patient.active] "active" occurs twice; keep one`},
		{`"active":true,"\u0061ctive":true}`, `2:15 error structure [Patient.active] "active" occurs twice; keep one`},
		{`"_active":{"id":"a"},"_active":{"id":"b"}}`, `2:22 error structure [Patient.active] "_active" occurs twice; keep one`},
		{`"deceasedBoolean":true,"deceasedDate":"2000"}`, `2:24 error structure [Patient.deceased] "deceasedBoolean" and "deceasedDate" are both forms of deceased[x]; keep one`},
		{`"deceasedBoolean":true,"_deceasedDate":{"id":"a"}}`, `2:40 error structure [Patient.deceased] "_deceasedDate" cannot stand beside "deceasedBoolean": both are forms of deceased[x]; keep one`},
		{`"_deceasedBoolean":{"id":"a"},"_deceasedDate":{"id":"a"}}`, `2:31 error structure [Patient.deceased] "_deceasedBoolean" and "_deceasedDate" are both forms of deceased[x]; keep one`},
		// shapes
		{`"active":"true"}`, `2:10 error structure [Patient.active] "active" must be true or false without quotes (boolean), got a string`},
		{`"birthDate":2000}`, `2:13 error structure [Patient.birthDate] "birthDate" must be a string (date), got a number`},
		{`"birthDate":null}`, `2:13 error structure [Patient.birthDate] "birthDate" is null; leave it out`},
		{`"birthDate":{"value":"2000"}}`, `2:13 error structure [Patient.birthDate] "birthDate" must be a string (date), got an object`},
		{`"birthDate":["2000"]}`, `2:13 error structure [Patient.birthDate] "birthDate" takes one value, got an array; write the value without [ ]`},
		{`"birthDate":""}`, `2:13 error value [Patient.birthDate] the string is empty; leave the element out`},
		{`"_birthDate":"2000"}`, `2:14 error structure [Patient.birthDate] "_birthDate" must be an object with id or extension, got a string`},
		{`"_birthDate":{}}`, `2:14 error structure [Patient.birthDate] the object is empty; leave it out, or give it a property`},
		{`"_birthDate":{"value":"a","id":"b"}}`, `2:15 error structure [Patient.birthDate] Element has no property "value"`},
		{`"extension":[{"valueDecimal":"1"}]}`, `2:30 error structure [Patient.extension[0].value] "valueDecimal" must be a number without quotes (decimal), got a string`},
		{`"name":{"family":"a"}}`, `2:8 error structure [Patient.name[0]] "name" may repeat; write its value in an array: [ … ]`},
		{`"name":[]}`, `2:8 error structure [Patient.name] "name" is an empty array; leave it out`},
		{`"name":[{}]}`, `2:9 error structure [Patient.name[0]] the object is empty; leave it out, or give it a property`},
		{`"name":[null]}`, `2:9 error structure [Patient.name[0]] "name" is null; leave it out`},
		{`"name":[[]]}`, `2:9 error structure [Patient.name[0]] "name" must be an object (HumanName), got an array`},
		{`"name":["Ann"]}`, `2:9 error structure [Patient.name[0]] "name" must be an object (HumanName), got a string`},
		{`"name":[{"given":["a",""]}]}`, `2:23 error value [Patient.name[0].given[1]] the string is empty; leave the element out`},
		{`"name":[{"given":["a",null]}]}`, `2:23 error structure [Patient.name[0].given[1]] null in "given" needs a counterpart in "_given"; add it, or leave the null out`},
		{`"name":[{"_given":[null,{"id":"a"}]}]}`, `2:20 error structure [Patient.name[0].given[0]] null in "_given" needs a counterpart in "given"; add it, or leave the null out`},
		{`"name":[{"given":["a",null],"_given":[null,null]}]}`, `2:23 error structure [Patient.name[0].given[1]] an item is null in both "given" and "_given"; leave it out of both`},
		{`"name":[{"given":["a"],"_given":[null,{"id":"a"}]}]}`, `2:34 error structure [Patient.name[0].given[0]] "given" and "_given" must have the same number of items; fill up with null`},
		{`"contained":["a"]}`, `2:14 error structure [Patient.contained[0]] "contained" must be an object (Resource), got a string`},
		// several
		{`"active":1,"birthDate":2}`, `2:10 error structure [Patient.active] "active" must be true or false without quotes (boolean), got a number
2:24 error structure [Patient.birthDate] "birthDate" must be a string (date), got a number`},
	}
	for _, tt := range tests {
		src, other := strings.CutPrefix(tt.src, "!")
		if !other {
			src = begin + src
		}
		_, err := Parse(testSchema, []byte(src), DefaultLimits)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%s): got no error, want %s", src, tt.want)
			continue
		}
		var got []string
		for _, i := range e.Issues {
			got = append(got, issueLine(i))
		}
		if want := strings.Split(tt.want, "\n"); !slices.Equal(got, want) || e.Kind != KindInvalid {
			t.Errorf("Parse(%s)\n got %s\nwant %s", src, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
}

func TestParseLimits(t *testing.T) {
	deep := `{"resourceType":"Patient","x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + "}"
	nested := `{"resourceType":"Patient"`
	for range 10000 {
		nested += `,"extension":[{"url":"u"`
	}
	many := `{"resourceType":"Observation","note":["a"` + strings.Repeat(`,"a"`, 100) + `]}`
	wrong := `{"resourceType":"Observation","note":[1` + strings.Repeat(`,1`, 100) + `]}`
	tests := []struct {
		name, src string
		limits    Limits
		kind      Kind
		want      string
	}{
		{"deep", deep, DefaultLimits, KindInvalid, "nested more than 64 deep"},
		{"deep in known properties", nested, DefaultLimits, KindInvalid, "nested more than 64 deep"},
		{"deep before the type", `{"x":` + strings.Repeat("[", 10000), DefaultLimits, KindInvalid, "nested more than 64 deep"},
		{"nodes", many, Limits{Depth: 64, Nodes: 100}, KindTooLarge, "more than 100 values"},
		{"issues", wrong, DefaultLimits, KindInvalid, "there may be more errors"},
	}
	for _, tt := range tests {
		_, err := Parse(testSchema, []byte(tt.src), tt.limits)
		if err == nil || KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		var e *Error
		if errors.As(err, &e) && len(e.Issues) > maxIssues+1 {
			t.Errorf("%s: %d issues", tt.name, len(e.Issues))
		}
	}
	if _, err := Parse(testSchema, []byte(many), Limits{Depth: 2, Nodes: 102}); err != nil {
		t.Errorf("at the limits: %v", err)
	}
}

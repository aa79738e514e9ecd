package graphql_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tarnhealth/tarn/graphql"
)

// introspection is what tools such as GraphiQL ask first.
const introspection = `query IntrospectionQuery {
  __schema {
    description
    queryType { name kind } mutationType { name kind } subscriptionType { name kind }
    types { ...FullType }
    directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } }
  }
}
fragment FullType on __Type {
  kind name description specifiedByURL isOneOf
  fields(includeDeprecated: true) {
    name description
    args(includeDeprecated: true) { ...InputValue }
    type { ...TypeRef }
    isDeprecated deprecationReason
  }
  inputFields(includeDeprecated: true) { ...InputValue }
  interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
  possibleTypes { ...TypeRef }
}
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type {
  kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name }}}}}}}}}
}`

type typeRef struct {
	Kind, Name string
	OfType     *typeRef
}

func (t *typeRef) String() string {
	switch t.Kind {
	case "LIST":
		return "[" + t.OfType.String() + "]"
	case "NON_NULL":
		return t.OfType.String() + "!"
	}
	return t.Name
}

type inputValue struct {
	Name string
	Type *typeRef
}

type fullType struct {
	Kind, Name string
	Fields     []struct {
		Name string
		Args []inputValue
		Type *typeRef
	}
	Interfaces, PossibleTypes []*typeRef
	EnumValues                []struct{ Name string }
}

type described struct {
	Data struct {
		Schema struct {
			QueryType  struct{ Name string }
			Types      []fullType
			Directives []struct {
				Name      string
				Locations []string
				Args      []inputValue
			}
		} `json:"__schema"`
	}
}

// TestIntrospectionIsASchema reads the introspection back as a schema, which
// another implementation then checks: every type exists, names are unique, the
// resources have the fields of their interface.
func TestIntrospectionIsASchema(t *testing.T) {
	s := newStore(t)
	put(t, s, `{"resourceType":"Patient","id":"1"}`)
	focus, err := openView(t, s).Read(ctx, "Patient", "1")
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range []graphql.Request{{Query: introspection}, {Query: introspection, Focus: &focus}} {
		response := ask(t, s, request)
		if len(response.Errors) > 0 {
			t.Fatal(response.Errors[0])
		}
		t.Logf("%d bytes", len(response.Data))
		schema, err := gqlparser.LoadSchema(&ast.Source{Input: sdl(t, response.AppendJSON(nil))})
		if err != nil {
			t.Fatal(err)
		}
		if request.Focus == nil && (schema.Query.Name != "Query" || schema.Query.Fields.ForName("PatientList").Arguments.ForName("address_city") == nil) {
			t.Error("Query.PatientList(address_city:) is missing")
		}
		if request.Focus != nil && schema.Query.Name != "Patient" {
			t.Errorf("the query type is %s, want Patient", schema.Query.Name)
		}
		observations := schema.Types["Patient"].Fields.ForName("ObservationList")
		if observations == nil || observations.Arguments.ForName("_reference") == nil || observations.Arguments.ForName("code") == nil {
			t.Error("Patient.ObservationList(_reference:, code:) is missing")
		}
		if f := schema.Types["Observation"].Fields.ForName("valueQuantity"); f == nil || f.Type.Name() != "Quantity" {
			t.Errorf("Observation.valueQuantity is %v", f)
		}
	}
}

func sdl(t *testing.T, response []byte) string {
	t.Helper()
	var d described
	if err := json.Unmarshal(response, &d); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "schema { query: %s }\n", d.Data.Schema.QueryType.Name)
	for _, typ := range d.Data.Schema.Types {
		switch {
		case strings.HasPrefix(typ.Name, "__"), typ.Kind == "SCALAR" && strings.Contains("String ID Int Float Boolean", typ.Name):
		case typ.Kind == "SCALAR":
			fmt.Fprintf(&b, "scalar %s\n", typ.Name)
		default:
			writeObject(&b, typ)
		}
	}
	return b.String()
}

func writeObject(b *strings.Builder, typ fullType) {
	fmt.Fprint(b, map[string]string{"OBJECT": "type ", "INTERFACE": "interface "}[typ.Kind], typ.Name)
	for _, i := range typ.Interfaces {
		fmt.Fprint(b, " implements ", i)
	}
	fmt.Fprintln(b, " {")
	for _, f := range typ.Fields {
		fmt.Fprint(b, " ", f.Name)
		for i, a := range f.Args {
			fmt.Fprint(b, map[bool]string{true: "(", false: ", "}[i == 0], a.Name, ": ", a.Type)
		}
		if len(f.Args) > 0 {
			fmt.Fprint(b, ")")
		}
		fmt.Fprintln(b, ":", f.Type)
	}
	fmt.Fprintln(b, "}")
}

func TestIntrospectionOfOneType(t *testing.T) {
	s := newStore(t)
	for name, want := range map[string]string{
		"HumanName": `{"__type":{"kind":"OBJECT","name":"HumanName","fields":[{"name":"id"},{"name":"_id"},{"name":"extension"},{"name":"use"},{"name":"_use"},{"name":"text"},{"name":"_text"},{"name":"family"},{"name":"_family"},{"name":"given"},{"name":"_given"},{"name":"prefix"},{"name":"_prefix"},{"name":"suffix"},{"name":"_suffix"},{"name":"period"}],"enumValues":null}}`,
		"date":      `{"__type":{"kind":"SCALAR","name":"date","fields":null,"enumValues":null}}`,
		"Nothing":   `{"__type":null}`,
	} {
		response := ask(t, s, graphql.Request{Query: `query($n: String!) { __type(name: $n) { kind name fields { name } enumValues { name } } }`, Variables: json.RawMessage(`{"n":"` + name + `"}`)})
		if len(response.Errors) > 0 || string(response.Data) != want {
			t.Errorf("%s: %s %v\nwant %s", name, response.Data, response.Errors, want)
		}
	}
}

func BenchmarkIntrospection(b *testing.B) {
	s := newStore(b)
	for b.Loop() {
		if r := ask(b, s, graphql.Request{Query: introspection}); len(r.Errors) > 0 {
			b.Fatal(r.Errors[0])
		}
	}
}

package graphql_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/graphql"
)

// FuzzExecute carries out any text: there is an answer in JSON, and what goes
// wrong is the query's fault.
func FuzzExecute(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	s := newStore(f)
	put(f, s, people(2))
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range archive.Files {
			switch part.Name {
			case "store":
				if strings.Contains(file, "element") {
					put(f, s, string(part.Data))
				}
			case "want":
			default:
				f.Add(string(part.Data), `{"id":"1"}`, strings.Contains(string(part.Data), "#focus"))
			}
		}
	}
	f.Add(introspection, "", true)
	focus, err := openView(f, s).Read(ctx, "Patient", "1")
	if err != nil {
		f.Fatal(err)
	}
	limits := graphql.DefaultLimits
	limits.Output = 64 << 10 // so that introspection does not take all the time
	f.Fuzz(func(t *testing.T, query, variables string, focused bool) {
		request := graphql.Request{Query: query, Variables: json.RawMessage(variables), Limits: limits}
		if focused {
			request.Focus = &focus
		}
		response := ask(t, s, request)
		if body := response.AppendJSON(nil); !json.Valid(body) {
			t.Errorf("the answer is not JSON: %s", body)
		}
		for _, e := range response.Errors {
			if fhir.KindOf(e.Cause) == fhir.KindInternal {
				t.Errorf("internal error: %v", e.Cause)
			}
		}
	})
}

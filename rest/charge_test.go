package rest_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/rest"
)

// TestCharge: what a request asks for counts, however it is packed.
func TestCharge(t *testing.T) {
	var charged atomic.Int64
	s := newServer(t, func(o *rest.Options) {
		o.Charge = func(_ *http.Request, _ authz.Caller, n int) { charged.Add(int64(n)) }
	})
	c := s.newConversation(t, "charge")
	const create = `{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}`
	bundle := func(kind string, entries ...string) string {
		return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`
	}
	three := []string{create, create, create}
	wrong := `{"resource":{"resourceType":"Nonsense"},"request":{"method":"POST","url":"Nonsense"}}`
	for _, test := range []struct {
		name, path, kind, body, prefer string
		status                         int
		want                           int64
	}{
		{name: "a resource", path: "/Patient", body: `{"resourceType":"Patient"}`, status: 201},
		{name: "one entry", body: bundle("batch", create), status: 200},
		{name: "a batch", body: bundle("batch", three...), status: 200, want: 2},
		{name: "a batch with a wrong entry", body: bundle("batch", create, wrong), status: 200, want: 1},
		{name: "a transaction", body: bundle("transaction", three...), status: 200, want: 2},
		{name: "a transaction in XML", kind: "application/fhir+xml", status: 200, want: 1, body: `<Bundle xmlns="http://hl7.org/fhir"><type value="transaction"/>` +
			strings.Repeat(`<entry><resource><Patient/></resource><request><method value="POST"/><url value="Patient"/></request></entry>`, 2) + `</Bundle>`},
		{name: "a transaction that fails", body: bundle("transaction", create, `{"request":{"method":"DELETE"}}`), status: 400, want: 1},
		{name: "later", body: bundle("batch", three...), prefer: "respond-async", status: 202, want: 2},
		{name: "a stored Bundle", path: "/Bundle", body: bundle("batch", three...), status: 201},
		{name: "a query", path: "/$graphql", kind: "application/graphql", body: `{a:PatientList{id} b:PatientList(_id:"x"){id} c:PatientList(_id:"y"){id}}`, status: 200, want: 2},
		{name: "a query that searches nothing", path: "/$graphql", kind: "application/graphql", body: `{__typename}`, status: 200},
	} {
		charged.Store(0)
		kind := test.kind
		if kind == "" {
			kind = "application/fhir+json"
		}
		headers := []string{"Content-Type", kind}
		if test.prefer != "" {
			headers = append(headers, "Prefer", test.prefer)
		}
		res := c.post(t, test.path, strings.NewReader(test.body), headers...)
		if res.status != test.status || charged.Load() != test.want {
			t.Errorf("%s: %d and %d more, want %d and %d: %.300s", test.name, res.status, charged.Load(), test.status, test.want, res.body)
		}
	}
}

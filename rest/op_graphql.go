package rest

import (
	"encoding/json"
	"mime"
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/graphql"
	"github.com/tarnhealth/tarn/search"
)

// graphqlOperation is $graphql: a GraphQL query over the data store, or about
// one resource. The answer is no resource, and always JSON.
// http://hl7.org/fhir/R4/graphql.html#invoking
func graphqlOperation() operation {
	return operation{code: "graphql", levels: []level{levelSystem, levelInstance}, ownBody: true, serve: serveGraphQL}
}

func serveGraphQL(w http.ResponseWriter, r *request, in *arguments) error {
	if r.http == nil {
		return fhir.Errorf(fhir.KindNotSupported, "$graphql cannot be an entry of a Bundle: its answer is no resource; call it by itself").At("request")
	}
	query, err := in.graphql()
	if err == nil {
		err = r.bringAsked(search.Pair{Name: query.Query, Value: string(query.Variables)})
	}
	if err != nil {
		return err
	}
	view, done, err := r.openView(0)
	if err != nil {
		return err
	}
	defer done()
	if r.level == levelInstance {
		v, err := view.Read(r.ctx, r.resourceType, r.id)
		if err != nil {
			return err
		}
		query.Focus = &v
	}
	query.Now, query.Limits = r.h.Now(), r.h.GraphQL
	response := graphql.Execute(r.ctx, view, r.store, query)
	r.charge(response.Requests)
	if err := response.Internal(); err != nil {
		if r.ctx.Err() != nil {
			return err
		}
		r.h.logFailure(r, err)
	}
	r.format.mime = "application/json"
	return r.writeJSON(w, response.Status(), response.AppendJSON(nil))
}

// graphql is the query of the URL, or that of the body: as the text of a
// document, as JSON in the way of GraphQL, as a form, or as Parameters.
// https://graphql.org/learn/serving-over-http/
func (in *arguments) graphql() (graphql.Request, error) {
	r := in.r
	if r.method != http.MethodPost || r.http.ContentLength == 0 {
		return in.graphqlPairs()
	}
	base, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	switch base {
	case "application/graphql":
		body, err := r.readBody()
		return graphql.Request{Query: string(body)}, err
	case "application/x-www-form-urlencoded":
		pairs, err := r.searchPairs()
		if err != nil {
			return graphql.Request{}, err
		}
		in.pairs = pairs
		return in.graphqlPairs()
	}
	if err := requireFHIR(r.header.Get("Content-Type")); err != nil {
		return graphql.Request{}, err
	}
	src, err := r.readBody()
	if err != nil {
		return graphql.Request{}, err
	}
	if isXML(base) {
		return in.graphqlParameters(src)
	}
	var body struct {
		ResourceType  string
		Query         string
		OperationName string
		Variables     json.RawMessage
	}
	if err := json.Unmarshal(src, &body); err != nil {
		return graphql.Request{}, fhir.Errorf(fhir.KindInvalid, `the body must be JSON such as {"query": "{PatientList{id}}", "variables": {}}: %v`, err)
	}
	if body.ResourceType != "" {
		return in.graphqlParameters(src)
	}
	return graphql.Request{Query: body.Query, OperationName: body.OperationName, Variables: body.Variables}, nil
}

func (in *arguments) graphqlParameters(src []byte) (graphql.Request, error) {
	tree, err := in.r.parse(src)
	if err != nil {
		return graphql.Request{}, err
	}
	in.take(tree)
	return in.graphqlPairs()
}

func (in *arguments) graphqlPairs() (graphql.Request, error) {
	if err := in.only("query", "operationName", "variables"); err != nil {
		return graphql.Request{}, err
	}
	if in.text("query") == "" {
		return graphql.Request{}, invalidParameter("query", "$graphql needs a query, such as query={PatientList{id}}")
	}
	return graphql.Request{Query: in.text("query"), OperationName: in.text("operationName"), Variables: json.RawMessage(in.text("variables"))}, nil
}

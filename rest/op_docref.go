package rest

import (
	"net/http"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// docrefOperation is DocumentReference/$docref of US Core: a patient's
// documents of a type. Without dates it gives the newest one, and without a
// type it looks for clinical summaries.
// http://hl7.org/fhir/us/core/OperationDefinition/docref
func docrefOperation() operation {
	return operation{
		code: "docref", on: []string{"DocumentReference"}, levels: []level{levelType},
		definition: "http://hl7.org/fhir/us/core/OperationDefinition/docref",
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			pairs, token := takePage(in.pairs)
			in.pairs = pairs
			if err := in.only("patient", "start", "end", "type", "on-demand", "profile", "_count"); err != nil {
				return err
			}
			query, err := r.docrefQuery(in)
			if err != nil {
				return err
			}
			p := &searchPage{r: r, path: "DocumentReference/$docref", query: query}
			query.Self = in.pairs
			if err := p.start(token); err != nil {
				return err
			}
			view, done, err := r.openView(p.t)
			if err != nil {
				return err
			}
			defer done()
			return p.write(w, view)
		},
	}
}

// summaryDocument is the LOINC code of a summarization of episode note, which
// $docref looks for where it is not told a type.
const summaryDocument = "http://loinc.org|34133-9"

func (r *request) docrefQuery(in *arguments) (*search.Query, error) {
	patient := in.text("patient")
	if patient == "" {
		return nil, fhir.Errorf(fhir.KindInvalid, "$docref needs the parameter patient, an id")
	}
	if onDemand, err := in.flag("on-demand"); err != nil || onDemand {
		if err == nil {
			err = fhir.Errorf(fhir.KindNotSupported, "documents are not made on demand; $docref gives those that are stored").At("http.on-demand")
		}
		return nil, err
	}
	if p := in.text("profile"); p != "" {
		return nil, fhir.Errorf(fhir.KindNotSupported, "$docref does not look for documents by profile").At("http.profile")
	}
	count, err := in.number("_count", search.DefaultCount, search.MaxCount)
	if err != nil {
		return nil, err
	}
	pairs := []search.Pair{{Name: "patient", Value: search.EscapeValue(patient)}, {Name: "type", Value: docrefType(in)}, {Name: "_sort", Value: "-date"}}
	start, end := in.text("start"), in.text("end")
	if start != "" {
		pairs = append(pairs, search.Pair{Name: "period", Value: "ge" + start})
	}
	if end != "" {
		pairs = append(pairs, search.Pair{Name: "period", Value: "le" + end})
	}
	query, err := r.parseSearch([]string{"DocumentReference"}, pairs, search.Options{})
	if err != nil {
		return nil, err
	}
	if query.Count = count; start == "" && end == "" {
		return query, r.newestOnly(query)
	}
	return query, nil
}

// docrefType is the type to look for, as a token: of a valueCoding or
// valueCodeableConcept in the body too.
func docrefType(in *arguments) string {
	var codings []fhir.Node
	value := in.node("type").Child("value")
	if value.Exists() && !value.IsPrimitive() {
		if codings = children(value, "coding"); value.Type().Name == "Coding" {
			codings = []fhir.Node{value}
		}
	}
	if len(codings) > 0 {
		return search.EscapeValue(codings[0].TextOf("system")) + "|" + search.EscapeValue(codings[0].TextOf("code"))
	}
	if text := in.text("type"); text != "" {
		return text
	}
	return summaryDocument
}

// newestOnly makes a query find nothing but the first of what it finds.
func (r *request) newestOnly(query *search.Query) error {
	matches, _, err := r.matches(query, 1)
	if err != nil {
		return err
	}
	ids := make([]string, len(matches))
	for i := range matches {
		ids[i] = matches[i].ID
	}
	narrowPlan(&query.Plan, func(string) search.Node { return search.IDs{IDs: slices.Clip(ids)} })
	return nil
}

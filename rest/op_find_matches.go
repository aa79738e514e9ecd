package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest/answer"
	"github.com/tarnhealth/tarn/terminology"
)

// findMatchesOperation is CodeSystem/$find-matches.
// http://hl7.org/fhir/R4/codesystem-operation-find-matches.html
func findMatchesOperation() operation {
	return operation{
		code: "find-matches", on: []string{"CodeSystem"}, levels: []level{levelType, levelInstance},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			if err := in.only("system", "version", "property", "exact", "compositional"); err != nil {
				return err
			}
			if in.text("exact") == "" {
				return fhir.Errorf(fhir.KindInvalid, "$find-matches needs exact: true for machines, false for people").At("http.exact")
			}
			exact, err := in.flag("exact")
			if err != nil {
				return err
			}
			wanted, err := in.wanted()
			if err != nil {
				return err
			}
			return r.withTerminology(func(s *terminology.Service) error {
				system, err := r.systemOf(s, terminology.Coding{System: in.text("system"), Version: in.text("version")})
				if err != nil {
					return err
				}
				found, err := system.FindMatches(wanted, exact)
				if err != nil {
					return err
				}
				return r.writeParameters(w, http.StatusOK, answer.Matches(found))
			})
		},
	}
}

// wanted are the properties that concepts are to have.
func (in *arguments) wanted() (all []terminology.Wanted, err error) {
	for p := range in.parameters.Each("parameter") {
		if p.TextOf("name") != "property" {
			continue
		}
		var w terminology.Wanted
		for part := range p.Each("part") {
			switch value := part.Child("value"); part.TextOf("name") {
			case "code":
				w.Property = value.Text()
			case "value":
				if w.Value = value.Text(); value.Type().Name == "Coding" {
					w.Value = value.TextOf("code")
				}
			default:
				return nil, invalidParameter("property", "it has the part %q; the parts code and value are known here", part.TextOf("name"))
			}
		}
		if w.Property == "" || w.Value == "" {
			return nil, invalidParameter("property", "it needs the parts code and value")
		}
		all = append(all, w)
	}
	if len(all) == 0 {
		return nil, fhir.Errorf(fhir.KindInvalid, "$find-matches needs a Parameters resource with one property or more, each with the parts code and value").At("http.property")
	}
	return all, nil
}

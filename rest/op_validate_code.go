package rest

import (
	"net/http"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology"
)

// validateCodeOperation is $validate-code of CodeSystem and ValueSet.
// http://hl7.org/fhir/R4/codesystem-operation-validate-code.html and
// http://hl7.org/fhir/R4/valueset-operation-validate-code.html
func validateCodeOperation() operation {
	return operation{
		code: "validate-code", on: []string{"CodeSystem", "ValueSet"}, levels: []level{levelType, levelInstance},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			check := r.validateInSet
			if r.resourceType == "CodeSystem" {
				check = r.validateInSystem
			}
			var verdict terminology.Verdict
			err := r.withTerminology(func(s *terminology.Service) (err error) {
				verdict, err = check(s, in)
				return err
			})
			if err != nil {
				return err
			}
			all := append(make([]parameter, 0, 3), parameter{Name: "result", Boolean: &verdict.Result})
			if verdict.Message != "" {
				all = append(all, parameter{Name: "message", String: verdict.Message})
			}
			if verdict.Display != "" {
				all = append(all, parameter{Name: "display", String: verdict.Display})
			}
			return r.writeParameters(w, http.StatusOK, all)
		},
	}
}

func (r *request) validateInSystem(s *terminology.Service, in *arguments) (none terminology.Verdict, err error) {
	if err := in.only("url", "codeSystem", "code", "version", "display", "coding", "codeableConcept", "abstract", "displayLanguage", "useSupplement"); err != nil {
		return none, err
	}
	codings, err := in.codings()
	if err != nil {
		return none, err
	}
	var system *terminology.CodeSystem
	given := in.node("codeSystem").Child("resource").Detach()
	switch url := in.text("url"); {
	case r.level == levelInstance:
		if given, err = r.stored(); err != nil {
			return none, err
		}
		system = terminology.ReadSystem(given.Root())
	case given != nil:
		system = terminology.ReadSystem(given.Root())
	case url == "":
		return none, fhir.Errorf(fhir.KindInvalid, "$validate-code needs the code system: its url, the parameter codeSystem, or a call below its id").At("http.url")
	default:
		if system, err = s.System(terminology.Canonical(url, in.text("version")), in.texts("useSupplement")...); err != nil {
			return none, err
		}
	}
	return system.Validate(codings, terminology.Check{Language: in.text("displayLanguage")})
}

func (r *request) validateInSet(s *terminology.Service, in *arguments) (none terminology.Verdict, err error) {
	if err := in.only("url", "valueSet", "valueSetVersion", "code", "system", "systemVersion", "display", "coding", "codeableConcept", "abstract", "displayLanguage", "useSupplement"); err != nil {
		return none, err
	}
	codings, err := in.codings()
	if err == nil {
		err = needSystem(codings)
	}
	if err != nil {
		return none, err
	}
	set, err := r.valueSet(s, in)
	if err != nil {
		return none, err
	}
	how := terminology.Check{Language: in.text("displayLanguage"), Versions: terminology.Versions{Default: map[string]string{}}}
	if how.Abstract, err = in.flag("abstract"); err != nil {
		return none, err
	}
	for _, c := range codings {
		if c.Version != "" {
			how.Versions.Default[c.System] = c.Version
		}
	}
	return set.With(in.texts("useSupplement")).Validate(codings, how)
}

// valueSet is the one that an operation is about: that of the URL, one that is
// sent along, or one that is named.
func (r *request) valueSet(s *terminology.Service, in *arguments) (*terminology.ValueSet, error) {
	sent := in.node("valueSet").Child("resource").Detach()
	if in.body != nil {
		sent = in.body
	}
	url := in.text("url")
	given := []bool{r.level == levelInstance, sent != nil, url != ""}
	if n := len(slices.DeleteFunc(given, func(there bool) bool { return !there })); n != 1 {
		return nil, fhir.Errorf(fhir.KindInvalid, "%s is about one value set: its url, the parameter valueSet, or a call below its id; %d are given", r.interaction, n).At("http.url")
	}
	if url != "" {
		return s.ValueSet(terminology.Canonical(url, in.text("valueSetVersion")))
	}
	if r.level == levelInstance {
		var err error
		if sent, err = r.stored(); err != nil {
			return nil, err
		}
	}
	if of := sent.Root().Type().Name; of != "ValueSet" {
		return nil, invalidParameter("valueSet", "it is of type %s", of)
	}
	return s.ReadValueSet(sent.Root())
}

package rest

import (
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest/answer"
	"github.com/tarnhealth/tarn/terminology"
)

// withTerminology runs part of an operation with what the caller may know of
// codes; what else it reads is of the same view.
func (r *request) withTerminology(do func(s *terminology.Service) error) error {
	view, done, err := r.openView(0)
	if err != nil {
		return err
	}
	defer func(before *datastore.View) {
		r.view = before
		done()
	}(r.view)
	r.view = view
	return do(view.Terminology(r.ctx))
}

// codings are the codes that an operation is asked about: exactly one of code
// with system, coding, and codeableConcept.
func (in *arguments) codings() ([]terminology.Coding, error) {
	one := in.node("coding").Child("value")
	several := in.node("codeableConcept").Child("value")
	code := in.text("code")
	given := 0
	for _, there := range []bool{code != "", one.Exists(), several.Exists()} {
		if there {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, fhir.Errorf(fhir.KindInvalid, "%s needs exactly one of code, coding and codeableConcept; %d are given", in.r.interaction, given)
	case code != "":
		return []terminology.Coding{{
			System: in.text("system"), Version: in.systemVersion(), Code: code, Display: in.text("display"),
		}}, nil
	case one.Exists():
		return []terminology.Coding{codingOf(one)}, nil
	}
	var all []terminology.Coding
	for c := range several.Each("coding") {
		all = append(all, codingOf(c))
	}
	if len(all) == 0 {
		return nil, invalidParameter("codeableConcept", "the CodeableConcept has no coding")
	}
	return all, nil
}

// systemVersion is the version of the code system; $validate-code of value sets
// has another name for it.
func (in *arguments) systemVersion() string {
	if v := in.text("systemVersion"); v != "" {
		return v
	}
	return in.text("version")
}

func codingOf(n fhir.Node) terminology.Coding {
	return terminology.Coding{System: n.TextOf("system"), Version: n.TextOf("version"), Code: n.TextOf("code"), Display: n.TextOf("display")}
}

// needSystem refuses codings that do not say what they are codes of.
func needSystem(codings []terminology.Coding) error {
	for _, c := range codings {
		if c.System == "" {
			return invalidParameter("system", "the code %q needs its system", c.Code)
		}
	}
	return nil
}

// languages are those of an answer: the parameter displayLanguage, or else the
// first of Accept-Language.
func (in *arguments) language() string {
	if l := in.text("displayLanguage"); l != "" {
		return l
	}
	accepted, _, _ := strings.Cut(in.r.header.Get("Accept-Language"), ",")
	accepted, _, _ = strings.Cut(accepted, ";")
	if accepted = strings.TrimSpace(accepted); accepted == "*" {
		return ""
	}
	return accepted
}

// lookupOperation is CodeSystem/$lookup.
// http://hl7.org/fhir/R4/codesystem-operation-lookup.html
func lookupOperation() operation {
	return operation{
		code: "lookup", on: []string{"CodeSystem"}, levels: []level{levelType},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			if err := in.only("code", "system", "version", "coding", "displayLanguage", "property", "useSupplement"); err != nil {
				return err
			}
			asked, err := in.codings()
			if err == nil {
				err = needSystem(asked)
			}
			if err != nil {
				return err
			}
			return r.withTerminology(func(s *terminology.Service) error {
				system, err := s.System(terminology.Canonical(asked[0].System, asked[0].Version), in.texts("useSupplement")...)
				if err != nil {
					return err
				}
				found, err := system.Lookup(asked[0].Code, in.texts("property"))
				if err != nil {
					return err
				}
				return r.writeParameters(w, http.StatusOK, answer.Details(found, in.language()))
			})
		},
	}
}

// subsumesOperation is CodeSystem/$subsumes.
// http://hl7.org/fhir/R4/codesystem-operation-subsumes.html
func subsumesOperation() operation {
	return operation{
		code: "subsumes", on: []string{"CodeSystem"}, levels: []level{levelType, levelInstance},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			if err := in.only("codeA", "codeB", "system", "version", "codingA", "codingB"); err != nil {
				return err
			}
			a, b := in.sided("A"), in.sided("B")
			if a.Code == "" || b.Code == "" {
				return fhir.Errorf(fhir.KindInvalid, "$subsumes needs codeA and codeB with system, or codingA and codingB")
			}
			return r.withTerminology(func(s *terminology.Service) error {
				system, err := r.systemOf(s, a, b)
				if err != nil {
					return err
				}
				outcome, err := system.Subsumption(a.Code, b.Code)
				if err != nil {
					return err
				}
				return r.writeParameters(w, http.StatusOK, []parameter{{Name: "outcome", Code: outcome}})
			})
		},
	}
}

// sided is one of the two codes of $subsumes.
func (in *arguments) sided(side string) terminology.Coding {
	if n := in.node("coding" + side).Child("value"); n.Exists() {
		return codingOf(n)
	}
	return terminology.Coding{System: in.text("system"), Version: in.text("version"), Code: in.text("code" + side)}
}

// systemOf is the one code system of codes: that of the URL, or their own.
func (r *request) systemOf(s *terminology.Service, codings ...terminology.Coding) (*terminology.CodeSystem, error) {
	var own *terminology.CodeSystem
	url, version := codings[0].System, codings[0].Version
	if r.level == levelInstance {
		tree, err := r.stored()
		if err != nil {
			return nil, err
		}
		own = terminology.ReadSystem(tree.Root())
		url = own.URL
	}
	for _, c := range codings {
		if c.System != url && (own == nil || c.System != "") {
			return nil, fhir.Errorf(fhir.KindInvalid, "the codes are of different systems, %q and %q", url, c.System)
		}
	}
	if own != nil {
		return own, nil
	}
	if err := needSystem(codings); err != nil {
		return nil, err
	}
	return s.System(terminology.Canonical(url, version))
}

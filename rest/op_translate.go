package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest/answer"
	"github.com/tarnhealth/tarn/terminology"
)

// translateOperation is ConceptMap/$translate.
// http://hl7.org/fhir/R4/conceptmap-operation-translate.html
func translateOperation() operation {
	return operation{
		code: "translate", on: []string{"ConceptMap"}, levels: []level{levelType, levelInstance},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			x, err := in.translate()
			if err != nil {
				return err
			}
			return r.withTerminology(func(s *terminology.Service) error {
				m, err := r.conceptMap(s, in)
				if err != nil {
					return err
				}
				found, err := m.Translate(x)
				if err != nil {
					return err
				}
				return r.writeParameters(w, http.StatusOK, answer.Translations(found, m.URL))
			})
		},
	}
}

func (in *arguments) translate() (x terminology.Translate, err error) {
	if err := in.only("url", "conceptMap", "conceptMapVersion", "code", "system", "version", "source", "target",
		"coding", "codeableConcept", "targetsystem", "dependency", "reverse"); err != nil {
		return x, err
	}
	if x.Codings, err = in.codings(); err != nil {
		return x, err
	}
	if x.Reverse, err = in.flag("reverse"); err != nil {
		return x, err
	}
	x.TargetSystem = in.text("targetsystem")
	for p := range in.parameters.Each("parameter") {
		if p.TextOf("name") != "dependency" {
			continue
		}
		var d terminology.Dependency
		for part := range p.Each("part") {
			switch value := part.Child("value"); part.TextOf("name") {
			case "element":
				d.Property = value.Text()
			case "concept":
				for c := range value.Each("coding") {
					d.Coding = codingOf(c)
				}
			}
		}
		x.Dependencies = append(x.Dependencies, d)
	}
	return x, needSystem(x.Codings)
}

// conceptMap is the map that is asked for. Where its source or target is named
// too, it has to be that.
func (r *request) conceptMap(s *terminology.Service, in *arguments) (*terminology.ConceptMap, error) {
	m, err := r.namedMap(s, in)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"source": m.Source, "target": m.Target} {
		if wanted := in.text(name); wanted != "" && value != "" && wanted != value {
			return nil, invalidParameter(name, "the concept map %s has the %s %s", m.URL, name, value)
		}
	}
	return m, nil
}

func (r *request) namedMap(s *terminology.Service, in *arguments) (*terminology.ConceptMap, error) {
	sent := in.node("conceptMap").Child("resource").Detach()
	url := in.text("url")
	switch {
	case r.level == levelInstance:
		stored, err := r.stored()
		if err != nil {
			return nil, err
		}
		sent = stored
	case sent == nil && url == "":
		return nil, fhir.Errorf(fhir.KindInvalid, "$translate needs the concept map: its url, the parameter conceptMap, or a call below its id").At("http.url")
	case sent == nil:
		return s.ConceptMap(terminology.Canonical(url, in.text("conceptMapVersion")))
	}
	if of := sent.Root().Type().Name; of != "ConceptMap" {
		return nil, invalidParameter("conceptMap", "it is of type %s", of)
	}
	return s.ReadMap(sent.Root()), nil
}

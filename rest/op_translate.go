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
				maps, err := r.conceptMaps(s, in)
				if err != nil {
					return err
				}
				var found []terminology.Translation
				for _, m := range maps {
					some, err := m.Translate(x)
					if err != nil {
						return err
					}
					found = append(found, some...)
				}
				return r.writeParameters(w, http.StatusOK, answer.Translations(found, mapURLs(maps)))
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

// conceptMaps are the maps that are asked for: one by its name, or all between
// two value sets.
func (r *request) conceptMaps(s *terminology.Service, in *arguments) ([]*terminology.ConceptMap, error) {
	source, target := in.text("source"), in.text("target")
	if r.level == levelInstance || in.text("url") != "" || in.node("conceptMap").Exists() || source == "" && target == "" {
		m, err := r.conceptMap(s, in)
		return []*terminology.ConceptMap{m}, err
	}
	maps, err := r.mapsBetween(s, source, target)
	if err == nil && len(maps) == 0 {
		err = fhir.Errorf(fhir.KindNotFound, "no concept map is known from the value set %q to %q; a ConceptMap resource with that source and target would be", source, target)
	}
	return maps, err
}

// conceptMap is the map that is named. Where its source or target is named too,
// it has to be that.
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
		return nil, fhir.Errorf(fhir.KindInvalid, "$translate needs the concept map: its url, the parameter conceptMap, what it is between (source, target), or a call below its id").At("http.url")
	case sent == nil:
		return s.ConceptMap(terminology.Canonical(url, in.text("conceptMapVersion")))
	}
	if of := sent.Root().Type().Name; of != "ConceptMap" {
		return nil, invalidParameter("conceptMap", "it is of type %s", of)
	}
	return s.ReadMap(sent.Root()), nil
}

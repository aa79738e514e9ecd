package answer

import "github.com/tarnhealth/tarn/terminology"

// Details are the answer of $lookup.
// http://hl7.org/fhir/R4/codesystem-operation-lookup.html
func Details(d *terminology.Details, language string) []Parameter {
	name := d.System.Name
	if name == "" {
		name = d.System.URL
	}
	all := append(make([]Parameter, 0, 3+len(d.Designations)+len(d.Properties)), Parameter{Name: "name", String: name})
	if d.System.Version != "" {
		all = append(all, Parameter{Name: "version", String: d.System.Version})
	}
	entry := terminology.Entry{Coding: terminology.Coding{Display: d.Concept.Display}, Designations: d.Concept.Designations}
	display := entry.In(language)
	if display == "" {
		display = d.Concept.Code
	}
	all = append(all, Parameter{Name: "display", String: display})
	for _, o := range d.Designations {
		p := Parameter{Name: "designation"}
		if o.Language != "" {
			p.Add(Parameter{Name: "language", Code: o.Language})
		}
		if use := AsCoding(o.Use); use != nil {
			p.Add(Parameter{Name: "use", Coding: use})
		}
		p.Add(Parameter{Name: "value", String: o.Value})
		all = append(all, p)
	}
	for _, o := range d.Properties {
		p := Parameter{Name: "property"}
		p.Add(Parameter{Name: "code", Code: o.Code}, propertyValue(o))
		all = append(all, p)
	}
	return all
}

func propertyValue(o terminology.Property) Parameter {
	p := Parameter{Name: "value"}
	switch o.Kind {
	case "Coding":
		p.Coding = AsCoding(o.Coding)
	case "boolean":
		yes := o.Text == "true"
		p.Boolean = &yes
	case "code":
		p.Code = o.Text
	case "dateTime":
		p.DateTime = o.Text
	default: // R4's $lookup has neither integer nor decimal values
		p.String = o.Text
	}
	return p
}

// Translations are the answer of $translate by the map of a URL.
// http://hl7.org/fhir/R4/conceptmap-operation-translate.html
func Translations(found []terminology.Translation, url string) []Parameter {
	result := false
	var matches []Parameter
	for _, f := range found {
		result = result || f.Equivalence != "unmatched" && f.Equivalence != "disjoint"
		p := Parameter{Name: "match"}
		p.Add(Parameter{Name: "equivalence", Code: f.Equivalence})
		if f.Coding.Code != "" {
			p.Add(Parameter{Name: "concept", Coding: AsCoding(f.Coding)})
		}
		for _, product := range f.Product {
			o := Parameter{Name: "product"}
			o.Add(Parameter{Name: "element", URI: product.Property}, Parameter{Name: "concept", Coding: AsCoding(product.Coding)})
			p.Add(o)
		}
		if f.Map != "" {
			p.Add(Parameter{Name: "source", URI: f.Map})
		}
		matches = append(matches, p)
	}
	all := []Parameter{{Name: "result", Boolean: &result}}
	if !result {
		all = append(all, Parameter{Name: "message", String: "the concept map " + url + " says nothing that the code translates to"})
	}
	return append(all, matches...)
}

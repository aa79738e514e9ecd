package terminology

import (
	"github.com/tarnhealth/tarn/ucum"
)

const (
	ucumURL        = "http://unitsofmeasure.org"
	contentGrammar = "grammar"
)

// unitsOfMeasure is UCUM, whose codes are made by a rule: all are known, and
// none can be listed. https://ucum.org/ucum
var unitsOfMeasure = &CodeSystem{
	URL: ucumURL, Name: "UCUM", Title: "Unified Code for Units of Measure",
	Content: contentGrammar, CaseSensitive: true, grammar: unitOfMeasure,
}

func unitOfMeasure(code string) (Concept, bool) {
	if _, err := ucum.Parse(code); err != nil {
		return Concept{}, false
	}
	return Concept{Code: code}, true
}

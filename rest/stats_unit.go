package rest

import (
	"math/big"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/ucum"
)

// A statsUnit is the unit of a Quantity.
type statsUnit struct{ unit, unitSystem, unitCode string }

func unitOf(quantity fhir.Node) statsUnit {
	return statsUnit{quantity.TextOf("unit"), quantity.TextOf("system"), quantity.TextOf("code")}
}

// ucumSystem is the system of UCUM codes.
const ucumSystem = "http://unitsofmeasure.org"

// ucum is the unit's meaning, nil where it has no UCUM code that is known.
func (u statsUnit) ucum() *ucum.Unit {
	if u.unitSystem != ucumSystem || u.unitCode == "" {
		return nil
	}
	return ucum.Lookup([]byte(u.unitCode))
}

// maxConverted bounds the digits behind the point of a value that is
// converted.
const maxConverted = 60

// convert gives a value in another unit. ok is false where that is not known.
func (u statsUnit) convert(d fhir.Decimal, to statsUnit) (converted fhir.Decimal, ok bool) {
	if u.unitCode == to.unitCode && u.unitSystem == to.unitSystem && (u.unitCode != "" || u.unit == to.unit) {
		return d, true
	}
	from, into := u.ucum(), to.ucum()
	if from == nil || into == nil || d.Exponent() < -maxConverted {
		return d, false
	}
	x, ok := new(big.Rat).SetString(d.String())
	if !ok {
		return d, false
	}
	y := from.Convert(x, into)
	if y == nil {
		return d, false
	}
	text := ""
	if digits, exact := y.FloatPrec(); exact && digits <= 2*maxConverted {
		text = y.FloatString(digits)
	} else {
		approximate, _ := y.Float64()
		text = number(approximate)
	}
	converted, err := fhir.ParseDecimal(text)
	return converted, err == nil
}

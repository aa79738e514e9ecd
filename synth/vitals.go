package synth

import "time"

// vital is a vital sign of one number.
type vital struct {
	profile string
	code    code
	unit    unit
	digits  int
}

// Vital signs (LOINC).
var (
	bodyHeight    = vital{"us-core-body-height", loinc("8302-2", "Body height"), unitCm, 1}
	bodyWeight    = vital{"us-core-body-weight", loinc("29463-7", "Body weight"), unitKg, 1}
	bodyMass      = vital{"us-core-bmi", loinc("39156-5", "Body mass index (BMI) [Ratio]"), unitBMI, 1}
	pulse         = vital{"us-core-heart-rate", loinc("8867-4", "Heart rate"), unitPerMin, 0}
	breathing     = vital{"us-core-respiratory-rate", loinc("9279-1", "Respiratory rate"), unitPerMin, 0}
	temperature   = vital{"us-core-body-temperature", loinc("8310-5", "Body temperature"), unitCelsius, 1}
	headSizeVital = vital{"us-core-head-circumference", loinc("9843-4", "Head Occipital-frontal circumference"), unitCm, 1}
	headPeers     = vital{"head-occipital-frontal-circumference-percentile", loinc("8289-1", "Head Occipital-frontal circumference Percentile"), unitPercent, 0}
	massPeers     = vital{"pediatric-bmi-for-age", loinc("59576-9", "Body mass index (BMI) [Percentile] Per age and sex"), unitPercent, 0}
	lengthPeers   = vital{"pediatric-weight-for-height", loinc("77606-2", "Weight-for-length Per age and sex"), unitPercent, 0}
	oximetry      = loinc("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry")
	saturation    = loinc("2708-6", "Oxygen saturation in Arterial blood")
	pressurePanel = loinc("85354-9", "Blood pressure panel with all children optional")
	systolicCode  = loinc("8480-6", "Systolic blood pressure")
	diastolicCode = loinc("8462-4", "Diastolic blood pressure")
	painCode      = loinc("72514-3", "Pain severity - 0-10 verbal numeric rating [Score] - Reported")
	smokingCode   = loinc("72166-2", "Tobacco smoking status")
	depressionSum = loinc("44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]")
	pregnantCode  = loinc("82810-3", "Pregnancy status")
)

func (v *visit) vital(l *life, kind *vital, value float64) {
	v.observation(l, kind.profile, categoryVital, v.start.Add(8*time.Minute), kind.code)
	l.quantity("valueQuantity", value, kind.digits, kind.unit)
	l.finish()
}

// vitals writes the vital signs that the kind of visit calls for.
func (v *visit) vitals(l *life) {
	age := l.ageAt(v.start)
	full := v.kind == wellness
	if full || v.kind == followUp || v.kind == prenatal {
		v.body(l, age)
	}
	if age >= 3 {
		v.bloodPressure(l)
	}
	v.vital(l, &pulse, l.heartRate(v.start)+v.strain())
	if full || v.kind == acute || v.kind == admission {
		v.vital(l, &breathing, l.breaths(v.start)+v.strain()/5)
		v.vital(l, &temperature, v.bodyHeat(l))
	}
	if v.kind == acute || v.kind == admission || l.has(copd, v.start) {
		v.oxygen(l)
	}
	if v.illness != nil && v.illness.pain && age >= 4 {
		v.pain(l)
	}
}

// strain is by how much an acute illness quickens the pulse.
func (v *visit) strain() float64 {
	if v.illness != nil && (v.illness.fever || v.kind == admission) {
		return 14
	}
	return 0
}

func (v *visit) bodyHeat(l *life) float64 {
	if v.illness != nil && v.illness.fever {
		return l.normal(38.4, 0.5)
	}
	return l.normal(36.8, 0.2)
}

// body writes length, weight and what follows from them.
func (v *visit) body(l *life, age float64) {
	height, weight := round(l.height(age), 1), round(max(2, l.weight(age)+l.normal(0, 0.4)), 1)
	v.vital(l, &bodyHeight, height)
	v.vital(l, &bodyWeight, weight)
	if age < 2 {
		v.vital(l, &lengthPeers, percentile(l.heavy*0.8))
		v.vital(l, &headSizeVital, interpolate(headSize[:], age)*(1+float64(0.02*l.tall)))
		v.vital(l, &headPeers, percentile(l.tall*0.7))
		return
	}
	v.vital(l, &bodyMass, weight/(height*height)*10000)
	if age < 20 {
		v.vital(l, &massPeers, percentile(l.heavy))
	}
}

func (v *visit) bloodPressure(l *life) {
	systolic, diastolic := l.pressures(v.start)
	v.observation(l, "us-core-blood-pressure", categoryVital, v.start.Add(8*time.Minute), pressurePanel)
	l.arr("component")
	for _, part := range []struct {
		code  code
		value float64
	}{{systolicCode, systolic}, {diastolicCode, diastolic}} {
		l.open()
		l.concept("code", part.code)
		l.quantity("valueQuantity", part.value, 0, unitMmHg)
		l.end()
	}
	l.endArr()
	l.finish()
}

func (v *visit) oxygen(l *life) {
	v.observation(l, "us-core-pulse-oximetry", categoryVital, v.start.Add(8*time.Minute), oximetry, saturation)
	l.quantity("valueQuantity", l.oxygen(v.start, v.illness != nil && v.illness.winter), 0, unitPercent)
	l.finish()
}

func (v *visit) pain(l *life) {
	v.observation(l, "", categorySurvey, v.start.Add(8*time.Minute), painCode)
	l.quantity("valueQuantity", float64(l.between(2, 8)), 0, unitScore)
	l.finish()
}

// smokingStatus writes what the patient says about smoking; nobody has begun
// before the age of seventeen.
func (v *visit) smokingStatus(l *life) {
	status := l.smoking
	if l.ageAt(v.start) < 17 {
		status = neverSmoked
	}
	v.observation(l, "us-core-smokingstatus", categorySocial, v.start, smokingCode)
	l.dateTime("issued", v.start)
	l.concept("valueCodeableConcept", status)
	l.finish()
}

// mood writes the sum of a depression questionnaire.
func (v *visit) mood(l *life) {
	score := max(0, l.normal(2.4, 1.8))
	if l.has(depression, v.start) {
		score = max(3, l.normal(9.5, 4))
	}
	v.observation(l, "us-core-observation-screening-assessment", categorySurvey, v.start.Add(10*time.Minute), depressionSum)
	l.references("performer", v.doctor.ref)
	l.quantity("valueQuantity", min(27, score), 0, unitScore)
	l.finish()
}

func (v *visit) pregnancyStatus(l *life, pregnant bool) {
	status := snomed("60001007", "Not pregnant")
	if pregnant {
		status = snomed("77386006", "Pregnant")
	}
	v.observation(l, "us-core-observation-pregnancystatus", categorySocial, v.start, pregnantCode)
	l.concept("valueCodeableConcept", status)
	l.finish()
}

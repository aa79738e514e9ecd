package synth

// A medication is a product with its usual prescription.
type medication struct {
	code code
	// text is the instruction; times per day and the dose follow from it.
	text     string
	times    int
	dose     float64
	unit     unit
	asNeeded bool
	days     int // how long a prescription lasts; 365 for long-term ones
	cents    int // price per prescription
	route    code
}

var (
	routeOral         = snomed("26643006", "Oral route")
	routeInhaled      = snomed("447694001", "Respiratory tract route")
	routeSubcutaneous = snomed("34206005", "Subcutaneous route")
	unitPuff          = unit{"puff", "{puff}"}
	unitCapsule       = unit{"capsule", "{capsule}"}
	unitInsulin       = unit{"units", "[iU]"}
)

func tablet(c, display, text string, times int, dose float64, days, cents int) *medication {
	return &medication{code: rxnorm(c, display), text: text, times: times, dose: dose, unit: unitTablet, days: days, cents: cents, route: routeOral}
}

func capsule(c, display, text string, times int, dose float64, days, cents int) *medication {
	m := tablet(c, display, text, times, dose, days, cents)
	m.unit = unitCapsule
	return m
}

func inhaler(c, display, text string, times int, dose float64, cents int) *medication {
	return &medication{code: rxnorm(c, display), text: text, times: times, dose: dose, unit: unitPuff, days: 365, cents: cents, route: routeInhaled}
}

func (m medication) whenNeeded() *medication {
	m.asNeeded = true
	return &m
}

// RxNorm products (https://www.nlm.nih.gov/research/umls/rxnorm/).
var (
	lisinopril     = tablet("314076", "lisinopril 10 MG Oral Tablet", "Take 1 tablet by mouth once daily", 1, 1, 365, 1240)
	amlodipine     = tablet("197361", "amlodipine 5 MG Oral Tablet", "Take 1 tablet by mouth once daily", 1, 1, 365, 1490)
	simvastatin10  = tablet("314231", "simvastatin 10 MG Oral Tablet", "Take 1 tablet by mouth once daily in the evening", 1, 1, 365, 1320)
	simvastatin20  = tablet("312961", "simvastatin 20 MG Oral Tablet", "Take 1 tablet by mouth once daily in the evening", 1, 1, 365, 1580)
	metformin      = tablet("860975", "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet", "Take 1 tablet by mouth twice daily with meals", 2, 1, 365, 1850)
	levothyroxine  = tablet("892246", "levothyroxine sodium 0.1 MG Oral Tablet", "Take 1 tablet by mouth once daily before breakfast", 1, 1, 365, 1710)
	aspirin        = tablet("243670", "aspirin 81 MG Oral Tablet", "Take 1 tablet by mouth once daily", 1, 1, 365, 640)
	clopidogrel    = tablet("309362", "clopidogrel 75 MG Oral Tablet", "Take 1 tablet by mouth once daily", 1, 1, 365, 2260)
	metoprolol     = tablet("866924", "metoprolol tartrate 25 MG Oral Tablet", "Take 1 tablet by mouth twice daily", 2, 1, 365, 1430)
	warfarin       = tablet("855332", "warfarin sodium 5 MG Oral Tablet", "Take 1 tablet by mouth once daily in the evening", 1, 1, 365, 1620)
	furosemide     = tablet("313988", "furosemide 40 MG Oral Tablet", "Take 1 tablet by mouth once daily in the morning", 1, 1, 365, 1180)
	alendronate    = tablet("904419", "alendronic acid 10 MG Oral Tablet", "Take 1 tablet by mouth once daily before breakfast, with water", 1, 1, 365, 2840)
	donepezil      = tablet("997223", "donepezil hydrochloride 10 MG Oral Tablet", "Take 1 tablet by mouth once daily at bedtime", 1, 1, 365, 3350)
	sertraline     = tablet("312941", "sertraline 50 MG Oral Tablet", "Take 1 tablet by mouth once daily", 1, 1, 365, 1690)
	ferrousSulfate = tablet("310325", "ferrous sulfate 325 MG Oral Tablet", "Take 1 tablet by mouth once daily", 1, 1, 365, 890)
	loratadine     = tablet("311372", "loratadine 10 MG Oral Tablet", "Take 1 tablet by mouth once daily as needed", 1, 1, 365, 1050).whenNeeded()
	fluoxetine     = capsule("310385", "fluoxetine 20 MG Oral Capsule", "Take 1 capsule by mouth once daily", 1, 1, 365, 1530)
	omeprazole     = capsule("198051", "omeprazole 20 MG Delayed Release Oral Capsule", "Take 1 capsule by mouth once daily before breakfast", 1, 1, 365, 1960)

	albuterol   = inhaler("745679", "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler", "Inhale 2 puffs every 6 hours as needed", 4, 2, 3120).whenNeeded()
	fluticasone = inhaler("895994", "120 ACTUAT fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler", "Inhale 2 puffs twice daily", 2, 2, 14800)
	salmeterol  = inhaler("896209", "60 ACTUAT fluticasone propionate 0.25 MG/ACTUAT / salmeterol 0.05 MG/ACTUAT Dry Powder Inhaler", "Inhale 1 puff twice daily", 2, 1, 21400)
	glargine    = &medication{code: rxnorm("311041", "insulin glargine 100 UNT/ML Injectable Solution"), text: "Inject 20 units under the skin once daily at bedtime",
		times: 1, dose: 20, unit: unitInsulin, days: 365, cents: 18900, route: routeSubcutaneous}

	naproxen               = tablet("849574", "naproxen sodium 220 MG Oral Tablet", "Take 1 tablet by mouth twice daily as needed for pain", 2, 1, 60, 920).whenNeeded()
	ibuprofen              = tablet("310965", "ibuprofen 200 MG Oral Tablet", "Take 2 tablets by mouth every 8 hours as needed for pain", 3, 2, 14, 780).whenNeeded()
	acetaminophen          = tablet("313782", "acetaminophen 325 MG Oral Tablet", "Take 2 tablets by mouth every 6 hours as needed for fever or pain", 4, 2, 10, 690).whenNeeded()
	amoxicillin            = capsule("308182", "amoxicillin 250 MG Oral Capsule", "Take 1 capsule by mouth three times daily for 10 days", 3, 1, 10, 1110)
	amoxicillinClavulanate = tablet("562251", "amoxicillin 250 MG / clavulanate 125 MG Oral Tablet", "Take 1 tablet by mouth three times daily for 10 days", 3, 1, 10, 2480)
	penicillin             = tablet("834102", "penicillin V potassium 500 MG Oral Tablet", "Take 1 tablet by mouth twice daily for 10 days", 2, 1, 10, 1380)
	azithromycin           = tablet("308460", "azithromycin 250 MG Oral Tablet", "Take 2 tablets by mouth on the first day, then 1 tablet daily for 4 days", 1, 1, 5, 1720)
	cephalexin             = capsule("309114", "cephalexin 500 MG Oral Capsule", "Take 1 capsule by mouth four times daily for 7 days", 4, 1, 7, 1560)
	sulfamethoxazole       = tablet("198335", "sulfamethoxazole 800 MG / trimethoprim 160 MG Oral Tablet", "Take 1 tablet by mouth twice daily for 3 days", 2, 1, 3, 990)
)

// tolerated is the medication itself or what an allergy makes of it.
func (l *life) tolerated(m *medication) *medication {
	if m == nil {
		return nil
	}
	switch {
	case (m == amoxicillin || m == amoxicillinClavulanate || m == penicillin) && l.allergic(penicillinAllergy):
		return azithromycin
	case m == sulfamethoxazole && l.allergic(sulfonamideAllergy):
		return cephalexin
	case (m == aspirin || m == ibuprofen || m == naproxen) && l.allergic(aspirinAllergy):
		return acetaminophen
	}
	return m
}

// prescribe writes the MedicationRequest, where the patient tolerates the
// medication or another in its place, and charges it.
func (v *visit) prescribe(l *life, m *medication, reason *problem) {
	if m = l.tolerated(m); m == nil {
		return
	}
	until := v.end.AddDate(0, 0, m.days)
	status := "active"
	if !until.After(l.now) || !l.died.IsZero() {
		status = "completed"
		if l.rng.IntN(20) == 0 {
			status = "stopped"
		}
	}
	r := l.newRef("MedicationRequest")
	l.begin(r, usCore+"us-core-medicationrequest")
	l.str("status", status)
	l.str("intent", "order")
	l.concepts("category", v.medicationCategory())
	l.boolean("reportedBoolean", false)
	l.concept("medicationCodeableConcept", m.code)
	l.reference("subject", l.patient)
	l.reference("encounter", v.ref)
	l.dateTime("authoredOn", v.end)
	l.reference("requester", v.doctor.ref)
	if reason != nil {
		l.references("reasonReference", reason.reference())
	}
	m.writeDosage(l)
	m.writeDispense(l, v)
	l.finish()
	v.pharmacy(l, r, m)
	v.drugs = append(v.drugs, m.code.display)
}

func (v *visit) medicationCategory() code {
	if v.class == classInpatient {
		return code{terminology + "medicationrequest-category", "discharge", "Discharge"}
	}
	return code{terminology + "medicationrequest-category", "community", "Community"}
}

func (m *medication) writeDosage(l *life) {
	l.arr("dosageInstruction")
	l.open()
	l.integer("sequence", 1)
	l.str("text", m.text)
	l.obj("timing")
	l.obj("repeat")
	if m.days < 365 {
		l.quantity("boundsDuration", float64(m.days), 0, unitDay)
	}
	l.integer("frequency", m.times)
	l.integer("period", 1)
	l.str("periodUnit", "d")
	l.end()
	l.end()
	if m.asNeeded {
		l.boolean("asNeededBoolean", true)
	}
	l.concept("route", m.route)
	l.arr("doseAndRate")
	l.open()
	l.concept("type", code{terminology + "dose-rate-type", "ordered", "Ordered"})
	l.quantity("doseQuantity", m.dose, 0, m.unit)
	l.end()
	l.endArr()
	l.end()
	l.endArr()
}

func (m *medication) writeDispense(l *life, v *visit) {
	supply := min(m.days, 90)
	l.obj("dispenseRequest")
	l.period("validityPeriod", v.end, v.end.AddDate(0, 0, m.days))
	l.integer("numberOfRepeatsAllowed", (m.days+supply-1)/supply-1)
	if m.unit != unitPuff && m.unit != unitInsulin {
		l.quantity("quantity", m.dose*float64(m.times*supply), 0, m.unit)
	}
	l.quantity("expectedSupplyDuration", float64(supply), 0, unitDay)
	l.end()
}

package synth

import "time"

// A lab is one measurement of a panel.
type lab struct {
	code      code
	unit      unit
	digits    int
	low, high float64 // the reference range; high is 0 where there is none
	value     func(*blood) float64
	// presence marks a test whose result is positive or negative.
	presence bool
}

// A panel is measurements made together, reported in a DiagnosticReport where
// the panel has a code of its own.
type panel struct {
	code  code
	every int // days between routine draws
	cents int
	labs  []lab
}

// Panels and measurements (LOINC).
var (
	basicPanel = &panel{code: loinc("24321-2", "Basic metabolic 2000 panel - Serum or Plasma"), every: 170, cents: 4200, labs: []lab{
		{code: loinc("2345-7", "Glucose [Mass/volume] in Serum or Plasma"), unit: unitMgDL, low: 65, high: 99, value: func(b *blood) float64 { return b.glucose }},
		{code: loinc("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma"), unit: unitMgDL, low: 7, high: 20, value: func(b *blood) float64 { return b.urea }},
		{code: loinc("2160-0", "Creatinine [Mass/volume] in Serum or Plasma"), unit: unitMgDL, digits: 2, low: 0.5, high: 1.3, value: func(b *blood) float64 { return b.creatinine }},
		{code: loinc("17861-6", "Calcium [Mass/volume] in Serum or Plasma"), unit: unitMgDL, digits: 1, low: 8.5, high: 10.2, value: func(b *blood) float64 { return b.calcium }},
		{code: loinc("2951-2", "Sodium [Moles/volume] in Serum or Plasma"), unit: unitMmolL, low: 136, high: 145, value: func(b *blood) float64 { return b.sodium }},
		{code: loinc("2823-3", "Potassium [Moles/volume] in Serum or Plasma"), unit: unitMmolL, digits: 1, low: 3.5, high: 5.1, value: func(b *blood) float64 { return b.potassium }},
		{code: loinc("2075-0", "Chloride [Moles/volume] in Serum or Plasma"), unit: unitMmolL, low: 98, high: 107, value: func(b *blood) float64 { return b.chloride }},
		{code: loinc("2028-9", "Carbon dioxide, total [Moles/volume] in Serum or Plasma"), unit: unitMmolL, low: 22, high: 30, value: func(b *blood) float64 { return b.co2 }},
		{code: loinc("33914-3", "Glomerular filtration rate/1.73 sq M.predicted [Volume Rate/Area] in Serum or Plasma by Creatinine-based formula (MDRD)"),
			unit: unitGFR, low: 60, value: func(b *blood) float64 { return b.gfr }},
	}}
	liverPanel = &panel{code: loinc("24325-3", "Hepatic function 2000 panel - Serum or Plasma"), every: 700, cents: 3600, labs: []lab{
		{code: loinc("2885-2", "Protein [Mass/volume] in Serum or Plasma"), unit: unitGDL, digits: 1, low: 6, high: 8.3, value: func(b *blood) float64 { return b.protein }},
		{code: loinc("1751-7", "Albumin [Mass/volume] in Serum or Plasma"), unit: unitGDL, digits: 1, low: 3.5, high: 5, value: func(b *blood) float64 { return b.albumin }},
		{code: loinc("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma"), unit: unitMgDL, digits: 1, low: 0.1, high: 1.2, value: func(b *blood) float64 { return b.bilirubin }},
		{code: loinc("6768-6", "Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma"), unit: unitUL, low: 40, high: 129, value: func(b *blood) float64 { return b.alp }},
		{code: loinc("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma"), unit: unitUL, low: 7, high: 55, value: func(b *blood) float64 { return b.alt }},
		{code: loinc("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma"), unit: unitUL, low: 8, high: 48, value: func(b *blood) float64 { return b.ast }},
	}}
	lipidPanel = &panel{code: loinc("57698-3", "Lipid panel with direct LDL - Serum or Plasma"), every: 340, cents: 3900, labs: []lab{
		{code: loinc("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"), unit: unitMgDL, high: 200, value: func(b *blood) float64 { return b.cholesterol }},
		{code: loinc("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma"), unit: unitMgDL, high: 150, value: func(b *blood) float64 { return b.triglyceride }},
		{code: loinc("18262-6", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by Direct assay"), unit: unitMgDL, high: 130, value: func(b *blood) float64 { return b.ldl }},
		{code: loinc("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma"), unit: unitMgDL, low: 40, value: func(b *blood) float64 { return b.hdl }},
	}}
	bloodCount = &panel{code: loinc("58410-2", "CBC panel - Blood by Automated count"), every: 340, cents: 3100, labs: []lab{
		{code: loinc("6690-2", "Leukocytes [#/volume] in Blood by Automated count"), unit: unitThousand, digits: 1, low: 4.5, high: 11, value: func(b *blood) float64 { return b.white }},
		{code: loinc("789-8", "Erythrocytes [#/volume] in Blood by Automated count"), unit: unitMillion, digits: 2, low: 3.9, high: 5.7, value: func(b *blood) float64 { return b.red }},
		{code: loinc("718-7", "Hemoglobin [Mass/volume] in Blood"), unit: unitGDL, digits: 1, low: 12, high: 17.5, value: func(b *blood) float64 { return b.hemoglobin }},
		{code: loinc("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count"), unit: unitPercent, digits: 1, low: 35.5, high: 48.6, value: func(b *blood) float64 { return b.hematocrit }},
		{code: loinc("787-2", "MCV [Entitic volume] by Automated count"), unit: unitFL, digits: 1, low: 80, high: 100, value: func(b *blood) float64 { return b.mcv }},
		{code: loinc("785-6", "MCH [Entitic mass] by Automated count"), unit: unitPg, digits: 1, low: 27, high: 33, value: func(b *blood) float64 { return b.mch }},
		{code: loinc("786-4", "MCHC [Mass/volume] by Automated count"), unit: unitGDL, digits: 1, low: 32, high: 36, value: func(b *blood) float64 { return b.mchc }},
		{code: loinc("777-3", "Platelets [#/volume] in Blood by Automated count"), unit: unitThousand, low: 150, high: 400, value: func(b *blood) float64 { return b.platelets }},
	}}
	urinePanel = &panel{code: loinc("24356-8", "Urinalysis complete panel - Urine"), every: 1, cents: 1900, labs: []lab{
		{code: loinc("5799-2", "Leukocyte esterase [Presence] in Urine by Test strip"), presence: true},
		{code: loinc("5802-4", "Nitrite [Presence] in Urine by Test strip"), presence: true},
	}}
	a1cPanel = &panel{every: 100, cents: 2200, labs: []lab{
		{code: loinc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"), unit: unitPercent, digits: 1, low: 4, high: 5.6, value: func(b *blood) float64 { return b.a1c }}}}
	albuminPanel = &panel{every: 340, cents: 2400, labs: []lab{
		{code: loinc("9318-7", "Albumin/Creatinine [Mass Ratio] in Urine"), unit: unitMgG, high: 30, value: func(b *blood) float64 { return b.albuminRatio }}}}
	thyroidPanel = &panel{every: 300, cents: 2900, labs: []lab{
		{code: loinc("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma"), unit: unitMilliIU, digits: 2, low: 0.4, high: 4.5, value: func(b *blood) float64 { return b.tsh }}}}
	clottingPanel = &panel{every: 25, cents: 1700, labs: []lab{
		{code: loinc("6301-6", "INR in Platelet poor plasma by Coagulation assay"), unit: unitRatio, digits: 1, low: 0.8, high: 1.1, value: func(b *blood) float64 { return b.inr }}}}
	ferritinPanel = &panel{every: 150, cents: 2100, labs: []lab{
		{code: loinc("2276-4", "Ferritin [Mass/volume] in Serum or Plasma"), unit: unitNgML, low: 15, high: 200, value: func(b *blood) float64 { return b.ferritin }}}}
	strepPanel = &panel{every: 1, cents: 2300, labs: []lab{
		{code: loinc("78012-2", "Streptococcus pyogenes Ag [Presence] in Throat by Rapid immunoassay"), presence: true}}}
	covidPanel = &panel{every: 1, cents: 5100, labs: []lab{
		{code: loinc("94500-6", "SARS-CoV-2 (COVID-19) RNA [Presence] in Respiratory specimen by NAA with probe detection"), presence: true}}}
)

// measure draws a sample for the panels that are due and writes their results.
func (v *visit) measure(l *life, panels []*panel) {
	var sample *blood
	for _, p := range panels {
		if last, drawn := l.drawn[p]; drawn && v.start.Sub(last) < time.Duration(p.every)*24*time.Hour {
			continue
		}
		if sample == nil {
			sample = l.draw(v.start, v.illness != nil && v.illness.fever)
		}
		l.drawn[p] = v.start
		v.report(l, p, sample)
	}
}

// report writes a panel's Observations and its DiagnosticReport.
func (v *visit) report(l *life, p *panel, sample *blood) {
	taken := v.start.Add(15 * time.Minute)
	var results []ref
	for i := range p.labs {
		results = append(results, v.result(l, &p.labs[i], sample, taken))
	}
	v.charge(p.billed(), p.cents)
	if p.code.code == "" {
		return
	}
	l.begin(l.newRef("DiagnosticReport"), usCore+"us-core-diagnosticreport-lab")
	l.str("status", "final")
	l.concepts("category", reportLaboratory)
	l.concept("code", p.code)
	l.reference("subject", l.patient)
	l.reference("encounter", v.ref)
	l.dateTime("effectiveDateTime", taken)
	l.dateTime("issued", taken.Add(3*time.Hour))
	l.references("performer", v.provider)
	l.references("result", results...)
	l.finish()
}

// billed is the code that a panel is charged under.
func (p *panel) billed() code {
	if p.code.code != "" {
		return p.code
	}
	return p.labs[0].code
}

// result writes one laboratory Observation.
func (v *visit) result(l *life, test *lab, sample *blood, taken time.Time) ref {
	r := v.observation(l, "us-core-observation-lab", categoryLaboratory, taken, test.code)
	r.display = test.code.display
	l.dateTime("issued", taken.Add(3*time.Hour))
	l.references("performer", v.provider)
	switch {
	case test.presence:
		v.presence(l)
	case l.rng.IntN(400) == 0:
		l.concept("dataAbsentReason", unknownResult)
	default:
		value := round(test.value(sample), test.digits)
		l.quantity("valueQuantity", value, test.digits, test.unit)
		l.concepts("interpretation", test.interpret(value))
		test.writeRange(l)
	}
	l.finish()
	return r
}

func (v *visit) presence(l *life) {
	found := positive
	if v.illness == nil || v.illness.negative {
		found = negative
	}
	l.concept("valueCodeableConcept", found)
}

func (t *lab) interpret(value float64) code {
	switch {
	case t.low != 0 && value < t.low:
		return interpretLow
	case t.high != 0 && value > t.high:
		return interpretHigh
	}
	return interpretNormal
}

func (t *lab) writeRange(l *life) {
	l.arr("referenceRange")
	l.open()
	if t.low != 0 {
		l.quantity("low", t.low, t.digits, t.unit)
	}
	if t.high != 0 {
		l.quantity("high", t.high, t.digits, t.unit)
	}
	l.concept("type", code{terminology + "referencerange-meaning", "normal", "Normal Range"})
	l.end()
	l.endArr()
}

// observation begins an Observation; the caller writes its value and finishes it.
func (v *visit) observation(l *life, profile string, category code, at time.Time, codings ...code) ref {
	r := l.newRef("Observation")
	if profile != "" {
		profile = usCore + profile
	}
	l.begin(r, profile)
	l.str("status", "final")
	l.concepts("category", category)
	l.concept("code", codings...)
	l.reference("subject", l.patient)
	l.reference("encounter", v.ref)
	l.dateTime("effectiveDateTime", at)
	return r
}

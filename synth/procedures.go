package synth

import "time"

// A procedure is something done at a visit.
type procedure struct {
	code    code
	minutes int
	cents   int
	site    code   // the body site, if any
	report  code   // the LOINC code of an imaging report, if any
	finding string // the report's conclusion
	device  code   // what is implanted, if anything
}

// Procedures (SNOMED CT).
var (
	medicationReview     = &procedure{code: snomed("430193006", "Medication reconciliation"), minutes: 10, cents: 4500}
	depressionScreening  = &procedure{code: snomed("171207006", "Depression screening"), minutes: 10, cents: 3800}
	respiratoryMeasure   = &procedure{code: snomed("23426006", "Measurement of respiratory function"), minutes: 15, cents: 6200}
	spirometry           = &procedure{code: snomed("127783003", "Spirometry"), minutes: 30, cents: 11800}
	chestXray            = &procedure{code: snomed("399208008", "Plain chest X-ray"), minutes: 15, cents: 14500, site: bodyChest, report: loinc("36643-5", "XR Chest 2 Views"), finding: "Heart size is normal. No pneumothorax or pleural effusion."}
	ankleXray            = &procedure{code: snomed("19490002", "Ankle X-ray"), minutes: 15, cents: 12500, site: bodyAnkle}
	wristXray            = &procedure{code: snomed("60027007", "Radiography of wrist"), minutes: 15, cents: 12100, site: bodyWrist}
	immobilization       = &procedure{code: snomed("274474001", "Bone immobilization"), minutes: 30, cents: 24500}
	suture               = &procedure{code: snomed("288086009", "Suture open wound"), minutes: 25, cents: 21300}
	physicalTherapy      = &procedure{code: snomed("91251008", "Physical therapy procedure"), minutes: 45, cents: 13200}
	appendectomy         = &procedure{code: snomed("80146002", "Appendectomy"), minutes: 60, cents: 1284000}
	electrocardiogram    = &procedure{code: snomed("29303009", "Electrocardiographic procedure"), minutes: 10, cents: 8900}
	coronaryIntervention = &procedure{code: snomed("415070008", "Percutaneous coronary intervention"), minutes: 90, cents: 2456000, site: bodyHeart}
	pacemaker            = &procedure{code: snomed("307280005", "Implantation of cardiac pacemaker"), minutes: 90, cents: 1932000, site: bodyHeart, device: snomed("14106009", "Cardiac pacemaker")}
	colonoscopy          = &procedure{code: snomed("73761001", "Colonoscopy"), minutes: 45, cents: 148000}
	mammography          = &procedure{code: snomed("71651007", "Mammography"), minutes: 20, cents: 24800}
	boneDensity          = &procedure{code: snomed("312681000", "Bone density scan"), minutes: 20, cents: 15600}
	echocardiography     = &procedure{code: snomed("40701008", "Echocardiography"), minutes: 45, cents: 68500, site: bodyHeart}
	pregnancyTest        = &procedure{code: snomed("252160004", "Standard pregnancy test"), minutes: 5, cents: 2800}
	fundalHeight         = &procedure{code: snomed("274804006", "Evaluation of uterine fundal height"), minutes: 5, cents: 3200}
	fetalHeart           = &procedure{code: snomed("225158009", "Auscultation of the fetal heart"), minutes: 5, cents: 3200}
	childbirth           = &procedure{code: snomed("66348005", "Childbirth"), minutes: 360, cents: 964000}
	cesarean             = &procedure{code: snomed("11466000", "Cesarean section"), minutes: 75, cents: 1537000}

	bodyChest = snomed("51185008", "Thoracic structure")
	bodyAnkle = snomed("344001", "Ankle region structure")
	bodyWrist = snomed("8205005", "Wrist region structure")
	bodyHeart = snomed("80891009", "Heart structure")
)

// operate writes the Procedure with its report and device, and charges it.
func (v *visit) operate(l *life, p *procedure, reason *problem) {
	start := v.start.Add(time.Duration(10+5*len(v.done)) * time.Minute)
	end := start.Add(time.Duration(p.minutes) * time.Minute)
	if end.After(v.end) {
		v.end = end
	}
	r := l.newRef("Procedure")
	l.begin(r, usCore+"us-core-procedure")
	l.str("status", "completed")
	l.concept("code", p.code)
	l.reference("subject", l.patient)
	l.reference("encounter", v.ref)
	l.period("performedPeriod", start, end)
	l.arr("performer")
	l.open()
	l.reference("actor", v.doctor.ref)
	l.end()
	l.endArr()
	l.reference("location", v.place)
	if reason != nil {
		l.references("reasonReference", reason.reference())
	}
	if p.site.code != "" {
		l.concepts("bodySite", p.site)
	}
	l.finish()
	v.done = append(v.done, p.code.display)
	v.charge(p.code, p.cents)
	if p.report.code != "" {
		v.imaging(l, p, end)
	}
	if p.device.code != "" {
		v.implant(l, p, end)
	}
}

// imaging writes the radiologist's report as a DiagnosticReport.
func (v *visit) imaging(l *life, p *procedure, at time.Time) {
	l.begin(l.newRef("DiagnosticReport"), usCore+"us-core-diagnosticreport-note")
	l.str("status", "final")
	l.concepts("category", reportRadiology)
	l.concept("code", p.report)
	l.reference("subject", l.patient)
	l.reference("encounter", v.ref)
	l.dateTime("effectiveDateTime", at)
	l.dateTime("issued", at.Add(40*time.Minute))
	l.references("performer", v.doctor.ref)
	l.str("conclusion", p.finding)
	l.arr("presentedForm")
	l.open()
	l.str("contentType", "text/plain")
	l.base64("data", []byte(p.report.display+"\n\nFindings: "+p.finding+"\n"))
	l.end()
	l.endArr()
	l.finish()
}

// implant writes the Device that a procedure left in the patient.
func (v *visit) implant(l *life, p *procedure, at time.Time) {
	serial := digits(l, 10)
	lot := digits(l, 8)
	id := "0999" + digits(l, 10)
	made := at.AddDate(0, -4, 0)
	l.begin(l.newRef("Device"), usCore+"us-core-implantable-device")
	l.arr("udiCarrier")
	l.open()
	l.str("deviceIdentifier", id)
	l.str("carrierHRF", "(01)"+id+"(11)"+made.Format("060102")+"(10)"+lot+"(21)"+serial)
	l.end()
	l.endArr()
	l.str("status", "active")
	l.str("distinctIdentifier", id)
	l.dateTime("manufactureDate", made)
	l.dateTime("expirationDate", made.AddDate(25, 0, 0))
	l.str("lotNumber", lot)
	l.str("serialNumber", serial)
	l.arr("deviceName")
	l.open()
	l.str("name", p.device.display)
	l.str("type", "user-friendly-name")
	l.end()
	l.endArr()
	l.concept("type", p.device)
	l.reference("patient", l.patient)
	l.finish()
}

// digits is a string of n random digits.
func digits(l *life, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + l.rng.IntN(10))
	}
	return string(b)
}

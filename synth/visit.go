package synth

import (
	"strconv"
	"time"
)

// Encounter types (SNOMED CT).
var (
	typeChild         = snomed("410620009", "Well child visit")
	typeGeneral       = snomed("162673000", "General examination of patient")
	typeFollowUp      = snomed("390906007", "Follow-up encounter")
	typeSymptom       = snomed("185345009", "Encounter for symptom")
	typeProcedure     = snomed("308335008", "Patient encounter procedure")
	typeEmergency     = snomed("50849002", "Emergency room admission")
	typeAdmission     = snomed("32485007", "Hospital admission")
	typeFirstPrenatal = snomed("424441002", "Prenatal initial visit")
	typePrenatal      = snomed("424619006", "Prenatal visit")
	typePostnatal     = snomed("169762003", "Postnatal visit")
)

// perform carries out a visit: it writes the Encounter and all that follows.
func (l *life) perform(v *visit) {
	v.ref = l.newRef("Encounter")
	v.ref.display = v.typ.display
	if v.problem != nil {
		v.seen = append(v.seen, v.problem)
	}
	if v.kind == wellness || v.kind == followUp || v.kind == lastHours {
		v.review(l)
	}
	v.charge(v.typ, v.fee())
	mark := len(l.spans)
	for _, p := range v.seen {
		if !p.written {
			v.writeCondition(l, p)
		}
	}
	v.examine(l)
	for _, p := range v.procedures {
		v.operate(l, p, v.problem)
	}
	v.treat(l)
	v.writeNote(l)
	v.settle(l)
	l.writeEncounter(v, mark)
}

// review adds the long-lasting problems that a visit attends to: at a wellness
// visit all that are still to be recorded, at others those that need following.
func (v *visit) review(l *life) {
	for _, p := range l.problems {
		if !p.lastsAt(v.start) {
			continue
		}
		if !p.written || v.kind == followUp && v.problem == nil && diseases[p.kind].followUp > 0 {
			v.seen = append(v.seen, p)
		}
	}
}

// fee is the charge for the visit itself, in cents.
func (v *visit) fee() int {
	switch {
	case v.class == classInpatient:
		return 285000 * (1 + int(v.end.Sub(v.start)/(24*time.Hour)))
	case v.class == classEmergency:
		return 98500
	case v.kind == wellness:
		return 18900
	case v.class == classVirtual:
		return 7600
	}
	return 12450
}

// examine writes the observations of a visit.
func (v *visit) examine(l *life) {
	age := l.ageAt(v.start)
	if v.class != classVirtual && v.kind != screening {
		v.vitals(l)
	}
	switch v.kind {
	case wellness:
		v.checkUp(l, age)
	case followUp:
		v.followPanels(l)
	case acute, admission:
		v.measure(l, v.illness.panels)
	case prenatal:
		v.pregnancyStatus(l, true)
		if v.typ == typeFirstPrenatal {
			v.measure(l, []*panel{bloodCount, ferritinPanel})
		}
	case postnatal:
		v.pregnancyStatus(l, false)
	case lastHours:
		v.measure(l, []*panel{basicPanel, bloodCount})
	}
}

// checkUp is what belongs to a wellness visit beside the vital signs.
func (v *visit) checkUp(l *life, age float64) {
	if age >= 13 {
		v.smokingStatus(l)
	}
	if age >= 12 && l.chance(0.5) {
		v.mood(l)
		v.operate(l, depressionScreening, nil)
	}
	v.immunize(l)
	var panels []*panel
	if age >= 18 && l.chance(0.5) {
		panels = append(panels, basicPanel, bloodCount)
	}
	if age >= 35 {
		panels = append(panels, lipidPanel)
	}
	if age >= 45 && l.chance(0.4) {
		panels = append(panels, a1cPanel)
	}
	if age >= 40 && l.chance(0.2) {
		panels = append(panels, liverPanel)
	}
	v.measure(l, panels)
}

func (v *visit) followPanels(l *life) {
	var panels []*panel
	for _, p := range v.seen {
		if p.kind != noCondition {
			panels = append(panels, diseases[p.kind].panels...)
		}
		if p.kind == depression {
			v.mood(l)
		}
		if (p.kind == asthma || p.kind == copd) && l.ageAt(v.start) >= 6 && l.chance(0.3) && v.class != classVirtual {
			v.operate(l, spirometry, p)
		}
	}
	if v.class != classVirtual {
		v.measure(l, panels)
	}
}

// treat prescribes and plans care.
func (v *visit) treat(l *life) {
	if ill := v.illness; ill != nil && l.chance(ill.drugShare) {
		drug := ill.drug
		if ill.childDrug != nil && l.ageAt(v.start) < 12 {
			drug = ill.childDrug
		}
		v.prescribe(l, drug, v.problem)
	}
	if v.kind == lastHours {
		return
	}
	for _, p := range v.news {
		if p.kind != noCondition && diseases[p.kind].plan != nil {
			v.planCare(l, p, diseases[p.kind].plan)
		}
	}
	renewed := false
	for _, p := range v.seen {
		if p.kind != noCondition && v.start.Sub(p.prescribed) > 330*24*time.Hour {
			renewed = v.medicate(l, p) || renewed
		}
	}
	if renewed {
		v.operate(l, medicationReview, nil)
	}
}

// medicate prescribes a disease's long-term medications and says whether it
// has any.
func (v *visit) medicate(l *life, p *problem) bool {
	d := &diseases[p.kind]
	if d.first == nil {
		return false
	}
	p.prescribed = v.start
	v.prescribe(l, d.first, p)
	if p.second {
		v.prescribe(l, d.second, p)
	}
	return true
}

// writeEncounter writes the Encounter. It comes last, when its length and
// diagnoses are known, but is put before what mark points to: the resources
// that refer to it.
func (l *life) writeEncounter(v *visit, mark int) {
	l.begin(v.ref, usCore+"us-core-encounter")
	l.arr("identifier")
	l.identifier("VN", "Visit number", "https://synth.example.org/visit", l.label+"-"+strconv.Itoa(v.number))
	l.endArr()
	l.str("status", "finished")
	l.key("class")
	l.coding(v.class)
	l.concepts("type", v.typ)
	l.reference("subject", l.patient)
	v.writeParticipant(l)
	l.period("period", v.start, v.end)
	if v.problem != nil {
		l.concepts("reasonCode", v.problem.code)
	}
	v.writeEncounterDiagnoses(l)
	if v.class == classInpatient || v.class == classEmergency {
		v.writeDischarge(l)
	}
	l.arr("location")
	l.open()
	l.reference("location", v.place)
	l.str("status", "completed")
	l.end()
	l.endArr()
	l.reference("serviceProvider", v.provider)
	l.finish()
	last := len(l.spans) - 1
	own := l.spans[last]
	copy(l.spans[mark+1:], l.spans[mark:last])
	l.spans[mark] = own
}

func (v *visit) writeParticipant(l *life) {
	l.arr("participant")
	l.open()
	l.concepts("type", code{terminology + "v3-ParticipationType", "PPRF", "primary performer"})
	l.period("period", v.start, v.end)
	l.reference("individual", v.doctor.ref)
	l.end()
	l.endArr()
}

func (v *visit) writeEncounterDiagnoses(l *life) {
	if len(v.seen) == 0 {
		return
	}
	l.arr("diagnosis")
	for i, p := range v.seen {
		l.open()
		l.reference("condition", p.reference())
		l.integer("rank", i+1)
		l.end()
	}
	l.endArr()
}

func (v *visit) writeDischarge(l *life) {
	disposition := code{terminology + "discharge-disposition", "home", "Home"}
	if v.kind == lastHours {
		disposition = code{terminology + "discharge-disposition", "exp", "Expired"}
	}
	l.obj("hospitalization")
	l.concept("dischargeDisposition", disposition)
	l.end()
}

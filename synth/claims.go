package synth

import (
	"strconv"
	"time"
)

// A coverage is an insurance for a part of the life.
type coverage struct {
	ref
	payer      *payer
	start, end time.Time // end is zero for the current one
}

// An item is a service to be paid for.
type item struct {
	code  code
	cents int
}

// insure writes the Coverages: one, or two for those who came of age for
// Medicare while on record.
func (l *life) insure() {
	payers := shared().payers
	own := &payers[payerPrivate+l.rng.IntN(len(payers)-payerPrivate)]
	if l.poor {
		own = &payers[payerMedicaid]
	}
	eligible := l.born.AddDate(65, 0, 0)
	if eligible.After(l.since) {
		end := time.Time{}
		if eligible.Before(l.now) {
			end = eligible.AddDate(0, 0, -1)
		}
		l.cover(own, l.since, end)
	}
	if eligible.Before(l.now) {
		l.cover(&payers[payerMedicare], later(eligible, l.since), time.Time{})
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (l *life) cover(p *payer, start, end time.Time) {
	c := coverage{ref: l.newRef("Coverage"), payer: p, start: start, end: end}
	c.display = p.display
	l.covers = append(l.covers, c)
	member := "M" + digits(l, 9)
	status := "active"
	if !end.IsZero() || !l.died.IsZero() {
		status = "cancelled"
	}
	relation := code{terminology + "subscriber-relationship", "self", "Self"}
	if l.ageAt(start) < 18 {
		relation = code{terminology + "subscriber-relationship", "child", "Child"}
	}
	l.begin(c.ref, usCore+"us-core-coverage")
	l.arr("identifier")
	l.identifier("MB", "Member Number", systemMember, member)
	l.endArr()
	l.str("status", status)
	l.concept("type", p.kind)
	l.str("subscriberId", member)
	l.reference("beneficiary", l.patient)
	l.concept("relationship", relation)
	l.obj("period")
	l.date("start", start)
	if !end.IsZero() {
		l.date("end", end)
	}
	l.end()
	l.references("payor", p.ref)
	l.arr("class")
	for _, class := range [][3]string{{"group", "Group", "GRP-" + digits(l, 5)}, {"plan", "Plan", p.display}} {
		l.open()
		l.concept("type", code{terminology + "coverage-class", class[0], class[1]})
		l.str("value", class[2])
		l.str("name", p.display+" "+class[1])
		l.end()
	}
	l.endArr()
	l.finish()
}

// covered is the coverage that holds at a time.
func (l *life) covered(at time.Time) *coverage {
	for i := range l.covers {
		if end := l.covers[i].end; end.IsZero() || at.Before(end) {
			return &l.covers[i]
		}
	}
	return &l.covers[len(l.covers)-1]
}

// charge adds a service to the visit's bill.
func (v *visit) charge(c code, cents int) { v.items = append(v.items, item{c, cents}) }

// bill is one claim: of a visit, or of a pharmacy.
type bill struct {
	kind         code
	claim        ref
	number       string
	start, end   time.Time
	cover        *coverage
	items        []item
	problems     []*problem
	prescription ref
	encounter    ref
	place        ref
}

// settle writes the visit's Claim and ExplanationOfBenefit.
func (v *visit) settle(l *life) {
	kind := code{terminology + "claim-type", "professional", "Professional"}
	if v.class == classInpatient || v.class == classEmergency {
		kind = code{terminology + "claim-type", "institutional", "Institutional"}
	}
	b := &bill{kind: kind, claim: l.newRef("Claim"), start: v.start, end: v.end, cover: l.covered(v.start), items: v.items,
		problems: v.seen, encounter: v.ref, place: v.place, number: l.claimNumber()}
	v.writeClaim(l, b)
	v.writeBenefit(l, b)
}

// pharmacy writes the Claim for a prescription.
func (v *visit) pharmacy(l *life, prescription ref, m *medication) {
	v.writeClaim(l, &bill{kind: code{terminology + "claim-type", "pharmacy", "Pharmacy"}, claim: l.newRef("Claim"), start: v.end, end: v.end,
		cover: l.covered(v.start), items: []item{{m.code, m.cents}}, prescription: prescription, encounter: v.ref, place: v.place, number: l.claimNumber()})
}

func (l *life) claimNumber() string {
	l.claims++
	return l.label + "-" + strconv.Itoa(l.claims)
}

func (b *bill) total() int {
	sum := 0
	for _, i := range b.items {
		sum += i.cents
	}
	return sum
}

func (v *visit) writeClaim(l *life, b *bill) {
	l.begin(b.claim, "")
	l.arr("identifier")
	l.identifier("", "", systemClaim, b.number)
	l.endArr()
	l.str("status", "active")
	l.concept("type", b.kind)
	l.str("use", "claim")
	l.reference("patient", l.patient)
	l.period("billablePeriod", b.start, b.end)
	l.dateTime("created", b.end)
	l.reference("insurer", b.cover.payer.ref)
	l.reference("provider", v.provider)
	l.concept("priority", code{terminology + "processpriority", "normal", "Normal"})
	if b.prescription.exists() {
		l.reference("prescription", b.prescription)
	}
	l.reference("facility", b.place)
	v.writeCareTeam(l)
	b.writeDiagnoses(l)
	b.writeInsurance(l, true)
	l.arr("item")
	for i, it := range b.items {
		l.open()
		b.writeItem(l, i, it)
		l.money("net", it.cents)
		b.writeEncounter(l, i)
		l.end()
	}
	l.endArr()
	l.money("total", b.total())
	l.finish()
}

func (v *visit) writeCareTeam(l *life) {
	l.arr("careTeam")
	l.open()
	l.integer("sequence", 1)
	l.reference("provider", v.doctor.ref)
	l.concept("role", code{terminology + "claimcareteamrole", "primary", "Primary provider"})
	l.end()
	l.endArr()
}

func (b *bill) writeDiagnoses(l *life) {
	if len(b.problems) == 0 {
		return
	}
	l.arr("diagnosis")
	for i, p := range b.problems {
		l.open()
		l.integer("sequence", i+1)
		l.reference("diagnosisReference", p.reference())
		if i == 0 {
			l.concepts("type", code{terminology + "ex-diagnosistype", "principal", "Principal Diagnosis"})
		}
		l.end()
	}
	l.endArr()
}

// writeInsurance writes the insurance; in a Claim it has a sequence.
func (b *bill) writeInsurance(l *life, sequence bool) {
	l.arr("insurance")
	l.open()
	if sequence {
		l.integer("sequence", 1)
	}
	l.boolean("focal", true)
	l.reference("coverage", b.cover.ref)
	l.end()
	l.endArr()
}

func (b *bill) writeItem(l *life, i int, it item) {
	l.integer("sequence", i+1)
	if len(b.problems) > 0 {
		l.arr("diagnosisSequence")
		l.b = append(l.b, '1')
		l.endArr()
	}
	l.concept("productOrService", it.code)
	l.period("servicedPeriod", b.start, b.end)
}

func (b *bill) writeEncounter(l *life, i int) {
	if i == 0 {
		l.references("encounter", b.encounter)
	}
}

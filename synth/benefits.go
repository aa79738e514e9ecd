package synth

var (
	adjudicated = terminology + "adjudication"
	submitted   = code{adjudicated, "submitted", "Submitted Amount"}
	eligible    = code{adjudicated, "eligible", "Eligible Amount"}
	copay       = code{adjudicated, "copay", "CoPay"}
	benefit     = code{adjudicated, "benefit", "Benefit Amount"}
)

// amounts are what becomes of a charge.
type amounts struct{ submitted, eligible, copay, benefit int }

// adjudicate applies the payer's terms: nine tenths of a charge count, the
// payer pays its share of that and the patient the rest.
func (p *payer) adjudicate(cents int) amounts {
	a := amounts{submitted: cents, eligible: cents * 9 / 10}
	a.benefit = a.eligible * p.share / 100
	a.copay = a.eligible - a.benefit
	return a
}

func (a *amounts) add(b amounts) {
	a.submitted += b.submitted
	a.eligible += b.eligible
	a.copay += b.copay
	a.benefit += b.benefit
}

// writeBenefit writes the ExplanationOfBenefit that answers a claim.
func (v *visit) writeBenefit(l *life, b *bill) {
	settled := b.end.AddDate(0, 0, 9)
	if settled.After(l.now) {
		settled = b.end
	}
	l.begin(l.newRef("ExplanationOfBenefit"), "")
	l.arr("identifier")
	l.identifier("", "", systemClaim, b.number+"-eob")
	l.endArr()
	l.str("status", "active")
	l.concept("type", b.kind)
	l.str("use", "claim")
	l.reference("patient", l.patient)
	l.period("billablePeriod", b.start, b.end)
	l.dateTime("created", settled)
	l.reference("insurer", b.cover.payer.ref)
	l.reference("provider", v.provider)
	l.reference("facility", b.place)
	l.reference("claim", b.claim)
	l.str("outcome", "complete")
	l.str("disposition", "Claim settled as per contract.")
	v.writeCareTeam(l)
	b.writeDiagnoses(l)
	b.writeInsurance(l, false)
	total := b.writeBenefitItems(l)
	l.arr("total")
	total.write(l)
	l.endArr()
	l.obj("payment")
	l.concept("type", code{terminology + "ex-paymenttype", "complete", "Complete"})
	l.date("date", settled)
	l.money("amount", total.benefit)
	l.end()
	l.finish()
}

func (b *bill) writeBenefitItems(l *life) amounts {
	var total amounts
	l.arr("item")
	for i, it := range b.items {
		a := b.cover.payer.adjudicate(it.cents)
		total.add(a)
		l.open()
		b.writeItem(l, i, it)
		l.reference("locationReference", b.place)
		l.money("net", it.cents)
		b.writeEncounter(l, i)
		l.arr("adjudication")
		a.write(l)
		l.endArr()
		l.end()
	}
	l.endArr()
	return total
}

// write writes the amounts as items with a category and an amount.
func (a amounts) write(l *life) {
	for _, part := range []struct {
		code  code
		cents int
	}{{submitted, a.submitted}, {eligible, a.eligible}, {copay, a.copay}, {benefit, a.benefit}} {
		l.open()
		l.concept("category", part.code)
		l.money("amount", part.cents)
		l.end()
	}
}

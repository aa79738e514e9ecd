package synth

import (
	"math"
	"time"
)

// A problem is one patient's case of a disease or an illness.
type problem struct {
	ref       ref // Condition
	code, icd code
	kind      condition // noCondition for an acute illness
	onset     time.Time
	until     time.Time // when it passed; zero where it lasts
	written   bool
	// prescribed is when its medications were last prescribed.
	prescribed time.Time
	second     bool // needs the second medication too
}

// reference points to the problem's Condition.
func (p *problem) reference() ref {
	r := p.ref
	r.display = p.code.display
	return r
}

func (l *life) newProblem(kind condition, c, icd code, onset, until time.Time) *problem {
	p := &problem{ref: l.newRef("Condition"), kind: kind, code: c, icd: icd, onset: onset, until: until}
	l.problems = append(l.problems, p)
	return p
}

// hasSince says whether the patient has a condition at a time, and since when.
func (l *life) hasSince(c condition, at time.Time) (time.Time, bool) {
	since := l.onsets[c]
	return since, !since.IsZero() && !since.After(at)
}

func (l *life) has(c condition, at time.Time) bool {
	_, has := l.hasSince(c, at)
	return has
}

// planCourse lets the long-lasting conditions come, year by year.
func (l *life) planCourse() {
	for age := 0; age < int(math.Ceil(l.ageAt(l.now))); age++ {
		for c := range conditionCount {
			if !l.onsets[c].IsZero() || !l.strikes(c, age) {
				continue
			}
			onset := l.dayOfLife(age)
			if onset.After(l.now.AddDate(0, 0, -7)) {
				continue
			}
			l.onsets[c] = onset
			p := l.newProblem(c, diseases[c].code, diseases[c].icd, onset, time.Time{})
			p.second = l.chance(diseases[c].secondShare)
		}
	}
}

// strikes says whether a condition comes in a year of life.
func (l *life) strikes(c condition, age int) bool {
	d := &diseases[c]
	if c == obesity {
		return age >= 18 && l.bmi(float64(age)) >= 30
	}
	if d.female && !l.female || c == prediabetes && !l.onsets[diabetes].IsZero() {
		return false
	}
	hazard := d.hazard[min(age/10, 8)]
	if d.after >= 0 && !l.onsets[d.after].IsZero() {
		hazard *= 4
	}
	if c == copd && l.smoking == neverSmoked {
		hazard *= 0.2
	}
	return l.rng.Float64()*1000 < hazard
}

// dayOfLife is a morning within a year of life.
func (l *life) dayOfLife(age int) time.Time {
	day := l.born.AddDate(age, 0, 3+l.rng.IntN(360))
	return l.zone().at(day.Year(), day.Month(), day.Day(), 8, 0)
}

// ageBand is the place of an age in illness.rates.
func ageBand(age float64) int {
	switch {
	case age < 5:
		return 0
	case age < 18:
		return 1
	case age < 40:
		return 2
	case age < 65:
		return 3
	}
	return 4
}

// writeCondition writes the Condition of a problem at the visit that records it.
func (v *visit) writeCondition(l *life, p *problem) {
	p.written = true
	profile, category := usCore+"us-core-condition-encounter-diagnosis", categoryDiagnosis
	if p.kind != noCondition {
		profile, category = usCore+"us-core-condition-problems-health-concerns", categoryProblem
	}
	past := !p.until.IsZero() && !p.until.After(l.now)
	l.begin(p.ref, profile)
	if past {
		l.concept("clinicalStatus", conditionResolved)
	} else {
		l.concept("clinicalStatus", conditionActive)
	}
	l.concept("verificationStatus", conditionSure)
	l.concepts("category", category)
	l.concept("code", p.code, p.icd)
	l.reference("subject", l.patient)
	l.reference("encounter", v.ref)
	l.dateTime("onsetDateTime", l.zone().local(p.onset))
	if past {
		l.dateTime("abatementDateTime", l.zone().local(p.until))
	}
	l.dateTime("recordedDate", v.start)
	l.reference("recorder", v.doctor.ref)
	l.finish()
	v.news = append(v.news, p)
}

package synth

import (
	"math"
	"slices"
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

// hasSince says whether the patient has a condition at a time, and since when.
func (l *life) hasSince(c condition, at time.Time) (time.Time, bool) {
	since, until := l.onsets[c], l.ends[c]
	return since, !since.IsZero() && !since.After(at) && (until.IsZero() || until.After(at))
}

func (l *life) has(c condition, at time.Time) bool {
	_, has := l.hasSince(c, at)
	return has
}

// planCourse lets the long-lasting conditions come, year by year.
func (l *life) planCourse() {
	for age := 0; age < int(math.Ceil(l.ageAt(l.now))); age++ {
		for c := range conditionCount {
			if l.onsets[c].IsZero() || l.ended(c) {
				if l.strikes(c, age) {
					l.begins(c, age)
				}
			}
		}
	}
}

// ended says whether a condition passed before the record begins, so that it
// may come again.
func (l *life) ended(c condition) bool {
	return !l.ends[c].IsZero() && l.ends[c].Before(l.since)
}

// begins sets the day on which a condition comes.
func (l *life) begins(c condition, age int) {
	onset := l.dayOfLife(age)
	if onset.After(l.now.AddDate(0, 0, -7)) || onset.Before(l.ends[c]) {
		return
	}
	l.onsets[c] = onset
	l.develop(c, onset)
}

// develop makes a problem of a condition, unless it passed before the record
// begins.
func (l *life) develop(c condition, onset time.Time) {
	d := &diseases[c]
	if c == diabetes && !l.onsets[prediabetes].IsZero() {
		l.pass(prediabetes, onset)
	}
	var until time.Time
	if d.lasts[1] > 0 {
		until = onset.AddDate(l.between(d.lasts[0], d.lasts[1]), l.rng.IntN(12), 0)
	}
	l.ends[c] = until
	if !until.IsZero() && until.Before(l.since) {
		return
	}
	l.problems = append(l.problems, &problem{ref: l.newRef("Condition"), kind: c, code: d.code, icd: d.icd,
		onset: onset, until: until, second: l.chance(d.secondShare)})
}

// pass ends a condition.
func (l *life) pass(c condition, at time.Time) {
	l.ends[c] = at
	l.problems = slices.DeleteFunc(l.problems, func(p *problem) bool { return p.kind == c && (at.Before(l.since) || !at.After(p.onset)) })
	for _, p := range l.problems {
		if p.kind == c {
			p.until = at
		}
	}
}

// lastsAt says whether the problem is there at a time.
func (p *problem) lastsAt(at time.Time) bool {
	return !p.onset.After(at) && (p.until.IsZero() || p.until.After(at))
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

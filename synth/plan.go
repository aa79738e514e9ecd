package synth

import (
	"slices"
	"time"
)

// A visitKind says what a visit is for.
type visitKind int

const (
	wellness visitKind = iota
	followUp
	acute
	admission // to hospital, for an illness
	prenatal
	delivery
	postnatal
	screening
	lastHours // the hospital stay that ends in death
)

// A visit is one encounter, planned and then carried out.
type visit struct {
	kind       visitKind
	start, end time.Time
	class, typ code
	doctor     *practitioner
	provider   ref // Organization
	place      ref // Location
	illness    *illness
	problem    *problem // what it is about, nil for none
	procedures []*procedure

	number int // from 1
	ref    ref // Encounter
	seen   []*problem
	news   []*problem // first recorded now
	items  []item
	done   []string // for the note
	drugs  []string
}

// planVisits plans every visit in the order of time, without overlaps.
func (l *life) planVisits() {
	l.planWellness()
	l.planFollowUps()
	l.planIllnesses()
	l.planScreenings()
	l.planPregnancies()
	l.planDeath()
	slices.SortStableFunc(l.visits, func(a, b visit) int { return a.start.Compare(b.start) })
	kept := l.visits[:0]
	var busy time.Time
	for _, v := range l.visits {
		hospital := v.kind == delivery || v.kind == admission || v.kind == lastHours
		if v.start.Before(busy) && !hospital || !v.start.Before(l.now) || v.start.Before(l.since) {
			continue
		}
		if v.end.After(l.now) {
			v.end = l.now
		}
		kept = append(kept, v)
		busy = later(busy, v.end.Add(time.Hour))
	}
	l.visits = kept
}

// officeHours moves a day to a weekday and a time when the clinic is open.
func (l *life) officeHours(day time.Time) time.Time {
	switch day.Weekday() {
	case time.Saturday:
		day = day.AddDate(0, 0, -1)
	case time.Sunday:
		day = day.AddDate(0, 0, 1)
	}
	return l.zone().at(day.Year(), day.Month(), day.Day(), 8+l.rng.IntN(9), 15*l.rng.IntN(4))
}

// anyHour is a time on a day, by day or night.
func (l *life) anyHour(day time.Time) time.Time {
	return l.zone().at(day.Year(), day.Month(), day.Day(), l.rng.IntN(24), l.rng.IntN(60))
}

// office adds a visit to the clinic.
func (l *life) office(kind visitKind, day time.Time, typ code, minutes int) *visit {
	start := l.officeHours(day)
	l.visits = append(l.visits, visit{kind: kind, start: start, end: start.Add(time.Duration(minutes) * time.Minute), class: classAmbulatory,
		typ: typ, doctor: l.doctor, provider: l.site.clinic, place: l.site.office})
	return &l.visits[len(l.visits)-1]
}

// hospital adds a visit to the hospital.
func (l *life) hospital(kind visitKind, start time.Time, length time.Duration, class code) *visit {
	v := visit{kind: kind, start: start, end: start.Add(length), class: class, provider: l.site.hospital,
		typ: typeAdmission, place: l.site.ward, doctor: &l.site.staff[hospitalMedicine][0]}
	if class == classEmergency {
		v.typ, v.place, v.doctor = typeEmergency, l.site.emergency, &l.site.staff[emergencyMedicine][0]
	}
	l.visits = append(l.visits, v)
	return &l.visits[len(l.visits)-1]
}

// childVisits are the ages in months of well child visits before the third
// birthday.
var childVisits = []int{1, 2, 4, 6, 9, 12, 15, 18, 24, 30}

func (l *life) planWellness() {
	l.office(wellness, l.born.AddDate(0, 0, 12+l.rng.IntN(6)), typeChild, 30)
	for _, m := range childVisits {
		l.office(wellness, l.born.AddDate(0, m, l.rng.IntN(8)), typeChild, 30)
	}
	birthday := l.rng.IntN(300)
	for age := 3; age <= int(l.ageAt(l.now)); age++ {
		day := l.born.AddDate(age, 0, birthday+l.rng.IntN(40))
		switch {
		case day.Before(l.since):
		case age < 18:
			l.office(wellness, day, typeChild, 30)
		case age < 40 && l.chance(0.45), age >= 40 && age < 65 && l.chance(0.65), age >= 65 && l.chance(0.85):
			l.office(wellness, day, typeGeneral, 45)
		}
	}
}

// planFollowUps plans the regular visits for long-lasting conditions: as often
// as the one that needs it most asks for.
func (l *life) planFollowUps() {
	at := l.since.AddDate(0, 0, l.rng.IntN(120))
	for at.Before(l.now) {
		wait := 0
		for _, p := range l.problems {
			if f := diseases[p.kind].followUp; f > 0 && p.lastsAt(at) && (wait == 0 || f < wait) {
				wait = f
			}
		}
		if wait == 0 {
			at = at.AddDate(0, 2, 0)
			continue
		}
		v := l.office(followUp, at, typeFollowUp, 20)
		if l.chance(0.08) && v.start.Year() >= 2020 {
			v.class = classVirtual
		}
		at = at.AddDate(0, wait, l.rng.IntN(30*wait+1))
	}
}

// planIllnesses draws the acute illnesses of each year on record.
func (l *life) planIllnesses() {
	frailty := 0.5 + l.rng.Float64()
	for at := l.since; at.Before(l.now); at = at.AddDate(1, 0, 0) {
		band := ageBand(l.ageAt(at))
		for i := range illnesses {
			ill := &illnesses[i]
			if ill.female && !l.female || ill.from > at.Year() || ill.need != noCondition && !l.has(ill.need, at) {
				continue
			}
			if l.rng.Float64()*1000 < ill.rates[band]*frailty {
				l.fallIll(ill, l.season(at, ill.winter))
			}
		}
	}
}

// season is a day within the year after at, in the cold months for some.
func (l *life) season(at time.Time, winter bool) time.Time {
	day := at.AddDate(0, 0, l.rng.IntN(365))
	if m := day.Month(); winter && m >= time.May && m <= time.September && l.chance(0.8) {
		day = day.AddDate(0, 6, 0)
	}
	return day
}

// fallIll plans the visit for an illness, and now and then one to check.
func (l *life) fallIll(ill *illness, day time.Time) {
	var v *visit
	onset := day.AddDate(0, 0, -l.rng.IntN(4))
	switch n := l.rng.IntN(100); {
	case n < ill.inpatient:
		v = l.hospital(admission, l.anyHour(day), time.Duration(l.between(30, 140))*time.Hour, classInpatient)
	case n < ill.inpatient+ill.emergency:
		v = l.hospital(acute, l.anyHour(day), time.Duration(l.between(90, 400))*time.Minute, classEmergency)
	default:
		v = l.office(acute, day, typeSymptom, 20)
	}
	if onset.After(v.start) || onset.Before(l.born) {
		onset = v.start
	}
	v.illness, v.procedures = ill, ill.procedures
	v.problem = &problem{ref: l.newRef("Condition"), kind: noCondition, code: ill.code, icd: ill.icd, onset: onset,
		until: v.end.AddDate(0, 0, l.between(ill.days[0], ill.days[1]))}
	if ill.days[1] >= 50 {
		l.office(followUp, v.problem.until.AddDate(0, 0, -3), typeFollowUp, 20).problem = v.problem
	}
}

// planScreenings plans what is done at certain ages.
func (l *life) planScreenings() {
	for age := 40; age <= int(l.ageAt(l.now)); age++ {
		day := l.born.AddDate(age, 0, l.rng.IntN(300))
		if day.Before(l.since) {
			continue
		}
		if age%10 == 0 && age >= 50 && age < 80 && l.chance(0.6) {
			l.office(screening, day, typeProcedure, 60).procedures = []*procedure{colonoscopy}
		}
		if l.female && age%2 == 0 && age < 76 && l.chance(0.6) {
			l.office(screening, day.AddDate(0, 0, 20), typeProcedure, 30).procedures = []*procedure{mammography}
		}
		if l.female && age == 66 || age%5 == 0 && l.has(osteoporosis, day) {
			l.office(screening, day.AddDate(0, 0, 40), typeProcedure, 30).procedures = []*procedure{boneDensity}
		}
	}
	if since, has := l.hasSince(heartFailure, l.now); has {
		l.office(screening, since.AddDate(0, 0, 14), typeProcedure, 60).procedures = []*procedure{echocardiography}
	}
	if since, has := l.hasSince(atrialFibrillation, l.now); has && l.number%3 == 0 {
		v := l.hospital(screening, l.officeHours(since.AddDate(0, 3, 0)), 30*time.Hour, classInpatient)
		v.procedures = []*procedure{electrocardiogram, pacemaker}
	}
}

// planPregnancies plans pregnancies with their visits and births.
func (l *life) planPregnancies() {
	if !l.female {
		return
	}
	for at := l.since; at.Before(l.now); at = at.AddDate(1, 0, 0) {
		if age := l.ageAt(at); age < 20 || age > 41 || !l.chance(0.085) {
			continue
		}
		conceived := at.AddDate(0, 0, l.rng.IntN(300))
		at = conceived.AddDate(1, 0, 0)
		l.pregnancy(conceived)
	}
}

func (l *life) pregnancy(conceived time.Time) {
	weeks := func(n int) time.Time { return conceived.AddDate(0, 0, 7*n) }
	born := l.anyHour(weeks(37).AddDate(0, 0, l.rng.IntN(21)))
	p := &problem{ref: l.newRef("Condition"), kind: noCondition, code: snomed("72892002", "Normal pregnancy"), onset: conceived, until: born}
	obstetrician := &l.site.staff[obstetrics][0]
	for i, n := range []int{8, 12, 16, 20, 24, 28, 32, 35} {
		v := l.office(prenatal, weeks(n), typePrenatal, 25)
		v.problem, v.doctor, v.procedures = p, obstetrician, []*procedure{fundalHeight, fetalHeart}
		if i == 0 {
			v.typ, v.procedures = typeFirstPrenatal, []*procedure{pregnancyTest}
		}
	}
	way := childbirth
	if l.chance(0.3) {
		way = cesarean
	}
	v := l.hospital(delivery, born.Add(-6*time.Hour), time.Duration(l.between(40, 90))*time.Hour, classInpatient)
	v.problem, v.doctor, v.procedures = p, obstetrician, []*procedure{way}
	v = l.office(postnatal, born.AddDate(0, 0, 42), typePostnatal, 25)
	v.doctor = obstetrician
}

// planDeath plans the last stay of those who die in hospital.
func (l *life) planDeath() {
	if l.died.IsZero() || l.chance(0.35) {
		return
	}
	stay := time.Duration(l.between(6, 120)) * time.Hour
	class := classInpatient
	if stay < 20*time.Hour {
		class = classEmergency
	}
	l.hospital(lastHours, l.now.Add(-stay), stay, class)
}

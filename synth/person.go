package synth

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// A person is who the patient is, and the traits that vital signs and
// laboratory values follow from: each a number of standard deviations from
// what is usual.
type person struct {
	female                          bool
	given, middle, family, maiden   string
	heritage                        *heritage
	mixed                           bool
	speaks                          code
	born, died                      time.Time // died is zero for the living
	home                            *town
	street, phone, email            string
	mrn, ssn, licence               string
	maritalCode, maritalText        string
	tall, heavy, pressure           float64
	lipids, sugar, kidney, platelet float64
	smoking                         code
	poor                            bool // insured by Medicaid
	number                          int
}

// agePyramid is the share in thousandths of each five-year age group, from 0-4
// on; the last is 95-99.
var agePyramid = []int{57, 60, 63, 65, 67, 67, 69, 66, 64, 59, 62, 63, 63, 55, 46, 32, 21, 11, 6, 2}

// deathPerMille is the share of the same age groups whose record ends in death.
var deathPerMille = []int{3, 1, 1, 3, 5, 6, 8, 9, 12, 15, 22, 30, 42, 60, 85, 130, 190, 280, 380, 500}

var (
	neverSmoked  = snomed("266919005", "Never smoked tobacco")
	formerSmoker = snomed("8517006", "Ex-smoker")
	dailySmoker  = snomed("449868002", "Smokes tobacco daily")
	someSmoker   = snomed("428041000124106", "Occasional tobacco smoker")
)

func newPerson(rng *rand.Rand, s *site, k int, now time.Time) person {
	p := person{number: k, female: rng.IntN(1000) < 508, home: &s.region.towns[rng.IntN(len(s.region.towns))]}
	p.heritage = &heritageList[pickWeighted(rng, len(heritageList), func(i int) int { return heritageList[i].weight })]
	p.age(rng, now)
	p.name(rng)
	p.traits(rng)
	p.contact(rng, s.region)
	p.marry(rng, now)
	return p
}

// age chooses the date of birth and, for a few, the date of death within the
// last eight years.
func (p *person) age(rng *rand.Rand, now time.Time) {
	group := pickWeighted(rng, len(agePyramid), func(i int) int { return agePyramid[i] })
	days := group*5*365 + rng.IntN(5*365)
	if days < 20 {
		days = 20
	}
	end := now
	if rng.IntN(1000) < deathPerMille[group] {
		end = now.AddDate(0, 0, -30-rng.IntN(8*365))
		p.died = end.Truncate(time.Minute).Add(time.Duration(rng.IntN(600)) * time.Minute)
	}
	y, m, d := end.AddDate(0, 0, -days-days/1461).Date()
	p.born = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func (p *person) name(rng *rand.Rand) {
	h := p.heritage
	given := h.men
	if p.female {
		given = h.women
	}
	p.given, p.family = pick(rng, given), pick(rng, h.families)
	if h.middle && rng.IntN(10) < 7 {
		p.middle = pick(rng, given)
	}
	if p.female && rng.IntN(3) == 0 {
		p.maiden = pick(rng, h.families)
	}
	p.mixed = rng.Float64() < h.secondRaceProbability
	p.speaks = english
	if rng.Float64() < h.foreign {
		p.speaks = h.language
	}
}

func (p *person) traits(rng *rand.Rand) {
	p.tall = bounded(rng, 2.6)
	p.heavy = bounded(rng, 2.4)
	p.pressure = bounded(rng, 2.2)
	p.lipids = bounded(rng, 2.4)
	p.sugar = bounded(rng, 2)
	p.kidney = bounded(rng, 2)
	p.platelet = bounded(rng, 2)
	p.poor = rng.IntN(100) < 19
	switch n := rng.IntN(100); {
	case n < 62:
		p.smoking = neverSmoked
	case n < 84:
		p.smoking = formerSmoker
	case n < 95:
		p.smoking = dailySmoker
	default:
		p.smoking = someSmoker
	}
}

// bounded is a normally distributed number within ±limit.
func bounded(rng *rand.Rand, limit float64) float64 {
	return max(-limit, min(limit, rng.NormFloat64()))
}

func (p *person) contact(rng *rand.Rand, r *region) {
	p.street = fmt.Sprintf("%d %s", 1+rng.IntN(2400), pick(rng, streets))
	if rng.IntN(4) == 0 {
		p.street += fmt.Sprintf(" Apt %d", 1+rng.IntN(60))
	}
	p.phone = phone(rng, r.area)
	p.email = fmt.Sprintf("patient%d@example.com", p.number+1)
	p.ssn = fmt.Sprintf("999-%02d-%04d", 10+rng.IntN(90), rng.IntN(10000))
	p.licence = fmt.Sprintf("S999%05d", rng.IntN(100000))
}

func (p *person) marry(rng *rand.Rand, now time.Time) {
	age := years(p.born, now)
	chance := rng.Float64()
	switch {
	case age < 20:
		p.maritalCode, p.maritalText = "S", "Never Married"
	case age > 68 && p.female && chance < 0.35, age > 75 && chance < 0.2:
		p.maritalCode, p.maritalText = "W", "Widowed"
	case chance < math.Min(0.62, (age-18)*0.035):
		p.maritalCode, p.maritalText = "M", "Married"
	case age > 28 && chance > 0.86:
		p.maritalCode, p.maritalText = "D", "Divorced"
	default:
		p.maritalCode, p.maritalText = "S", "Never Married"
	}
	if p.maritalCode == "S" {
		p.maiden = ""
	}
}

func (p *person) fullName() string { return p.given + " " + p.family }

// writePatient writes the Patient.
func (l *life) writePatient() {
	p := &l.person
	l.begin(l.patient, usCore+"us-core-patient")
	l.narrative(fhirText(p.fullName()) + ", born " + p.born.Format(time.DateOnly))
	l.arr("extension")
	l.originExtension(usCore+"us-core-race", p.races())
	l.originExtension(usCore+"us-core-ethnicity", []code{p.heritage.ethnicity})
	l.open()
	l.str("url", usCore+"us-core-birthsex")
	l.str("valueCode", birthSex(p.female))
	l.end()
	l.endArr()
	l.writeIdentifiers()
	l.boolean("active", true)
	l.arr("name")
	l.humanName("official", "", p.family, p.given, p.middle)
	if p.maiden != "" && l.adultNow() {
		l.humanName("maiden", "", p.maiden, p.given, p.middle)
	}
	l.endArr()
	l.arr("telecom")
	l.telecom("phone", p.phone, "home")
	l.telecom("email", p.email, "home")
	l.endArr()
	l.str("gender", gender(p.female))
	l.date("birthDate", p.born)
	if !p.died.IsZero() {
		l.dateTime("deceasedDateTime", l.zone().local(p.died))
	}
	l.arr("address")
	l.address("home", p.street, p.home, l.site.region.state)
	l.endArr()
	l.concept("maritalStatus", code{terminology + "v3-MaritalStatus", p.maritalCode, p.maritalText})
	l.arr("communication")
	l.open()
	l.concept("language", p.speaks)
	l.boolean("preferred", true)
	l.end()
	l.endArr()
	l.references("generalPractitioner", l.doctor.ref)
	l.reference("managingOrganization", l.site.clinic)
	l.finish()
}

func (p *person) races() []code {
	if p.mixed {
		return []code{p.heritage.race, p.heritage.secondRace}
	}
	return []code{p.heritage.race}
}

// originExtension writes US Core's race or ethnicity extension.
func (l *life) originExtension(url string, codes []code) {
	l.open()
	l.str("url", url)
	l.arr("extension")
	text := ""
	for i, c := range codes {
		l.open()
		l.str("url", "ombCategory")
		l.key("valueCoding")
		l.coding(c)
		l.end()
		if i > 0 {
			text += ", "
		}
		text += c.display
	}
	l.open()
	l.str("url", "text")
	l.str("valueString", text)
	l.end()
	l.endArr()
	l.end()
}

func (l *life) writeIdentifiers() {
	p := &l.person
	l.arr("identifier")
	l.identifier("MR", "Medical record number", systemMRN, p.mrn)
	if months(p.born, l.now) > 3 {
		l.identifier("SS", "Social Security number", systemSSN, p.ssn)
	}
	if l.adultNow() {
		l.identifier("DL", "Driver's license number", systemDriver+l.site.region.fipsNumber(), p.licence)
	}
	l.endArr()
}

// fipsNumber is the state's number without a leading zero, as an OID needs it.
func (r *region) fipsNumber() string {
	if r.fips[0] == '0' {
		return r.fips[1:]
	}
	return r.fips
}

func birthSex(female bool) string {
	if female {
		return "F"
	}
	return "M"
}

package synth

import "time"

// A vaccine is one product with its schedule.
type vaccine struct {
	code  code
	cents int
	// doses are the ages in months at which they are due.
	doses []int
	// latest is the age in months after which a missed dose is left out.
	latest int
	// from is the first year in which it is given, 0 for always.
	from int
}

// vaccines follow the schedule for the United States
// (https://www.cdc.gov/vaccines/), with CVX codes.
var vaccines = []vaccine{
	{code: cvx("08", "Hep B, adolescent or pediatric"), cents: 3400, doses: []int{0, 1, 6}, latest: 24},
	{code: cvx("119", "rotavirus, monovalent"), cents: 11900, doses: []int{2, 4}, latest: 8},
	{code: cvx("20", "DTaP"), cents: 3300, doses: []int{2, 4, 6, 15, 48}, latest: 83},
	{code: cvx("49", "Hib (PRP-OMP)"), cents: 3100, doses: []int{2, 4, 12}, latest: 59},
	{code: cvx("133", "Pneumococcal conjugate PCV 13"), cents: 19800, doses: []int{2, 4, 6, 12}, latest: 59},
	{code: cvx("10", "IPV"), cents: 3800, doses: []int{2, 4, 6, 48}, latest: 83},
	{code: cvx("03", "MMR"), cents: 7900, doses: []int{12, 48}, latest: 96},
	{code: cvx("21", "varicella"), cents: 13200, doses: []int{12, 48}, latest: 96},
	{code: cvx("83", "Hep A, ped/adol, 2 dose"), cents: 3600, doses: []int{12, 18}, latest: 60},
	{code: cvx("115", "Tdap"), cents: 4700, doses: []int{132}, latest: 180},
	{code: cvx("114", "meningococcal MCV4P"), cents: 12800, doses: []int{132, 192}, latest: 216},
	{code: cvx("165", "HPV9"), cents: 23900, doses: []int{132, 144}, latest: 312, from: 2015},
	{code: cvx("113", "Td (adult) preservative free"), cents: 3900, doses: []int{252, 372, 492, 612, 732, 852, 972}, latest: 1200},
	{code: cvx("187", "zoster recombinant"), cents: 17600, doses: []int{600, 606}, latest: 1200, from: 2018},
	{code: cvx("33", "pneumococcal polysaccharide PPV23"), cents: 12600, doses: []int{780}, latest: 1200},
}

var influenza = vaccine{code: cvx("140", "Influenza, seasonal, injectable, preservative free"), cents: 2900}

var (
	routeMuscle = code{terminology + "v3-RouteOfAdministration", "IM", "Injection, intramuscular"}
	leftArm     = code{terminology + "v3-ActSite", "LA", "left arm"}
)

// immunize gives what is due at a wellness visit.
func (v *visit) immunize(l *life) {
	age := months(l.born, v.start)
	given := 0
	for i := range vaccines {
		if given < 6 && vaccines[i].due(l, age, v.start) {
			v.inject(l, &vaccines[i])
			given++
		}
	}
	if m := v.start.Month(); age >= 6 && (m >= time.September || m <= time.February) && l.chance(0.6) {
		v.inject(l, &influenza)
	}
}

// due says whether a dose is due, counting as given the doses that were due
// before the record begins.
func (x *vaccine) due(l *life, age int, at time.Time) bool {
	if x.from != 0 && at.Year() < x.from || age > x.latest {
		return false
	}
	count, known := l.shots[x.code.code]
	if !known {
		before := months(l.born, l.since)
		for count < len(x.doses) && x.doses[count] < before && x.from < l.since.Year() {
			count++
		}
		l.shots[x.code.code] = count
	}
	return count < len(x.doses) && x.doses[count] <= age
}

// inject writes the Immunization and charges it.
func (v *visit) inject(l *life, x *vaccine) {
	l.shots[x.code.code]++
	dose := l.shots[x.code.code]
	l.begin(l.newRef("Immunization"), usCore+"us-core-immunization")
	l.str("status", "completed")
	l.concept("vaccineCode", x.code)
	l.reference("patient", l.patient)
	l.reference("encounter", v.ref)
	l.dateTime("occurrenceDateTime", v.start.Add(20*time.Minute))
	l.boolean("primarySource", true)
	l.reference("location", v.place)
	l.str("lotNumber", "L"+digits(l, 6))
	l.date("expirationDate", v.start.AddDate(1, 0, 0))
	l.concept("site", leftArm)
	l.concept("route", routeMuscle)
	l.quantity("doseQuantity", 0.5, 1, unit{"mL", "mL"})
	l.arr("performer")
	l.open()
	l.concept("function", code{terminology + "v2-0443", "AP", "Administering Provider"})
	l.reference("actor", v.doctor.ref)
	l.end()
	l.endArr()
	if len(x.doses) > 1 {
		l.arr("protocolApplied")
		l.open()
		l.integer("doseNumberPositiveInt", dose)
		l.end()
		l.endArr()
	}
	l.finish()
	v.done = append(v.done, x.code.display+" vaccine")
	v.charge(x.code, x.cents)
}

package synth

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// A specialty is what a practitioner does, coded in the NUCC provider taxonomy.
type specialty struct {
	code  code
	count int // practitioners of it per region
}

// The specialties' places in specialties.
const (
	familyMedicine = iota
	internalMedicine
	pediatrics
	obstetrics
	emergencyMedicine
	hospitalMedicine
	specialtyCount
)

var specialties = [specialtyCount]specialty{
	familyMedicine:    {code{systemTaxonomy, "207Q00000X", "Family Medicine Physician"}, 2},
	internalMedicine:  {code{systemTaxonomy, "207R00000X", "Internal Medicine Physician"}, 2},
	pediatrics:        {code{systemTaxonomy, "208000000X", "Pediatrics Physician"}, 2},
	obstetrics:        {code{systemTaxonomy, "207V00000X", "Obstetrics & Gynecology Physician"}, 1},
	emergencyMedicine: {code{systemTaxonomy, "207P00000X", "Emergency Medicine Physician"}, 1},
	hospitalMedicine:  {code{systemTaxonomy, "208M00000X", "Hospitalist Physician"}, 1},
}

// A site is a region's care: a clinic, a hospital and their people.
type site struct {
	region                          *region
	clinic, hospital                ref // Organization
	office, campus, emergency, ward ref // Location
	staff                           [specialtyCount][]practitioner
}

type practitioner struct {
	ref
	role                  ref
	given, family, prefix string
	female                bool
	npi, phone            string
	specialty             *specialty
	employer              ref
	place                 ref
}

// A payer is an insurer.
type payer struct {
	ref
	kind  code
	share int // percent that it pays
}

// The payers' places in infrastructure.payers; the private ones come after.
const (
	payerMedicare = iota
	payerMedicaid
	payerPrivate
)

type infrastructure struct {
	sites  []*site
	payers []payer
}

// shared is the infrastructure of every population: it does not depend on the
// seed, since its ids are fixed.
var shared = sync.OnceValue(func() *infrastructure {
	inf := &infrastructure{payers: newPayers()}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range regions {
		inf.sites = append(inf.sites, newSite(rng, i))
	}
	return inf
})

func sharedRef(typ, id, display string) ref {
	return ref{typ: typ, id: id, display: display, shared: true}
}

func newPayers() []payer {
	policy := code{systemActCode, "EHCPOL", "extended healthcare"}
	public := code{systemActCode, "PUBLICPOL", "public healthcare"}
	ppo := code{systemActCode, "PPO", "preferred provider organization policy"}
	hmo := code{systemActCode, "HMO", "health maintenance organization policy"}
	payers := []payer{
		{kind: public, share: 80, ref: ref{display: "Medicare"}},
		{kind: public, share: 95, ref: ref{display: "Medicaid"}},
		{kind: ppo, share: 80, ref: ref{display: "Blue Heron Health Plan"}},
		{kind: hmo, share: 85, ref: ref{display: "Northwind Mutual Insurance"}},
		{kind: ppo, share: 75, ref: ref{display: "Cedar Valley Health Cooperative"}},
		{kind: policy, share: 70, ref: ref{display: "Summit Point Assurance"}},
	}
	for i := range payers {
		payers[i].ref = sharedRef("Organization", fmt.Sprintf("synth-payer-%d", i+1), payers[i].display)
	}
	return payers
}

func newSite(rng *rand.Rand, i int) *site {
	r := &regions[i]
	n := i*2 + 1
	s := &site{
		region:    r,
		clinic:    sharedRef("Organization", fmt.Sprintf("synth-org-%d", n), r.clinic),
		hospital:  sharedRef("Organization", fmt.Sprintf("synth-org-%d", n+1), r.hospital),
		office:    sharedRef("Location", fmt.Sprintf("synth-loc-%d", i*4+1), r.clinic),
		campus:    sharedRef("Location", fmt.Sprintf("synth-loc-%d", i*4+2), r.hospital),
		emergency: sharedRef("Location", fmt.Sprintf("synth-loc-%d", i*4+3), r.hospital+" Emergency Department"),
		ward:      sharedRef("Location", fmt.Sprintf("synth-loc-%d", i*4+4), r.hospital+" Inpatient Ward"),
	}
	number := i * staffPerSite()
	for k := range specialties {
		for range specialties[k].count {
			number++
			s.staff[k] = append(s.staff[k], newPractitioner(rng, s, k, number))
		}
	}
	return s
}

func staffPerSite() int {
	n := 0
	for _, s := range specialties {
		n += s.count
	}
	return n
}

func newPractitioner(rng *rand.Rand, s *site, kind, number int) practitioner {
	h := &heritageList[pickWeighted(rng, len(heritageList), func(i int) int { return heritageList[i].weight })]
	p := practitioner{female: rng.IntN(2) == 0, prefix: "Dr.", family: pick(rng, h.families), specialty: &specialties[kind],
		employer: s.clinic, place: s.office, npi: npi(number), phone: phone(rng, s.region.area)}
	p.given = pick(rng, h.men)
	if p.female {
		p.given = pick(rng, h.women)
	}
	switch kind {
	case emergencyMedicine:
		p.employer, p.place = s.hospital, s.emergency
	case hospitalMedicine, obstetrics:
		p.employer, p.place = s.hospital, s.ward
	}
	p.ref = sharedRef("Practitioner", fmt.Sprintf("synth-prac-%d", number), "Dr. "+p.given+" "+p.family)
	p.role = sharedRef("PractitionerRole", fmt.Sprintf("synth-role-%d", number), "")
	return p
}

// npi is a National Provider Identifier with a right check digit (Luhn over
// the prefix 80840). Real ones begin with 1 or 2, these with 9.
func npi(number int) string {
	body := fmt.Sprintf("9%08d", number)
	sum := 24 // what the prefix 80840 adds
	for i := range len(body) {
		d := int(body[i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return body + string(rune('0'+(10-sum%10)%10))
}

// phone is a number in the range kept for fiction, 555-0100 to 555-0199.
func phone(rng *rand.Rand, area string) string {
	return fmt.Sprintf("(%s) 555-01%02d", area, rng.IntN(100))
}

// write writes every resource of the infrastructure.
func (inf *infrastructure) write(rec *record) {
	for i := range inf.payers {
		inf.payers[i].write(rec)
	}
	for _, s := range inf.sites {
		s.write(rec)
		for _, group := range s.staff {
			for i := range group {
				group[i].write(rec)
				group[i].writeRole(rec)
			}
		}
	}
}

func (p *payer) write(rec *record) {
	rec.begin(p.ref, usCore+"us-core-organization")
	rec.boolean("active", true)
	rec.concepts("type", code{terminology + "organization-type", "ins", "Insurance Company"})
	rec.str("name", p.display)
	rec.arr("telecom")
	rec.telecom("phone", "(800) 555-0100", "work")
	rec.endArr()
	rec.finish()
}

func (s *site) write(rec *record) {
	s.writeOrganization(rec, s.clinic, "120 ", npi(50_000_000+numberOf(s.clinic)))
	s.writeOrganization(rec, s.hospital, "1 ", npi(50_000_000+numberOf(s.hospital)))
	role := terminology + "v3-RoleCode"
	s.writeLocation(rec, s.office, s.clinic, code{role, "OF", "Outpatient facility"}, "120 ")
	s.writeLocation(rec, s.campus, s.hospital, code{role, "HOSP", "Hospital"}, "1 ")
	s.writeLocation(rec, s.emergency, s.hospital, code{role, "ER", "Emergency room"}, "1 ")
	s.writeLocation(rec, s.ward, s.hospital, code{role, "HU", "Hospital unit"}, "1 ")
}

// numberOf is the number at the end of a fixed id.
func numberOf(r ref) int {
	var n int
	fmt.Sscan(r.id[strings.LastIndexByte(r.id, '-')+1:], &n)
	return n
}

func (s *site) street(house string) string {
	return house + streets[len(s.region.hospital)%len(streets)]
}

func (s *site) writeOrganization(rec *record, r ref, house, npi string) {
	rec.begin(r, usCore+"us-core-organization")
	rec.arr("identifier")
	rec.identifier("NPI", "National provider identifier", systemNPI, npi)
	rec.endArr()
	rec.boolean("active", true)
	rec.concepts("type", code{terminology + "organization-type", "prov", "Healthcare Provider"})
	rec.str("name", r.display)
	rec.arr("telecom")
	rec.telecom("phone", "("+s.region.area+") 555-0100", "work")
	rec.endArr()
	rec.arr("address")
	rec.address("work", s.street(house), &s.region.towns[0], s.region.state)
	rec.endArr()
	rec.finish()
}

func (s *site) writeLocation(rec *record, r, owner ref, kind code, house string) {
	t := &s.region.towns[0]
	rec.begin(r, usCore+"us-core-location")
	rec.str("status", "active")
	rec.str("name", r.display)
	rec.str("mode", "instance")
	rec.concepts("type", kind)
	rec.arr("telecom")
	rec.telecom("phone", "("+s.region.area+") 555-0100", "work")
	rec.endArr()
	rec.key("address")
	rec.address("work", s.street(house), t, s.region.state)
	rec.obj("position")
	rec.decimal("longitude", t.longitude, 4)
	rec.decimal("latitude", t.latitude, 4)
	rec.end()
	rec.reference("managingOrganization", owner)
	if r == s.emergency || r == s.ward {
		rec.reference("partOf", s.campus)
	}
	rec.finish()
}

func (p *practitioner) write(rec *record) {
	rec.begin(p.ref, usCore+"us-core-practitioner")
	rec.arr("identifier")
	rec.identifier("NPI", "National provider identifier", systemNPI, p.npi)
	rec.endArr()
	rec.boolean("active", true)
	rec.arr("name")
	rec.humanName("official", p.prefix, p.family, p.given)
	rec.endArr()
	rec.arr("telecom")
	rec.telecom("phone", p.phone, "work")
	rec.telecom("email", p.id+"@example.org", "work")
	rec.endArr()
	rec.str("gender", gender(p.female))
	rec.arr("qualification")
	rec.open()
	rec.concept("code", code{terminology + "v2-0360", "MD", "Doctor of Medicine"})
	rec.end()
	rec.endArr()
	rec.finish()
}

func (p *practitioner) writeRole(rec *record) {
	rec.begin(p.role, usCore+"us-core-practitionerrole")
	rec.boolean("active", true)
	rec.reference("practitioner", p.ref)
	rec.reference("organization", p.employer)
	rec.concepts("code", code{terminology + "practitioner-role", "doctor", "Doctor"})
	rec.concepts("specialty", p.specialty.code)
	rec.references("location", p.place)
	rec.arr("telecom")
	rec.telecom("phone", p.phone, "work")
	rec.endArr()
	rec.finish()
}

func gender(female bool) string {
	if female {
		return "female"
	}
	return "male"
}

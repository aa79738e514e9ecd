package synth

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A life is one patient's record in the making.
type life struct {
	*record
	person
	rng, ids     *rand.Rand
	site         *site
	doctor       *practitioner // primary care
	patient      ref
	now          time.Time // the end of the record: Options.Now or death
	since        time.Time // the first day on record
	problems     []*problem
	onsets, ends [conditionCount]time.Time // of long-lasting conditions; zero for none
	visits       []visit
	covers       []coverage
	shots        map[string]int // vaccine to doses given
	claims       int
	label        string // tells the patient's identifiers from other patients'
	// sensitive are places in allergies.
	sensitive []int
	team      ref // CareTeam, once written
	drawn     map[*panel]time.Time
}

// recordYears is how far back records reach.
const recordYears = 7

func newLife(rec *record, opts Options, k int) *life {
	rng, ids := streams(opts.Seed, k)
	l := &life{record: rec, rng: rng, ids: ids, site: pick(rng, shared().sites), shots: map[string]int{}, drawn: map[*panel]time.Time{}}
	l.label = fmt.Sprintf("%d-%d", opts.Seed, k+1)
	l.person = newPerson(rng, l.site, k, opts.Now)
	l.mrn = "MRN-" + l.label
	l.now = l.zone().local(opts.Now)
	if !l.died.IsZero() {
		l.now = l.zone().local(l.died)
	}
	l.since = l.now.AddDate(-recordYears, -rng.IntN(12), 0)
	if l.since.Before(l.born) {
		l.since = l.born
	}
	l.doctor = l.primaryCare()
	l.patient = l.newRef("Patient")
	l.patient.display = l.fullName()
	return l
}

// write makes the whole record.
func (l *life) write() {
	l.writePatient()
	l.insure()
	l.chooseAllergies()
	l.planCourse()
	l.planVisits()
	l.writeAllergies()
	for i := range l.visits {
		l.visits[i].number = i + 1
		l.perform(&l.visits[i])
	}
	l.writeProvenance()
}

func (l *life) zone() *zone { return l.site.region.zone }

func (l *life) primaryCare() *practitioner {
	kind := familyMedicine
	switch age := l.ageAt(l.now); {
	case age < 16:
		kind = pediatrics
	case age > 40 && l.rng.IntN(2) == 0:
		kind = internalMedicine
	}
	group := l.site.staff[kind]
	return &group[l.rng.IntN(len(group))]
}

// newRef makes a reference to a resource still to be written.
func (l *life) newRef(typ string) ref { return ref{typ: typ, id: uuid(l.ids)} }

// ageAt is the age in years.
func (l *life) ageAt(t time.Time) float64 { return years(l.born, t) }

func (l *life) adultNow() bool { return l.ageAt(l.now) >= 18 }

// chance is true with a probability.
func (l *life) chance(p float64) bool { return l.rng.Float64() < p }

// normal is a normally distributed number, cut off at three deviations.
func (l *life) normal(mean, deviation float64) float64 {
	return mean + float64(deviation*bounded(l.rng, 3))
}

// between is a whole number from a to b.
func (l *life) between(a, b int) int { return a + l.rng.IntN(b-a+1) }

var xhtmlText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// fhirText makes a text fit for a narrative.
func fhirText(s string) string { return xhtmlText.Replace(s) }

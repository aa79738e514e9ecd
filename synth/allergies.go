package synth

// An allergy is one that people have.
type allergy struct {
	code     code
	category string // http://hl7.org/fhir/R4/valueset-allergy-intolerance-category.html
	perMille int
	serious  bool
	reaction []code
}

// The allergies that decide on medications have names.
const (
	penicillinAllergy = iota
	sulfonamideAllergy
	aspirinAllergy
)

var (
	urticaria   = snomed("126485001", "Urticaria")
	rash        = snomed("271807003", "Eruption of skin")
	anaphylaxis = snomed("39579001", "Anaphylaxis")
	wheezing    = snomed("56018004", "Wheezing")
	runnyNose   = snomed("70076002", "Rhinitis")
	itching     = snomed("418290006", "Itching")
	diarrhea    = snomed("62315008", "Diarrhea")
)

// allergies are coded as findings in SNOMED CT.
var allergies = []allergy{
	penicillinAllergy:  {code: snomed("91936005", "Allergy to penicillin"), category: "medication", perMille: 55, serious: true, reaction: []code{rash, urticaria, anaphylaxis}},
	sulfonamideAllergy: {code: snomed("91939003", "Allergy to sulfonamide"), category: "medication", perMille: 25, serious: true, reaction: []code{rash, itching}},
	aspirinAllergy:     {code: snomed("293586001", "Allergy to aspirin"), category: "medication", perMille: 12, serious: true, reaction: []code{urticaria, wheezing}},
	{code: snomed("91935009", "Allergy to peanut"), category: "food", perMille: 16, serious: true, reaction: []code{urticaria, anaphylaxis}},
	{code: snomed("91930004", "Allergy to eggs"), category: "food", perMille: 8, reaction: []code{rash, diarrhea}},
	{code: snomed("300913006", "Shellfish allergy"), category: "food", perMille: 18, serious: true, reaction: []code{urticaria, diarrhea}},
	{code: snomed("300916003", "Latex allergy"), category: "environment", perMille: 9, reaction: []code{itching, rash}},
	{code: snomed("232350006", "House dust mite allergy"), category: "environment", perMille: 38, reaction: []code{runnyNose, wheezing}},
	{code: snomed("418689008", "Allergy to grass pollen"), category: "environment", perMille: 42, reaction: []code{runnyNose, itching}},
	{code: snomed("424213003", "Allergy to bee venom"), category: "environment", perMille: 7, serious: true, reaction: []code{urticaria, anaphylaxis}},
}

// chooseAllergies decides which allergies the patient has.
func (l *life) chooseAllergies() {
	for i := range allergies {
		if l.rng.IntN(1000) < allergies[i].perMille {
			l.sensitive = append(l.sensitive, i)
		}
	}
}

// allergic says whether the patient has the allergy with a place in allergies.
func (l *life) allergic(which int) bool {
	for _, i := range l.sensitive {
		if i == which {
			return true
		}
	}
	return false
}

func (l *life) writeAllergies() {
	for _, i := range l.sensitive {
		l.writeAllergy(&allergies[i])
	}
	if len(l.sensitive) == 0 && l.chance(0.5) {
		l.writeAllergy(&allergy{code: snomed("716186003", "No known allergy")})
	}
}

func (l *life) writeAllergy(a *allergy) {
	l.begin(l.newRef("AllergyIntolerance"), usCore+"us-core-allergyintolerance")
	l.concept("clinicalStatus", code{terminology + "allergyintolerance-clinical", "active", "Active"})
	l.concept("verificationStatus", code{terminology + "allergyintolerance-verification", "confirmed", "Confirmed"})
	if a.category != "" {
		l.str("type", "allergy")
		l.arr("category")
		l.item(a.category)
		l.endArr()
		l.str("criticality", map[bool]string{true: "high", false: "low"}[a.serious])
	}
	l.concept("code", a.code)
	l.reference("patient", l.patient)
	recorded := l.since.AddDate(0, 0, l.rng.IntN(1+int(l.now.Sub(l.since).Hours()/24)))
	l.dateTime("recordedDate", l.zone().local(recorded))
	l.reference("recorder", l.doctor.ref)
	if len(a.reaction) > 0 {
		l.arr("reaction")
		l.open()
		l.concepts("manifestation", a.reaction[l.rng.IntN(len(a.reaction))])
		l.str("severity", pick(l.rng, []string{"mild", "moderate", "severe"}))
		l.end()
		l.endArr()
	}
	l.finish()
}

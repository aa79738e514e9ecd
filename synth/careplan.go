package synth

// A carePlan is what clinic and patient agree on for a long-lasting condition.
type carePlan struct {
	name       code
	activities []code
	goals      []goalPlan
}

// A goalPlan is a value to stay below.
type goalPlan struct {
	text    string
	measure code
	below   float64
	digits  int
	unit    unit
}

var (
	exerciseTherapy = snomed("229065009", "Exercise therapy")
	healthyDiet     = snomed("226234005", "Healthy diet")
	smokingAdvice   = snomed("225323000", "Smoking cessation education")
	breathingCare   = snomed("229298005", "Breathing control")

	planHypertension = &carePlan{snomed("443402002", "Lifestyle education regarding hypertension"),
		[]code{snomed("1151000175103", "Dietary approaches to stop hypertension diet"), exerciseTherapy, smokingAdvice},
		[]goalPlan{{"Systolic blood pressure below 140 mmHg", systolicCode, 140, 0, unitMmHg}, {"Diastolic blood pressure below 90 mmHg", diastolicCode, 90, 0, unitMmHg}}}
	planLipids = &carePlan{snomed("736285004", "Hyperlipidemia clinical management plan"), []code{healthyDiet, exerciseTherapy},
		[]goalPlan{{"LDL cholesterol below 130 mg/dL", loinc("18262-6", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by Direct assay"), 130, 0, unitMgDL}}}
	planDiabetes = &carePlan{snomed("698360004", "Diabetes self management plan"), []code{snomed("160670007", "Diabetic diet"), exerciseTherapy},
		[]goalPlan{{"Hemoglobin A1c below 7.0 %", loinc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"), 7, 1, unitPercent},
			{"Fasting glucose below 130 mg/dL", loinc("2345-7", "Glucose [Mass/volume] in Serum or Plasma"), 130, 0, unitMgDL}}}
	planWeight = &carePlan{snomed("718361005", "Weight management program"), []code{snomed("77806000", "Low calorie diet"), exerciseTherapy},
		[]goalPlan{{"Body mass index below 30 kg/m2", loinc("39156-5", "Body mass index (BMI) [Ratio]"), 30, 0, unitBMI}}}
	planAsthma = &carePlan{snomed("699728000", "Asthma self management"), []code{breathingCare, smokingAdvice}, nil}
	planCOPD   = &carePlan{snomed("412776001", "Chronic obstructive pulmonary disease clinical management plan"), []code{snomed("15081005", "Pulmonary rehabilitation"), smokingAdvice}, nil}
	planHeart  = &carePlan{snomed("734163000", "Care plan"), []code{healthyDiet, exerciseTherapy, smokingAdvice}, nil}
)

// planCare writes the CareTeam (once), the Goals and the CarePlan for a problem.
func (v *visit) planCare(l *life, p *problem, plan *carePlan) {
	if !l.team.exists() {
		l.writeTeam(v)
	}
	var goals []ref
	for i := range plan.goals {
		goals = append(goals, v.writeGoal(l, p, &plan.goals[i]))
	}
	done := !l.died.IsZero()
	l.begin(l.newRef("CarePlan"), usCore+"us-core-careplan")
	l.narrative(fhirText(plan.name.display + " for " + p.code.display))
	l.str("status", map[bool]string{true: "completed", false: "active"}[done])
	l.str("intent", "plan")
	l.concepts("category", code{usCoreSystem + "careplan-category", "assess-plan", "Assessment and Plan of Treatment"}, plan.name)
	l.str("title", plan.name.display)
	l.reference("subject", l.patient)
	l.reference("encounter", v.ref)
	if done {
		l.period("period", v.start, l.zone().local(l.died))
	} else {
		l.period("period", v.start, l.died)
	}
	l.dateTime("created", v.start)
	l.reference("author", v.doctor.ref)
	l.references("careTeam", l.team)
	l.references("addresses", p.reference())
	l.references("goal", goals...)
	l.arr("activity")
	for _, a := range plan.activities {
		l.open()
		l.obj("detail")
		l.concept("code", a)
		l.str("status", map[bool]string{true: "completed", false: "in-progress"}[done])
		l.reference("location", v.place)
		l.end()
		l.end()
	}
	l.endArr()
	l.finish()
}

func (l *life) writeTeam(v *visit) {
	l.team = l.newRef("CareTeam")
	l.begin(l.team, usCore+"us-core-careteam")
	l.str("status", map[bool]string{true: "inactive", false: "active"}[!l.died.IsZero()])
	l.str("name", "Care team of "+l.fullName())
	l.reference("subject", l.patient)
	l.reference("encounter", v.ref)
	l.obj("period")
	l.dateTime("start", v.start)
	l.end()
	l.arr("participant")
	for _, member := range []struct {
		role   code
		member ref
	}{
		{snomed("116154003", "Patient"), l.patient},
		{snomed("223366009", "Healthcare professional"), l.doctor.ref},
		{snomed("224891009", "Healthcare services"), l.site.clinic},
	} {
		l.open()
		l.concepts("role", member.role)
		l.reference("member", member.member)
		l.end()
	}
	l.endArr()
	l.references("managingOrganization", l.site.clinic)
	l.finish()
}

func (v *visit) writeGoal(l *life, p *problem, g *goalPlan) ref {
	r := l.newRef("Goal")
	achievement := code{terminology + "goal-achievement", "in-progress", "In Progress"}
	if l.chance(0.3) {
		achievement = code{terminology + "goal-achievement", "achieved", "Achieved"}
	}
	l.begin(r, usCore+"us-core-goal")
	l.str("lifecycleStatus", map[bool]string{true: "completed", false: "active"}[!l.died.IsZero()])
	l.concept("achievementStatus", achievement)
	l.obj("description")
	l.str("text", g.text)
	l.end()
	l.reference("subject", l.patient)
	l.date("startDate", v.start)
	l.arr("target")
	l.open()
	l.concept("measure", g.measure)
	l.obj("detailQuantity")
	l.decimal("value", g.below, g.digits)
	l.str("comparator", "<")
	l.str("unit", g.unit.text)
	l.str("system", systemUCUM)
	l.str("code", g.unit.ucum)
	l.end()
	l.date("dueDate", v.start.AddDate(1, 0, 0))
	l.end()
	l.endArr()
	l.reference("expressedBy", v.doctor.ref)
	l.references("addresses", p.reference())
	l.finish()
	return r
}

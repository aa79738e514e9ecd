package synth

// A condition is a long-lasting disease.
type condition int

// The conditions that values and visits depend on.
const (
	hypertension condition = iota
	hyperlipidemia
	prediabetes
	diabetes
	obesity
	asthma
	copd
	kidneyDisease
	depression
	anxiety
	reflux
	hypothyroidism
	coronaryDisease
	atrialFibrillation
	heartFailure
	osteoarthritis
	osteoporosis
	migraine
	rhinitis
	eczema
	sleepApnea
	backPain
	anemia
	dementia
	conditionCount
)

// A disease is what is known of a condition.
type disease struct {
	code, icd code
	// hazard is the incidence per thousand years of life in each decade of
	// age, from 0-9 to 80 and over.
	hazard [9]float64
	// after raises the hazard fourfold for those who have the condition;
	// it is -1 for none.
	after condition
	// followUp is how many months lie between visits for it, 0 for none.
	followUp int
	// first and second are its medications in the order of use.
	first, second *medication
	// secondShare is the share of patients who need the second.
	secondShare float64
	panels      []*panel
	plan        *carePlan
	female      bool   // a disease of women, for this purpose
	lasts       [2]int // years from and to; zero for life
}

var diseases = [conditionCount]disease{
	hypertension: {code: snomed("59621000", "Essential hypertension"), icd: icd10("I10", "Essential (primary) hypertension"),
		hazard: [9]float64{0, 0, 4, 10, 20, 30, 36, 36, 30}, after: obesity, followUp: 6, first: lisinopril, second: amlodipine, secondShare: 0.4,
		panels: []*panel{basicPanel}, plan: planHypertension},
	hyperlipidemia: {code: snomed("55822004", "Hyperlipidemia"), icd: icd10("E78.5", "Hyperlipidemia, unspecified"),
		hazard: [9]float64{0, 0, 3, 12, 24, 30, 28, 20, 12}, after: obesity, followUp: 12, first: simvastatin10, second: simvastatin20, secondShare: 0.3,
		panels: []*panel{lipidPanel}, plan: planLipids},
	prediabetes: {code: snomed("15777000", "Prediabetes"), icd: icd10("R73.03", "Prediabetes"),
		hazard: [9]float64{0, 0.5, 4, 9, 15, 18, 18, 15, 10}, after: obesity, followUp: 12, panels: []*panel{a1cPanel}},
	diabetes: {code: snomed("44054006", "Type 2 diabetes mellitus"), icd: icd10("E11.9", "Type 2 diabetes mellitus without complications"),
		hazard: [9]float64{0, 0, 0.8, 2.4, 5, 8, 9, 8, 6}, after: prediabetes, followUp: 4, first: metformin, second: glargine, secondShare: 0.3,
		panels: []*panel{a1cPanel, basicPanel, albuminPanel}, plan: planDiabetes},
	obesity: {code: snomed("414916001", "Obesity"), icd: icd10("E66.9", "Obesity, unspecified"), after: -1, plan: planWeight},
	asthma: {code: snomed("195967001", "Asthma"), icd: icd10("J45.909", "Unspecified asthma, uncomplicated"),
		hazard: [9]float64{9, 4, 1.6, 1.4, 1.4, 1.2, 1, 0.8, 0.5}, after: rhinitis, followUp: 8, first: albuterol, second: fluticasone, secondShare: 0.5,
		plan: planAsthma},
	copd: {code: snomed("13645005", "Chronic obstructive pulmonary disease"), icd: icd10("J44.9", "Chronic obstructive pulmonary disease, unspecified"),
		hazard: [9]float64{0, 0, 0, 0.2, 1.2, 3, 5, 6, 6}, after: -1, followUp: 6, first: salmeterol, second: albuterol, secondShare: 0.8, plan: planCOPD},
	kidneyDisease: {code: snomed("433144002", "Chronic kidney disease stage 3"), icd: icd10("N18.30", "Chronic kidney disease, stage 3 unspecified"),
		hazard: [9]float64{0, 0, 0, 0.2, 0.8, 1.6, 3.5, 7, 10}, after: diabetes, followUp: 6, panels: []*panel{basicPanel, albuminPanel, bloodCount}},
	depression: {code: snomed("370143000", "Major depressive disorder"), icd: icd10("F32.9", "Major depressive disorder, single episode, unspecified"),
		hazard: [9]float64{0, 5, 9, 8, 7, 6, 4, 3, 3}, after: anxiety, followUp: 5, first: sertraline, second: fluoxetine, secondShare: 0.25, lasts: [2]int{1, 7}},
	anxiety: {code: snomed("21897009", "Generalized anxiety disorder"), icd: icd10("F41.1", "Generalized anxiety disorder"),
		hazard: [9]float64{0.3, 4, 6, 5, 4, 3, 2, 1, 1}, after: depression, followUp: 8, first: sertraline, lasts: [2]int{1, 8}},
	reflux: {code: snomed("235595009", "Gastroesophageal reflux disease"), icd: icd10("K21.9", "Gastro-esophageal reflux disease without esophagitis"),
		hazard: [9]float64{0.5, 1, 4, 7, 9, 9, 8, 7, 5}, after: obesity, first: omeprazole, lasts: [2]int{4, 25}},
	hypothyroidism: {code: snomed("40930008", "Hypothyroidism"), icd: icd10("E03.9", "Hypothyroidism, unspecified"),
		hazard: [9]float64{0.1, 0.4, 1, 2, 3, 4, 4, 4, 4}, after: -1, followUp: 12, first: levothyroxine, panels: []*panel{thyroidPanel}},
	coronaryDisease: {code: snomed("53741008", "Coronary arteriosclerosis"),
		icd:    icd10("I25.10", "Atherosclerotic heart disease of native coronary artery without angina pectoris"),
		hazard: [9]float64{0, 0, 0, 0.4, 1.6, 4, 7, 9, 9}, after: hyperlipidemia, followUp: 6, first: aspirin, second: metoprolol, secondShare: 0.7,
		panels: []*panel{lipidPanel, basicPanel}, plan: planHeart},
	atrialFibrillation: {code: snomed("49436004", "Atrial fibrillation"), icd: icd10("I48.91", "Unspecified atrial fibrillation"),
		hazard: [9]float64{0, 0, 0, 0.1, 0.5, 1.5, 4, 8, 12}, after: heartFailure, followUp: 3, first: warfarin, second: metoprolol, secondShare: 0.7,
		panels: []*panel{clottingPanel}},
	heartFailure: {code: snomed("42343007", "Congestive heart failure"), icd: icd10("I50.9", "Heart failure, unspecified"),
		hazard: [9]float64{0, 0, 0, 0, 0.3, 1, 2.5, 5, 10}, after: coronaryDisease, followUp: 3, first: furosemide, second: metoprolol, secondShare: 0.8,
		panels: []*panel{basicPanel}, plan: planHeart},
	osteoarthritis: {code: snomed("239873007", "Osteoarthritis of knee"), icd: icd10("M17.9", "Osteoarthritis of knee, unspecified"),
		hazard: [9]float64{0, 0, 0.2, 1, 4, 8, 11, 11, 9}, after: obesity, followUp: 12, first: naproxen},
	osteoporosis: {code: snomed("64859006", "Osteoporosis"),
		icd:    icd10("M81.0", "Age-related osteoporosis without current pathological fracture"),
		hazard: [9]float64{0, 0, 0, 0, 0.5, 5, 10, 13, 13}, after: -1, followUp: 12, first: alendronate, female: true},
	migraine: {code: snomed("37796009", "Migraine"), icd: icd10("G43.909", "Migraine, unspecified, not intractable, without status migrainosus"),
		hazard: [9]float64{0.5, 4, 5, 4, 3, 1, 0.5, 0.3, 0.2}, after: -1, first: ibuprofen, lasts: [2]int{5, 25}},
	rhinitis: {code: snomed("61582004", "Allergic rhinitis"), icd: icd10("J30.9", "Allergic rhinitis, unspecified"),
		hazard: [9]float64{9, 8, 4, 3, 2, 1, 1, 0.5, 0.3}, after: -1, first: loratadine, lasts: [2]int{8, 40}},
	eczema: {code: snomed("24079001", "Atopic dermatitis"), icd: icd10("L20.9", "Atopic dermatitis, unspecified"),
		hazard: [9]float64{14, 2, 1, 0.8, 0.6, 0.5, 0.4, 0.3, 0.3}, after: -1, lasts: [2]int{3, 16}},
	sleepApnea: {code: snomed("78275009", "Obstructive sleep apnea syndrome"), icd: icd10("G47.33", "Obstructive sleep apnea (adult) (pediatric)"),
		hazard: [9]float64{0, 0.1, 0.8, 2.5, 4, 5, 4, 2, 1}, after: obesity, followUp: 12},
	backPain: {code: snomed("278860009", "Chronic low back pain"), icd: icd10("M54.50", "Low back pain, unspecified"),
		hazard: [9]float64{0, 0.3, 4, 7, 9, 9, 8, 7, 6}, after: -1, first: naproxen, lasts: [2]int{2, 12}},
	anemia: {code: snomed("87522002", "Iron deficiency anemia"), icd: icd10("D50.9", "Iron deficiency anemia, unspecified"),
		hazard: [9]float64{2, 3, 4, 4, 4, 2, 2, 4, 6}, after: kidneyDisease, followUp: 6, first: ferrousSulfate, panels: []*panel{bloodCount, ferritinPanel}, lasts: [2]int{1, 3}},
	dementia: {code: snomed("26929004", "Alzheimer's disease"), icd: icd10("G30.9", "Alzheimer's disease, unspecified"),
		hazard: [9]float64{0, 0, 0, 0, 0, 0.1, 1, 6, 22}, after: -1, followUp: 6, first: donepezil},
}

// An illness is an acute one, which passes.
type illness struct {
	code, icd code
	// rates are the cases per thousand years of life at ages 0-4, 5-17,
	// 18-39, 40-64 and from 65.
	rates [5]float64
	// days is how long it lasts, from and to.
	days [2]int
	// emergency and inpatient are the shares in percent that come to the
	// emergency department and that are admitted.
	emergency, inpatient int
	fever, winter        bool
	female               bool // only women, for this purpose
	pain                 bool // the patient says how much it hurts
	negative             bool // the test comes back negative
	drug, childDrug      *medication
	drugShare            float64
	procedures           []*procedure
	panels               []*panel
	from                 int // the first year in which it occurs, 0 for always
	need                 condition
}

// noCondition stands for an acute illness, or for no need.
const noCondition condition = -1

var illnesses = []illness{
	{code: snomed("444814009", "Viral sinusitis"), icd: icd10("J01.90", "Acute sinusitis, unspecified"), rates: [5]float64{60, 90, 110, 90, 60},
		days: [2]int{7, 21}, winter: true, fever: true, need: noCondition},
	{code: snomed("75498004", "Acute bacterial sinusitis"), icd: icd10("J01.90", "Acute sinusitis, unspecified"), rates: [5]float64{10, 20, 30, 30, 20},
		days: [2]int{10, 24}, winter: true, fever: true, pain: true, drug: amoxicillinClavulanate, childDrug: amoxicillin, drugShare: 0.9, need: noCondition},
	{code: snomed("54150009", "Upper respiratory infection"), icd: icd10("J06.9", "Acute upper respiratory infection, unspecified"),
		rates: [5]float64{380, 160, 110, 90, 80}, days: [2]int{5, 14}, winter: true, fever: true, drug: acetaminophen, drugShare: 0.2, need: noCondition},
	{code: snomed("10509002", "Acute bronchitis"), icd: icd10("J20.9", "Acute bronchitis, unspecified"), rates: [5]float64{60, 50, 60, 70, 80},
		days: [2]int{8, 24}, winter: true, fever: true, emergency: 10, drug: acetaminophen, drugShare: 0.5, procedures: []*procedure{respiratoryMeasure}, need: noCondition},
	{code: snomed("195662009", "Acute viral pharyngitis"), icd: icd10("J02.9", "Acute pharyngitis, unspecified"), rates: [5]float64{90, 120, 60, 40, 20},
		days: [2]int{5, 12}, fever: true, pain: true, negative: true, panels: []*panel{strepPanel}, need: noCondition},
	{code: snomed("43878008", "Streptococcal sore throat"), icd: icd10("J02.0", "Streptococcal pharyngitis"), rates: [5]float64{30, 80, 20, 10, 4},
		days: [2]int{7, 14}, fever: true, pain: true, drug: penicillin, childDrug: amoxicillin, drugShare: 1, panels: []*panel{strepPanel}, need: noCondition},
	{code: snomed("3110003", "Acute otitis media"), icd: icd10("H66.90", "Otitis media, unspecified, unspecified ear"), rates: [5]float64{420, 70, 8, 5, 4},
		days: [2]int{7, 20}, fever: true, pain: true, drug: amoxicillin, drugShare: 0.8, need: noCondition},
	{code: snomed("6142004", "Influenza"), icd: icd10("J11.1", "Influenza due to unidentified influenza virus with other respiratory manifestations"),
		rates: [5]float64{60, 50, 30, 30, 40}, days: [2]int{6, 14}, winter: true, fever: true, emergency: 15, inpatient: 3, drug: acetaminophen, drugShare: 0.4, need: noCondition},
	{code: snomed("840539006", "COVID-19"), icd: icd10("U07.1", "COVID-19"), rates: [5]float64{60, 80, 110, 110, 100}, days: [2]int{7, 20}, fever: true,
		emergency: 10, inpatient: 5, drug: acetaminophen, drugShare: 0.3, panels: []*panel{covidPanel}, from: 2020, need: noCondition},
	{code: snomed("233604007", "Pneumonia"), icd: icd10("J18.9", "Pneumonia, unspecified organism"), rates: [5]float64{14, 5, 4, 8, 26}, days: [2]int{14, 40},
		winter: true, fever: true, emergency: 35, inpatient: 35, drug: azithromycin, childDrug: amoxicillin, drugShare: 1, procedures: []*procedure{chestXray}, panels: []*panel{bloodCount, basicPanel}, need: noCondition},
	{code: snomed("68566005", "Urinary tract infectious disease"), icd: icd10("N39.0", "Urinary tract infection, site not specified"),
		rates: [5]float64{8, 14, 70, 60, 110}, days: [2]int{5, 12}, female: true, pain: true, emergency: 8, drug: sulfamethoxazole, drugShare: 0.95, panels: []*panel{urinePanel}, need: noCondition},
	{code: snomed("25374005", "Gastroenteritis"), icd: icd10("K52.9", "Noninfective gastroenteritis and colitis, unspecified"), rates: [5]float64{120, 40, 35, 25, 25},
		days: [2]int{3, 9}, fever: true, emergency: 25, inpatient: 2, pain: true, need: noCondition},
	{code: snomed("9826008", "Conjunctivitis"), icd: icd10("H10.9", "Unspecified conjunctivitis"), rates: [5]float64{70, 30, 12, 10, 8}, days: [2]int{5, 12}, need: noCondition},
	{code: snomed("128045006", "Cellulitis"), icd: icd10("L03.90", "Cellulitis, unspecified"), rates: [5]float64{5, 4, 8, 12, 20}, days: [2]int{8, 20}, fever: true,
		emergency: 20, inpatient: 8, pain: true, drug: cephalexin, drugShare: 1, need: noCondition},
	{code: snomed("44465007", "Sprain of ankle"), icd: icd10("S93.409A", "Sprain of unspecified ligament of unspecified ankle, initial encounter"),
		rates: [5]float64{2, 35, 25, 14, 10}, days: [2]int{14, 40}, emergency: 40, pain: true, drug: ibuprofen, drugShare: 0.8, procedures: []*procedure{ankleXray}, need: noCondition},
	{code: snomed("70704007", "Sprain of wrist"), icd: icd10("S63.509A", "Unspecified sprain of unspecified wrist, initial encounter"), rates: [5]float64{1, 14, 9, 6, 6},
		days: [2]int{14, 35}, emergency: 30, pain: true, drug: ibuprofen, drugShare: 0.7, procedures: []*procedure{wristXray}, need: noCondition},
	{code: snomed("65966004", "Fracture of forearm"), icd: icd10("S52.90XA", "Unspecified fracture of unspecified forearm, initial encounter for closed fracture"),
		rates: [5]float64{5, 14, 3, 4, 8}, days: [2]int{50, 90}, emergency: 95, pain: true, drug: acetaminophen, drugShare: 0.9, procedures: []*procedure{wristXray, immobilization}, need: noCondition},
	{code: snomed("16114001", "Fracture of ankle"), rates: [5]float64{0, 2, 3, 4, 6}, days: [2]int{50, 100}, emergency: 90, inpatient: 8, pain: true, drug: acetaminophen,
		drugShare: 0.9, procedures: []*procedure{ankleXray, immobilization}, need: noCondition},
	{code: snomed("33737001", "Fracture of rib"), rates: [5]float64{0, 1, 2, 4, 8}, days: [2]int{40, 80}, emergency: 90, pain: true, drug: ibuprofen, drugShare: 0.9,
		procedures: []*procedure{chestXray}, need: noCondition},
	{code: snomed("62106007", "Concussion with no loss of consciousness"), rates: [5]float64{3, 10, 4, 2, 4}, days: [2]int{10, 40}, emergency: 80, pain: true, need: noCondition},
	{code: snomed("284549007", "Laceration of hand"), rates: [5]float64{6, 10, 12, 9, 6}, days: [2]int{10, 25}, emergency: 85, pain: true, procedures: []*procedure{suture}, need: noCondition},
	{code: snomed("283371005", "Laceration of forearm"), rates: [5]float64{4, 7, 6, 4, 4}, days: [2]int{10, 25}, emergency: 85, pain: true, procedures: []*procedure{suture}, need: noCondition},
	{code: snomed("279039007", "Low back pain"), icd: icd10("M54.50", "Low back pain, unspecified"), rates: [5]float64{0, 6, 45, 55, 45}, days: [2]int{10, 60}, emergency: 6, pain: true,
		drug: ibuprofen, drugShare: 0.6, procedures: []*procedure{physicalTherapy}, need: noCondition},
	{code: snomed("25064002", "Headache"), icd: icd10("R51.9", "Headache, unspecified"), rates: [5]float64{2, 18, 22, 16, 10}, days: [2]int{1, 6}, emergency: 20, pain: true, need: noCondition},
	{code: snomed("74400008", "Appendicitis"), icd: icd10("K37", "Unspecified appendicitis"), rates: [5]float64{0.5, 2.2, 1.4, 0.8, 0.5}, days: [2]int{14, 30}, inpatient: 100, fever: true,
		pain: true, drug: acetaminophen, drugShare: 1, procedures: []*procedure{appendectomy}, panels: []*panel{bloodCount, basicPanel}, need: noCondition},
	{code: snomed("95570007", "Kidney stone"), icd: icd10("N20.0", "Calculus of kidney"), rates: [5]float64{0, 0.4, 4, 7, 6}, days: [2]int{4, 25}, emergency: 80, pain: true, negative: true, drug: ibuprofen,
		drugShare: 1, panels: []*panel{urinePanel, basicPanel}, need: noCondition},
	{code: snomed("22298006", "Myocardial infarction"), icd: icd10("I21.9", "Acute myocardial infarction, unspecified"), rates: [5]float64{0, 0, 2, 30, 45}, days: [2]int{20, 50}, inpatient: 100,
		pain: true, drug: clopidogrel, drugShare: 1, procedures: []*procedure{electrocardiogram, coronaryIntervention}, panels: []*panel{bloodCount, basicPanel, lipidPanel}, need: coronaryDisease},
	{code: snomed("230690007", "Cerebrovascular accident"), icd: icd10("I63.9", "Cerebral infarction, unspecified"), rates: [5]float64{0, 0, 2, 12, 30}, days: [2]int{60, 180}, inpatient: 100,
		drug: clopidogrel, drugShare: 1, procedures: []*procedure{electrocardiogram}, panels: []*panel{bloodCount, basicPanel, clottingPanel}, need: hypertension},
}

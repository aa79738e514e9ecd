package synth

// The code systems used.
const (
	systemSNOMED         = "http://snomed.info/sct"
	systemLOINC          = "http://loinc.org"
	systemRxNorm         = "http://www.nlm.nih.gov/research/umls/rxnorm"
	systemICD10          = "http://hl7.org/fhir/sid/icd-10-cm"
	systemCVX            = "http://hl7.org/fhir/sid/cvx"
	systemUCUM           = "http://unitsofmeasure.org"
	systemNPI            = "http://hl7.org/fhir/sid/us-npi"
	systemSSN            = "http://hl7.org/fhir/sid/us-ssn"
	systemCDCRace        = "urn:oid:2.16.840.1.113883.6.238"
	systemTaxonomy       = "http://nucc.org/provider-taxonomy"
	systemBCP47          = "urn:ietf:bcp:47"
	systemMRN            = "https://synth.example.org/mrn"
	systemMember         = "https://synth.example.org/member"
	systemClaim          = "https://synth.example.org/claim"
	systemDriver         = "urn:oid:2.16.840.1.113883.4.3." // with the state's FIPS number
	terminology          = "http://terminology.hl7.org/CodeSystem/"
	systemIdentifierType = terminology + "v2-0203"
	systemActCode        = terminology + "v3-ActCode"
	usCore               = "http://hl7.org/fhir/us/core/StructureDefinition/"
	usCoreSystem         = "http://hl7.org/fhir/us/core/CodeSystem/"
)

func snomed(c, display string) code { return code{systemSNOMED, c, display} }
func loinc(c, display string) code  { return code{systemLOINC, c, display} }
func rxnorm(c, display string) code { return code{systemRxNorm, c, display} }
func icd10(c, display string) code  { return code{systemICD10, c, display} }
func cvx(c, display string) code    { return code{systemCVX, c, display} }

// Categories and statuses that many resources share.
var (
	categoryVital      = code{terminology + "observation-category", "vital-signs", "Vital Signs"}
	categoryLaboratory = code{terminology + "observation-category", "laboratory", "Laboratory"}
	categorySocial     = code{terminology + "observation-category", "social-history", "Social History"}
	categorySurvey     = code{terminology + "observation-category", "survey", "Survey"}

	categoryDiagnosis = code{terminology + "condition-category", "encounter-diagnosis", "Encounter Diagnosis"}
	categoryProblem   = code{terminology + "condition-category", "problem-list-item", "Problem List Item"}

	conditionActive   = code{terminology + "condition-clinical", "active", "Active"}
	conditionResolved = code{terminology + "condition-clinical", "resolved", "Resolved"}
	conditionSure     = code{terminology + "condition-ver-status", "confirmed", "Confirmed"}

	reportLaboratory = code{terminology + "v2-0074", "LAB", "Laboratory"}
	reportRadiology  = loinc("LP29684-5", "Radiology")

	interpretNormal = code{terminology + "v3-ObservationInterpretation", "N", "Normal"}
	interpretHigh   = code{terminology + "v3-ObservationInterpretation", "H", "High"}
	interpretLow    = code{terminology + "v3-ObservationInterpretation", "L", "Low"}

	unknownResult = code{terminology + "data-absent-reason", "error", "Error"}

	positive = snomed("10828004", "Positive")
	negative = snomed("260385009", "Negative")
)

// Encounter classes. http://terminology.hl7.org/CodeSystem/v3-ActCode
var (
	classAmbulatory = code{systemActCode, "AMB", "ambulatory"}
	classEmergency  = code{systemActCode, "EMER", "emergency"}
	classInpatient  = code{systemActCode, "IMP", "inpatient encounter"}
	classVirtual    = code{systemActCode, "VR", "virtual"}
)

// Units.
var (
	unitCm       = unit{"cm", "cm"}
	unitKg       = unit{"kg", "kg"}
	unitBMI      = unit{"kg/m2", "kg/m2"}
	unitMmHg     = unit{"mmHg", "mm[Hg]"}
	unitPerMin   = unit{"/min", "/min"}
	unitCelsius  = unit{"Cel", "Cel"}
	unitPercent  = unit{"%", "%"}
	unitMgDL     = unit{"mg/dL", "mg/dL"}
	unitGDL      = unit{"g/dL", "g/dL"}
	unitMmolL    = unit{"mmol/L", "mmol/L"}
	unitUL       = unit{"U/L", "U/L"}
	unitThousand = unit{"10*3/uL", "10*3/uL"}
	unitMillion  = unit{"10*6/uL", "10*6/uL"}
	unitFL       = unit{"fL", "fL"}
	unitPg       = unit{"pg", "pg"}
	unitMilliIU  = unit{"mIU/L", "m[IU]/L"}
	unitMgG      = unit{"mg/g", "mg/g"}
	unitGFR      = unit{"mL/min/{1.73_m2}", "mL/min/{1.73_m2}"}
	unitScore    = unit{"{score}", "{score}"}
	unitRatio    = unit{"{INR}", "{INR}"}
	unitTablet   = unit{"tablet", "{tbl}"}
	unitDay      = unit{"day", "d"}
	unitNgML     = unit{"ng/mL", "ng/mL"}
)

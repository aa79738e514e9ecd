package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// patientEverythingOperation is Patient/$everything: a patient's compartment,
// or on the type the compartments of all patients, and what is needed to read
// it. http://hl7.org/fhir/R4/patient-operation-everything.html
func patientEverythingOperation() operation {
	return operation{
		code: "everything", on: []string{"Patient"}, levels: []level{levelType, levelInstance},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			e := &everything{r: r, compartment: "Patient"}
			return e.serve(w, in, func(view *datastore.View) error {
				if r.level == levelType {
					return nil
				}
				e.keys = [][]byte{search.ReferenceKey("Patient", r.id)}
				_, err := view.Read(r.ctx, "Patient", r.id)
				return err
			})
		},
	}
}

// encounterEverythingOperation is Encounter/$everything: an encounter's
// compartment, the patient, and what is needed to read it.
// http://hl7.org/fhir/R4/encounter-operation-everything.html
func encounterEverythingOperation() operation {
	return operation{
		code: "everything", on: []string{"Encounter"}, levels: []level{levelInstance},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			e := &everything{r: r, compartment: "Encounter", adds: []string{"Patient", "EpisodeOfCare", "Appointment", "ServiceRequest", "Account", "Condition", "Procedure"}}
			return e.serve(w, in, func(view *datastore.View) error {
				e.keys = [][]byte{search.ReferenceKey("Encounter", r.id)}
				_, err := view.Read(r.ctx, "Encounter", r.id)
				return err
			})
		},
	}
}

// groupEverythingOperation is Group/$everything: the group, and the
// compartments of the patients that are its active members.
// http://hl7.org/fhir/R4/group-operation-everything.html
func groupEverythingOperation() operation {
	return operation{
		code: "everything", on: []string{"Group"}, levels: []level{levelInstance},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			e := &everything{r: r, compartment: "Patient", keys: [][]byte{}}
			return e.serve(w, in, func(view *datastore.View) error {
				v, err := view.Read(r.ctx, "Group", r.id)
				if err != nil {
					return err
				}
				tree, err := r.store.Read(v)
				if err != nil {
					return err
				}
				for m := range tree.Root().Each("member") {
					ref := fhir.ParseReference(m.Child("entity").TextOf("reference"), r.store.Base())
					if ref.Kind == fhir.RefRelative && ref.Type == "Patient" && m.TextOf("inactive") != "true" {
						e.keys = append(e.keys, search.ReferenceKey("Patient", ref.ID))
					}
				}
				e.only = map[string]search.Node{"Group": search.IDs{IDs: []string{r.id}}}
				return nil
			})
		},
	}
}

// supporting are the resource types that lie in no patient's compartment and
// are needed to read one.
var supporting = []string{
	"Device", "DeviceDefinition", "Endpoint", "HealthcareService", "Location", "Medication", "MedicationKnowledge",
	"Organization", "Practitioner", "PractitionerRole", "Substance",
}

// clinicalDates are the parameters that say when something was done for a
// patient. Types without one are not held to start and end.
var clinicalDates = map[string]string{
	"AdverseEvent": "date", "Appointment": "date", "CarePlan": "date", "CareTeam": "date", "ChargeItem": "occurrence",
	"Claim": "created", "ClaimResponse": "created", "ClinicalImpression": "date", "Communication": "sent",
	"CommunicationRequest": "authored", "Composition": "date", "Condition": "onset-date", "DetectedIssue": "identified",
	"DeviceRequest": "authored-on", "DiagnosticReport": "date", "DocumentManifest": "created", "DocumentReference": "date",
	"Encounter": "date", "EpisodeOfCare": "date", "ExplanationOfBenefit": "created", "Flag": "date", "Goal": "start-date",
	"ImagingStudy": "started", "Immunization": "date", "Invoice": "date", "List": "date", "MeasureReport": "date", "Media": "created",
	"MedicationAdministration": "effective-time", "MedicationDispense": "whenhandedover", "MedicationRequest": "authoredon",
	"MedicationStatement": "effective", "NutritionOrder": "datetime", "Observation": "date", "Procedure": "date",
	"QuestionnaireResponse": "authored", "RiskAssessment": "date", "ServiceRequest": "authored", "Specimen": "collected",
	"SupplyRequest": "date", "VisionPrescription": "datewritten",
}

// everything is one call of $everything.
type everything struct {
	r           *request
	compartment string
	// keys name the compartments; nil for all of them.
	keys [][]byte
	// only replaces the condition of a type.
	only map[string]search.Node
	// adds are types that are added, beside the supporting ones, where
	// something refers to them.
	adds []string

	types []string // of _type
	page  *searchPage
	given map[string]bool // of this page
}

// serve reads the arguments and answers with a page. find settles whose
// everything it is, or fails where there is nobody.
func (e *everything) serve(w http.ResponseWriter, in *arguments, find func(*datastore.View) error) error {
	r := e.r
	if r.id != "" && !fhir.ValidID(r.id) {
		return r.noSuchID()
	}
	path := strings.Trim(r.resourceType+"/"+r.id, "/") + "/$everything"
	e.page = &searchPage{r: r, path: path, query: &search.Query{}}
	var token string
	in.pairs, token = takePage(in.pairs)
	if err := e.read(in); err != nil {
		return err
	}
	if err := e.page.start(token); err != nil {
		return err
	}
	view, done, err := r.openView(e.page.t)
	if err != nil {
		return err
	}
	defer done()
	if err := find(view); err != nil {
		return err
	}
	if err := e.plan(in); err != nil {
		return err
	}
	return e.write(w, view)
}

func (e *everything) read(in *arguments) error {
	names := []string{"start", "end", "_since", "_type", "_count"}
	if e.compartment == "Encounter" {
		names = names[2:]
	}
	if err := in.only(names...); err != nil {
		return err
	}
	var err error
	if e.page.query.Count, err = in.number("_count", search.MaxCount, search.MaxCount); err != nil {
		return err
	}
	for _, text := range in.texts("_type") {
		for t := range strings.SplitSeq(text, ",") {
			if e.r.store.Definitions().Schema.Resource(t) == nil {
				return invalidParameter("_type", "%q is not a resource type", t)
			}
			e.types = append(e.types, t)
		}
	}
	e.page.query.Self = in.pairs
	return nil
}

// wants reports whether _type asks for a type.
func (e *everything) wants(resourceType string) bool {
	return e.types == nil || slices.Contains(e.types, resourceType)
}

// plan is one part for each resource type of the compartment.
func (e *everything) plan(in *arguments) error {
	since, err := in.since()
	if err != nil {
		return err
	}
	for _, t := range e.r.compartmentTypes(e.compartment) {
		if !e.wants(t) {
			continue
		}
		where := search.And{e.r.inCompartment(e.compartment, t, e.keys)}
		if node := e.only[t]; node != nil {
			where = search.And{node}
		}
		if !since.IsZero() {
			where = append(where, search.Updated{From: since})
		}
		dates, err := e.r.betweenDates(t, in.text("start"), in.text("end"))
		if err != nil {
			return err
		}
		if dates != nil {
			where = append(where, dates)
		}
		e.page.query.Plan.Parts = append(e.page.query.Plan.Parts, search.Part{Type: t, Where: where})
	}
	return nil
}

// betweenDates is the condition of start and end: what has no date at all
// stays. nil is no condition.
func (r *request) betweenDates(resourceType, start, end string) (search.Node, error) {
	code := clinicalDates[resourceType]
	var pairs []search.Pair
	for _, p := range []search.Pair{{Name: "ge", Value: start}, {Name: "le", Value: end}} {
		if p.Value == "" {
			continue
		}
		if err := fhir.CheckPrimitive("date", p.Value); err != nil {
			return nil, invalidParameter(map[string]string{"ge": "start", "le": "end"}[p.Name], "%q is not a date, such as 2026-01-31", p.Value)
		}
		pairs = append(pairs, search.Pair{Name: code, Value: p.Name + p.Value})
	}
	if code == "" || pairs == nil {
		return nil, nil
	}
	query, err := r.parseSearch([]string{resourceType}, pairs, search.Options{})
	if err != nil {
		return nil, err
	}
	dated := search.Terms{Param: r.store.Registry().Param(resourceType, code), Spans: []search.Span{{From: []byte{}}}}
	return search.Or{search.Not{Node: dated}, query.Plan.Parts[0].Where}, nil
}

func (e *everything) write(w http.ResponseWriter, view *datastore.View) error {
	if len(e.page.query.Plan.Parts) == 0 {
		return e.writeNothing(w)
	}
	result, err := view.Search(e.r.ctx, e.page.query, store.Page{After: e.page.place.cursor(), Limit: e.page.query.Count, Total: true})
	if err != nil {
		return err
	}
	b := e.r.newBundle(w, "searchset")
	defer b.free()
	b.total(result.Total)
	b.links(e.page.links(view.T(), result.Next)...)
	e.given = map[string]bool{}
	var refs []fhir.Ref
	for v, err := range result.Matches {
		if err != nil {
			return err
		}
		e.given[v.Type+"/"+v.ID] = true
		if err := b.searchEntry(&v, "match", nil); err != nil {
			return err
		}
		tree, err := e.r.store.Read(v)
		if err != nil {
			return err
		}
		refs = append(refs, e.r.references(tree.Root())...)
	}
	if err := e.addSupporting(b, view, refs); err != nil {
		return err
	}
	if issues := e.leftOut(view); len(issues) > 0 {
		if err := b.outcomeEntry(issues); err != nil {
			return err
		}
	}
	b.endEntries()
	return b.close()
}

// leftOut warns of the types that the caller may not search for: the answer is
// not everything. They are named where the request did.
func (e *everything) leftOut(view *datastore.View) []fhir.Issue {
	types := view.LeftOut(e.page.query)
	if len(types) == 0 {
		return nil
	}
	what := strings.Join(types, ", ")
	if e.types == nil {
		what = strconv.Itoa(len(types)) + " resource types"
	}
	return []fhir.Issue{leftOut(what)}
}

func leftOut(what string) fhir.Issue {
	return fhir.Issue{Severity: fhir.SeverityWarning, Code: "suppressed", Diagnostics: "left out: " + what + ", which this caller may not search for"}
}

// writeNothing answers where _type names only types outside the compartment.
func (e *everything) writeNothing(w http.ResponseWriter) error {
	b := e.r.newBundle(w, "searchset")
	defer b.free()
	b.total(0)
	b.links(e.page.links(0, nil)...)
	return b.close()
}

// addSupporting adds what a page's resources refer to, each once on the page.
func (e *everything) addSupporting(b *bundleWriter, view *datastore.View, refs []fhir.Ref) error {
	for _, ref := range refs {
		key := ref.Type + "/" + ref.ID
		if e.given[key] || !e.wants(ref.Type) || !slices.Contains(supporting, ref.Type) && !slices.Contains(e.adds, ref.Type) {
			continue
		}
		e.given[key] = true
		v, ok, err := e.r.readReferred(view, ref)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := b.searchEntry(&v, "include", nil); err != nil {
			return err
		}
	}
	return nil
}

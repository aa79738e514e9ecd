package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/patch"
	"github.com/tarnhealth/tarn/search"
)

// memberAddOperation is Group/$member-add of the Da Vinci member attribution
// guide: it adds a patient, with the provider the patient is attributed to.
// http://hl7.org/fhir/us/davinci-atr/OperationDefinition/member-add
func memberAddOperation() operation {
	return operation{
		code: "member-add", on: []string{"Group"}, levels: []level{levelInstance}, affectsState: true,
		definition: atr + "OperationDefinition/member-add",
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			return r.changeMembers(w, in, func(m *membership, members []fhir.Node) ([]string, bool) {
				for _, n := range members {
					if m.holds(n) {
						return nil, false
					}
				}
				return append(rawOf(members), m.member()), true
			})
		},
	}
}

// memberRemoveOperation is Group/$member-remove: it removes a patient, or only
// as attributed to a provider.
// http://hl7.org/fhir/us/davinci-atr/OperationDefinition/member-remove
func memberRemoveOperation() operation {
	return operation{
		code: "member-remove", on: []string{"Group"}, levels: []level{levelInstance}, affectsState: true,
		definition: atr + "OperationDefinition/member-remove",
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			return r.changeMembers(w, in, func(m *membership, members []fhir.Node) ([]string, bool) {
				var kept []fhir.Node
				for _, n := range members {
					if !m.holds(n) {
						kept = append(kept, n)
					}
				}
				return rawOf(kept), len(kept) < len(members)
			})
		},
	}
}

// The canonical base of the guide, and its extensions.
const (
	atr          = "http://hl7.org/fhir/us/davinci-atr/"
	atrProvider  = atr + "StructureDefinition/ext-attributedProvider"
	atrStatus    = atr + "StructureDefinition/ext-attributionListStatus"
	atrClosed    = "final"
	maxOfMembers = 100_000
)

// A membership is who is to be added or removed.
type membership struct {
	patient  string // "Patient/1"
	provider string // "" for none
	period   string // JSON, "" for none
}

func (m *membership) holds(n fhir.Node) bool {
	if n.Child("entity").TextOf("reference") != m.patient {
		return false
	}
	return m.provider == "" || providerOf(n) == m.provider
}

func providerOf(member fhir.Node) string {
	for x := range member.Each("extension") {
		if x.TextOf("url") == atrProvider {
			return x.Child("value").TextOf("reference")
		}
	}
	return ""
}

// member is the JSON of a Group.member.
func (m *membership) member() string {
	text := `{`
	if m.provider != "" {
		text += `"extension":[{"url":"` + atrProvider + `","valueReference":{"reference":` + quoted(m.provider) + `}}],`
	}
	text += `"entity":{"reference":` + quoted(m.patient) + `}`
	if m.period != "" {
		text += `,"period":` + m.period
	}
	return text + `}`
}

func quoted(s string) string { return string(fhir.AppendString(nil, s)) }

func rawOf(nodes []fhir.Node) []string {
	texts := make([]string, len(nodes))
	for i, n := range nodes {
		texts[i] = string(n.Raw())
	}
	return texts
}

// changeMembers stores a group with other members. Where nothing changes there
// is no new version.
func (r *request) changeMembers(w http.ResponseWriter, in *arguments, change func(*membership, []fhir.Node) (members []string, changed bool)) error {
	if err := in.only("memberId", "providerNpi", "patientReference", "providerReference", "attributionPeriod", "coverageReference"); err != nil {
		return err
	}
	if !fhir.ValidID(r.id) {
		return r.noSuchID()
	}
	m, err := r.membership(in)
	if err != nil {
		return err
	}
	changed := false
	op := datastore.Op{Interaction: authz.Patch, Type: "Group", ID: r.id, Patch: func(group *fhir.Tree) ([]byte, error) {
		for x := range group.Root().Each("extension") {
			if x.TextOf("url") == atrStatus && x.TextOf("value") == atrClosed {
				return nil, fhir.Errorf(fhir.KindUnprocessable, "the attribution list is final; its members cannot be changed")
			}
		}
		var members []string
		if members, changed = change(m, children(group.Root(), "member")); !changed {
			return nil, nil
		}
		if len(members) > maxOfMembers {
			return nil, fhir.Errorf(fhir.KindTooCostly, "the group has %d members, the most that it may have", maxOfMembers)
		}
		value := "null"
		if len(members) > 0 {
			value = "[" + strings.Join(members, ",") + "]"
		}
		return patch.Merge(group.Root().Raw(), []byte(`{"member":`+value+`}`))
	}}
	outcomes, err := r.store.Commit(r.ctx, r.access, []datastore.Op{op}, nil)
	if err != nil {
		return err
	}
	setVersionHeaders(w.Header(), &outcomes[0].Version)
	message := m.patient + ": done"
	if !changed {
		message = m.patient + ": nothing had to be changed"
	}
	return r.writeJSON(w, http.StatusOK, fhir.AppendOutcome(nil, []fhir.Issue{{Severity: fhir.SeverityInformation, Code: "informational", Diagnostics: message}}))
}

// membership reads who is meant: by reference, or by identifier, which must be
// that of one resource.
func (r *request) membership(in *arguments) (*membership, error) {
	m := &membership{}
	var err error
	if m.patient, err = r.member(in, "patientReference", "memberId", "Patient"); err != nil {
		return nil, err
	}
	if m.patient == "" {
		return nil, fhir.Errorf(fhir.KindInvalid, "%s needs the parameter patientReference or memberId", r.interaction)
	}
	if in.node("coverageReference").Exists() {
		return nil, fhir.Errorf(fhir.KindNotSupported, "%s does not keep a coverage; leave coverageReference out", r.interaction)
	}
	if m.provider, err = r.member(in, "providerReference", "providerNpi", "Practitioner", "PractitionerRole", "Organization"); err != nil {
		return nil, err
	}
	if period := in.node("attributionPeriod").Child("value"); period.Exists() {
		if period.Type().Name != "Period" {
			return nil, invalidParameter("attributionPeriod", "it must be a valuePeriod")
		}
		m.period = string(period.Raw())
	}
	return m, nil
}

// member is the reference that a parameter gives, or that of the one resource
// with the identifier that another gives; "" where neither is given.
func (r *request) member(in *arguments, reference, identifier string, types ...string) (string, error) {
	view, done, err := r.openView(0)
	if err != nil {
		return "", err
	}
	defer done()
	if n := in.node(reference); n.Exists() {
		ref := fhir.ParseReference(n.Child("value").TextOf("reference"), r.store.Base())
		if ref.Kind != fhir.RefRelative || !slices.Contains(types, ref.Type) {
			return "", invalidParameter(reference, "it must be a valueReference to a %s of this data store", strings.Join(types, " or "))
		}
		if _, ok, err := r.readReferred(view, ref); err != nil || !ok {
			if err == nil {
				err = fhir.Errorf(fhir.KindUnprocessable, "%s/%s does not exist", ref.Type, ref.ID).At("http." + reference)
			}
			return "", err
		}
		return ref.Type + "/" + ref.ID, nil
	}
	n := in.node(identifier).Child("value")
	if !n.Exists() {
		return "", nil
	}
	token := search.EscapeValue(n.TextOf("system")) + "|" + search.EscapeValue(n.TextOf("value"))
	var found []string
	for _, t := range types {
		query, err := r.parseSearch([]string{t}, []search.Pair{{Name: "identifier", Value: token}}, search.Options{})
		if err != nil {
			return "", err
		}
		matches, _, err := r.matches(query, 2)
		if err != nil {
			return "", err
		}
		for i := range matches {
			found = append(found, t+"/"+matches[i].ID)
		}
	}
	if len(found) != 1 {
		return "", fhir.Errorf(fhir.KindUnprocessable, "%d resources have the identifier of %s; it must be one", len(found), identifier).At("http." + identifier)
	}
	return found[0], nil
}

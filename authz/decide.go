package authz

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// A Caller is who sends a request, as its credential says. All ids are logical
// ids of the data store.
type Caller struct {
	// Issuer, Subject and Client are for the record and for Identity; nothing
	// is decided by them.
	Issuer, Subject, Client string
	Scopes                  Scopes
	// Patient is the id of the patient in context, of the launch.
	Patient string
	// FHIRUser is who the user is: "Practitioner/123", or absolute. It may be
	// a Patient, RelatedPerson, Practitioner, PractitionerRole or Person.
	FHIRUser string
	// Patients are the ids of the patients that the user may act for.
	Patients []string
	// Roles restrict what the caller may do; see Role. A caller without any is
	// restricted by its scopes alone.
	Roles []string
	// Tenant is who the caller belongs to.
	Tenant string
	// Purpose is the purpose of use, a code of v3-PurposeOfUse: Consents may be
	// about it, and PurposeBreakGlass lifts them.
	Purpose string
	// Clearance is the highest confidentiality that the credential is good for,
	// a code of v3-Confidentiality, "" where it does not say. Labels are the
	// sensitive labels that it is good for, each "system|code"; see LabelPolicy.
	Clearance string
	Labels    []string
}

// Identity tells callers apart: two requests of one user by one client for one
// patient have the same, also with another token. It is "" for nobody in
// particular, and a hash otherwise, which may be stored and shown.
func (c Caller) Identity() string {
	parts := []string{c.Issuer, c.Subject, c.Client, c.Tenant, c.FHIRUser, c.Patient}
	if strings.Join(parts, "") == "" {
		return ""
	}
	h := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// A Policy is what a data store's configuration says about access. The zero
// Policy lets a practitioner see nobody's data.
type Policy struct {
	// Base is the data store's base URL without a trailing slash: references
	// that begin with it are relative.
	Base string
	// Tenant is whose data store it is: callers of others are refused. "" is
	// for a data store of no tenant.
	Tenant string
	// ScopesOnly lets scopes of LevelUser reach everything, whoever the user
	// is: the scopes alone decide, as HealthLake does without fine-grained
	// authorization.
	ScopesOnly bool
	// Practitioners says which patients a Practitioner or PractitionerRole
	// may see.
	Practitioners Relations
	// Links lets a Patient or RelatedPerson also see the patients whose
	// Patient.link refers to them, as HealthLake does.
	Links bool
	// Persons is how sure a link of an active Person has to be to count: the Person
	// of a user, or one that links to a Patient or RelatedPerson who is the user,
	// leads to the Patients and RelatedPersons that it links to. 0 is for none.
	Persons Assurance
	// ChooseIDs lets callers who may not write every resource of a type make one
	// under an id of their choice, by an update. By trying, they learn which ids
	// are taken.
	ChooseIDs bool
	// Roles are defined beside practitioner, non-practitioner, auditor and
	// admin, or instead of them.
	Roles map[string]Role
	// Consent says what counts of the Consents in the data store, and Labels
	// whether security labels are checked.
	Consent ConsentPolicy
	Labels  LabelPolicy
	// Now is the clock for dates in granular scopes; nil for time.Now.
	Now func() time.Time
}

// Relations are the ways in which a practitioner has to do with a patient. They
// are united.
type Relations struct {
	// All is for every patient, and for resources of no patient.
	All bool
	// GeneralPractitioner is for patients whose generalPractitioner it is.
	GeneralPractitioner bool
	// CareTeam is for patients with an active CareTeam that it takes part in.
	CareTeam bool
	// Encounter is for patients with an Encounter that it takes part in, unless
	// that is cancelled or was entered in error.
	Encounter bool
	// Group is for the members of Groups that it manages.
	Group bool
	// Organization is for patients whose managingOrganization it works for, by
	// an active PractitionerRole.
	Organization bool
}

func (p Policy) searchOptions() search.Options {
	return search.Options{Base: p.Base, Now: p.Now}
}

// Decide says what a caller may do in a data store. It is pure: the same caller
// and policy give the same Access, and nothing is read. The error is of
// KindForbidden where the credential does not go together: a scope of
// LevelPatient without a patient in context, one of LevelUser without a user,
// one of LevelSystem together with others, or another tenant's; and where the
// caller breaks the glass, which its roles do not allow.
func Decide(registry *search.Registry, caller Caller, policy Policy) (Access, error) {
	if policy.Tenant != "" && caller.Tenant != policy.Tenant {
		return Access{}, fhir.Errorf(fhir.KindForbidden, "the token is for another tenant")
	}
	r := &rights{registry: registry, caller: caller, identity: caller.Identity(), policy: policy, restricted: len(caller.Roles) > 0, memo: map[memoKey]memoized{}}
	var err error
	if r.roles, err = compileRoles(registry, caller.Roles, policy); err != nil {
		return Access{}, fhir.Errorf(fhir.KindInternal, "the roles of the policy are wrong").Because(err)
	}
	if err := r.checkPurpose(); err != nil {
		return Access{}, err
	}
	r.labels = r.cleared()
	levels, err := r.compileScopes()
	if err != nil {
		return Access{}, err
	}
	if levels[LevelSystem] && (levels[LevelPatient] || levels[LevelUser]) {
		return Access{}, fhir.Errorf(fhir.KindForbidden, "the token has system scopes beside those of a user; services and users need tokens of their own")
	}
	if r.user, err = r.confineUser(levels[LevelUser]); err != nil {
		return Access{}, err
	}
	r.alone = r.user
	if levels[LevelPatient] {
		if !fhir.ValidID(caller.Patient) {
			return Access{}, fhir.Errorf(fhir.KindForbidden, "the token has patient scopes but names no patient in context")
		}
		r.patient = r.confineContext()
	}
	return Access{rights: r}, nil
}

// compileScopes reads the conditions of the scopes, and tells which levels
// there are.
func (r *rights) compileScopes() (levels [LevelSystem + 1]bool, err error) {
	for _, s := range r.caller.Scopes.Resources {
		n, reason := s.node(r.registry, r.policy.searchOptions())
		if reason != "" {
			return levels, fhir.Errorf(fhir.KindForbidden, "the scope %s cannot be enforced: %s", shorten(s.String()), reason)
		}
		r.conditions = append(r.conditions, n)
		levels[s.Level] = true
	}
	return levels, nil
}

// localUser is the type and id of the user's own resource; ok is false where it
// is not of this data store.
func (r *rights) localUser() (resourceType, id string, ok bool) {
	reference := r.caller.FHIRUser
	if r.policy.Base != "" {
		reference = strings.TrimPrefix(reference, r.policy.Base+"/")
	}
	resourceType, id, ok = strings.Cut(reference, "/")
	return resourceType, id, ok && fhir.ValidID(id) && offersType(r.registry, resourceType)
}

// confineUser is what scopes of LevelUser reach. needed is set where there are
// any: then the user must be known.
func (r *rights) confineUser(needed bool) (confinement, error) {
	if r.policy.ScopesOnly {
		return everything{}, nil
	}
	resourceType, id, ok := r.localUser()
	p := &patients{registry: r.registry, ids: validIDs(r.caller.Patients), persons: r.policy.Persons > 0, identity: r.identity}
	switch {
	case !ok:
		if needed && !r.unconfined() {
			return nil, fhir.Errorf(fhir.KindForbidden, "the token has user scopes but its fhirUser is no resource of this data store, such as Practitioner/123")
		}
		return nothing{}, nil
	case resourceType == "Patient":
		p.ids = append(p.ids, id)
		p.where = r.linked(resourceType, id)
	case resourceType == "RelatedPerson":
		p.where = r.relatedTo(id).or(r.linked(resourceType, id))
	case resourceType == "Practitioner" || resourceType == "PractitionerRole":
		if r.policy.Practitioners.All {
			return everything{}, nil
		}
		p.where = r.treatedBy(resourceType + "/" + id)
		p.writesShared = true
	case resourceType != "Person":
		if !needed {
			return nothing{}, nil
		}
		return nil, fhir.Errorf(fhir.KindForbidden, "a user is a Patient, RelatedPerson, Practitioner, PractitionerRole or Person, not a %s", resourceType)
	}
	p.own, p.ownID = resourceType, id
	return p, nil
}

// unconfined reports whether all that the user may do is by roles that do not
// ask who it is.
func (r *rights) unconfined() bool {
	return slices.ContainsFunc(r.roles, func(c compiledRole) bool { return c.unconfined })
}

// confineContext is what scopes of LevelPatient reach: the patient in context,
// and for a practitioner only while that is a patient of theirs.
func (r *rights) confineContext() confinement {
	context := &patients{registry: r.registry, ids: []string{r.caller.Patient}, persons: r.policy.Persons > 0, identity: r.identity}
	if p, ok := r.user.(*patients); ok && p.writesShared {
		return both{context, p}
	}
	return context
}

func validIDs(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !fhir.ValidID(id) })
}

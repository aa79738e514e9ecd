package authz

import (
	"slices"
	"sync"

	"github.com/tarnhealth/tarn/search"
)

// Access is what one caller may do in one data store. The zero Access may do
// nothing. It is immutable and safe for concurrent use; making one costs more
// than using it, so keep it for the requests of one token.
//
// How each interaction is enforced with it, beginning with Check always:
//
//	search, totals,       And(the search's condition, Filter(SearchType, type)),
//	chains, _has, sort,   for every type that is looked at on the way: the matches,
//	what refers to the    what chains and _has lead through, what _revinclude adds
//	matches
//	what matches refer to as a read: what _include adds could be read by its id
//	search of all types   as above for each of Types(SearchSystem)
//	read                  Allows(Read, the current version)
//	vread                 Allows(VRead, that version)
//	history of one        Allows(HistoryOfOne) of each version
//	history of a type,    Allows(HistoryOfType or HistoryOfAll) of each version, of
//	of all                the types of Types only
//	create                Allows(Create, the submitted resource with its new id)
//	update, patch         Allows(Update or Patch) of the stored resource and of the
//	                      submitted or patched one, both; a patch needs Read too.
//	                      An update creates where Filter(Update) is nil, or
//	                      ChoosesIDs: who may not write all of a type must not learn
//	                      which ids are free
//	delete                Allows(Delete, the stored resource)
//	conditional create,   as above, and the criteria as a search: a caller must
//	update, patch, delete not learn of what it cannot find
//
// A deletion has no content to decide by: it is shown where the version before
// it is. A Binary is decided by what its securityContext refers to; see
// BySecurityContext.
type Access struct {
	all    bool
	rights *rights
}

// Unrestricted may do everything. It is for servers without authorization,
// which listen on loopback addresses only, and for Tarn's own work.
func Unrestricted() Access { return Access{all: true} }

// Exists reports whether the data store has a current resource of a type for
// which a condition holds.
type Exists = func(resourceType string, where search.Node) (bool, error)

// Check returns an error of KindForbidden where the interaction on the
// resource type is not allowed at all: for any resource of the type. An empty
// type is for the interactions on all types, of which some must be allowed.
func (a Access) Check(i Interaction, resourceType string) error {
	if a.all {
		return nil
	}
	if !a.rights.scoped(i, resourceType) {
		return insufficient(a.rights.wanting(i, resourceType), "the scopes of the token do not allow %s on %s", i, orAll(resourceType))
	}
	if resourceType == "" || a.BySecurityContext(i, resourceType) {
		return nil
	}
	if _, ok := a.Filter(i, resourceType); !ok {
		return insufficient("", "this caller may not use %s on %s", i, resourceType)
	}
	return nil
}

// CheckService returns an error of KindForbidden for callers that are neither
// services, which have scopes of LevelSystem, nor administrators: the apps of
// people are not to make the server fetch from elsewhere, or work for long, for
// what they could ask for themselves.
func (a Access) CheckService(what string) error {
	if a.all || a.rights != nil && (a.rights.has(RoleAdmin) || slices.ContainsFunc(a.rights.caller.Scopes.Resources, func(s Scope) bool { return s.Level == LevelSystem })) {
		return nil
	}
	return insufficient("system/*.cruds", "%s is for services, whose scopes begin with system/, and for administrators", what)
}

// Scoped reports whether some scope allows the interaction on resources of a
// type, whatever else narrows it.
func (a Access) Scoped(i Interaction, resourceType string) bool {
	return a.all || a.rights.scoped(i, resourceType)
}

// Filter is the condition that resources of a type must meet for the
// interaction, nil for all of them; ok is false where none may be touched.
func (a Access) Filter(i Interaction, resourceType string) (where search.Node, ok bool) {
	if a.all {
		return nil, true
	}
	return a.rights.filter(i, resourceType)
}

// Types are the resource types that the interaction is allowed on, sorted.
func (a Access) Types(i Interaction) []string { return a.rights.types(i, a.all) }

// Allows reports whether the interaction is allowed on one resource, by Filter.
// The candidate has its Tree. exists answers for the other resources that the
// condition is about; with nil, a condition about others does not hold.
func (a Access) Allows(i Interaction, c *search.Candidate, exists Exists) (bool, error) {
	where, ok := a.Filter(i, c.Type)
	if !ok || where == nil {
		return ok, nil
	}
	ok, err := evaluate(where, c, exists)
	return ok && err == nil, err
}

// All reports whether the interaction is allowed on every resource of every
// type that a data store's API offers: AuditEvents do not count, which only
// auditors read.
func (a Access) All(i Interaction) bool {
	if a.all {
		return true
	}
	if a.rights == nil {
		return false
	}
	for _, p := range a.rights.registry.Params {
		if p.Code != search.MarkType || p.Type == auditType {
			continue
		}
		if where, ok := a.Filter(i, p.Type); !ok || where != nil {
			return false
		}
	}
	return true
}

// ChoosesIDs reports whether the caller may make resources of a type under ids of
// its choice, by an update: by the policy, or where nothing but labels and
// Consents keeps it from writing every resource of the type.
func (a Access) ChoosesIDs(resourceType string) bool {
	if a.all || a.rights == nil {
		return a.all
	}
	granted := a.rights.granted(Update, resourceType)
	return granted.ok && (granted.where == nil || a.rights.policy.ChooseIDs) || a.rights.policy.ChooseIDs && a.BySecurityContext(Update, resourceType)
}

// Caller is who the access was decided for: the zero Caller for Unrestricted.
func (a Access) Caller() Caller {
	if a.rights == nil {
		return Caller{}
	}
	return a.rights.caller
}

// Identity is that of its Caller, which was found when the access was decided:
// it is asked for with each page of a search.
func (a Access) Identity() string {
	if a.rights == nil {
		return ""
	}
	return a.rights.identity
}

// BySecurityContext reports whether resources of the type are accessible just
// where the resource is that their securityContext refers to, for the same
// interaction (Read, for a caller that only reads): Binary, for callers who do
// not see everything. http://hl7.org/fhir/R4/binary.html#security
func (a Access) BySecurityContext(i Interaction, resourceType string) bool {
	if a.all || resourceType != "Binary" || !a.rights.scoped(i, resourceType) {
		return false
	}
	if _, ok := a.rights.filter(i, resourceType); ok {
		return a.rights.beyond != nil
	}
	if !a.rights.restricted {
		return true
	}
	return slices.ContainsFunc(a.rights.roles, func(role compiledRole) bool { return role.allows(i, resourceType).ok })
}

// ByItself decides of a Binary what can be told without the resource that its
// securityContext refers to. free is set where the caller needs no right to that
// resource: then it must only not be hidden; see Hides. ok is false where the
// Binary's own labels forbid it.
func (a Access) ByItself(i Interaction, c *search.Candidate) (free, ok bool) {
	if a.all || a.rights == nil {
		return a.all, a.all
	}
	if labels := a.rights.labels; labels != nil {
		if cleared := labels.of(a.rights.registry, c.Type); !cleared.ok || !search.Match(cleared.where, c, nil) {
			return false, false
		}
	}
	where, free := a.rights.filter(i, c.Type)
	return free && search.Match(where, c, nil), true
}

// Hides reports whether a restriction hides a resource; see Within.
func (a Access) Hides(i Interaction, c *search.Candidate, exists Exists) (bool, error) {
	if a.all || a.rights == nil || a.rights.beyond == nil {
		return false, nil
	}
	hidden := a.rights.beyond.Hidden(i, c.Type)
	if hidden == nil {
		return false, nil
	}
	return evaluate(hidden, c, exists)
}

// rights is a decision, taken apart only as far as it is asked for.
type rights struct {
	registry *search.Registry
	caller   Caller
	// identity is the caller's.
	identity string
	policy   Policy
	// conditions are those of the caller's resource scopes, nil for none.
	conditions []search.Node
	// roles are the caller's; restricted is set where it has any.
	roles      []compiledRole
	restricted bool
	// user confines the scopes of LevelUser, patient those of LevelPatient. alone
	// is user without what Persons add, and linkedTo the patients that they do.
	user, patient, alone confinement
	linkedTo             []string
	// labels are those that the caller may not see, nil where none are checked.
	labels *clearance
	// beyond hides more, nil where nothing does; see Within.
	beyond Restriction

	mu   sync.Mutex
	memo map[memoKey]memoized
}

type memoKey struct {
	interaction  Interaction
	resourceType string
}

type memoized struct {
	where search.Node
	ok    bool
}

// again is a copy that has decided nothing yet.
func (r *rights) again() *rights {
	return &rights{
		registry: r.registry, caller: r.caller, identity: r.identity, policy: r.policy, conditions: r.conditions, roles: r.roles, restricted: r.restricted,
		user: r.user, patient: r.patient, alone: r.alone, linkedTo: r.linkedTo, labels: r.labels, beyond: r.beyond, memo: map[memoKey]memoized{},
	}
}

// scoped reports whether some scope has the letter for a type ("": any).
func (r *rights) scoped(i Interaction, resourceType string) bool {
	if r == nil {
		return false
	}
	return slices.ContainsFunc(r.caller.Scopes.Resources, func(s Scope) bool {
		return s.Actions&i.action() != 0 && (resourceType == "" || s.Type == "*" || s.Type == resourceType)
	})
}

func (r *rights) types(i Interaction, all bool) []string {
	var types []string
	if r == nil {
		return nil
	}
	for _, p := range r.registry.Params {
		if p.Code != search.MarkType {
			continue
		}
		if _, ok := r.filter(i, p.Type); ok || all {
			types = append(types, p.Type)
		}
	}
	slices.Sort(types)
	return types
}

func (r *rights) filter(i Interaction, resourceType string) (search.Node, bool) {
	if r == nil {
		return nil, false
	}
	key := memoKey{i, resourceType}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m, known := r.memo[key]; known {
		return m.where, m.ok
	}
	if i.action() == 0 || !offersType(r.registry, resourceType) {
		return nil, false // not kept: anybody may ask for any name
	}
	var m memoized
	m.where, m.ok = r.decide(i, resourceType)
	r.memo[key] = m
	return m.where, m.ok
}

// decide is what the scopes and roles allow, of it what the labels allow, and of
// that what is not hidden beyond.
func (r *rights) decide(i Interaction, resourceType string) (search.Node, bool) {
	c := r.granted(i, resourceType)
	if c.ok && r.labels != nil {
		c = c.and(r.labels.of(r.registry, resourceType))
	}
	if c.ok && r.beyond != nil {
		if hidden := r.beyond.Hidden(i, resourceType); hidden != nil {
			c = c.and(when(search.Not{Node: hidden}))
		}
	}
	return c.where, c.ok
}

// granted is the union over the scopes; within one, all of its conditions, those
// of its level and those of the caller's roles hold.
func (r *rights) granted(i Interaction, resourceType string) condition {
	if resourceType == auditType && (i.writes() || !r.has(RoleAuditor)) {
		return none
	}
	union := none
	for level := LevelPatient; level <= LevelSystem; level++ {
		if i == Erase && level != LevelSystem && !r.has(RoleAdmin) {
			continue
		}
		asked := r.asked(level, i, resourceType)
		if asked.ok {
			union = union.or(asked.and(r.reach(level, i, resourceType)))
		}
	}
	return union
}

// auditType is never changed through a data store's API, and read by auditors
// only.
const auditType = "AuditEvent"

// asked is the union of the scopes of a level.
func (r *rights) asked(level Level, i Interaction, resourceType string) condition {
	union := none
	for n, s := range r.caller.Scopes.Resources {
		if s.Level == level && s.Actions&i.action() != 0 && (s.Type == "*" || s.Type == resourceType) {
			union = union.or(condition{r.conditions[n], true})
		}
	}
	return union
}

// reach is what the caller may reach at a level, by whom it is and by its roles.
func (r *rights) reach(level Level, i Interaction, resourceType string) condition {
	within := always
	switch level {
	case LevelPatient:
		within = r.patient.of(i, resourceType)
	case LevelUser:
		within = r.user.of(i, resourceType)
	}
	if !r.restricted {
		return within
	}
	union := none
	for _, role := range r.roles {
		if rules := role.allows(i, resourceType); role.unconfined && level == LevelUser {
			union = union.or(rules)
		} else {
			union = union.or(rules.and(within))
		}
	}
	return union
}

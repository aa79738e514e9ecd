// Package authz owns the decision: what a caller may see and do. An Access is
// the answer, in the plan language of search, and every read and write takes
// one. It is pure: no I/O.
//
// It leaves to others: who the caller is (token, login), and enforcing the
// answer (datastore).
package authz

// An Interaction is one kind of request, by its FHIR code.
// http://hl7.org/fhir/R4/valueset-restful-interaction.html
type Interaction string

// The interactions.
const (
	Read          Interaction = "read"
	VRead         Interaction = "vread"
	Create        Interaction = "create"
	Update        Interaction = "update"
	Patch         Interaction = "patch"
	Delete        Interaction = "delete"
	HistoryOfOne  Interaction = "history-instance"
	HistoryOfType Interaction = "history-type"
	HistoryOfAll  Interaction = "history-system"
	SearchType    Interaction = "search-type"
	SearchSystem  Interaction = "search-system"
	// Erase removes resources or versions for good. It is not among FHIR's
	// codes. It takes the letter of delete, in a scope of LevelSystem or in the
	// hands of an admin.
	Erase Interaction = "erase"
)

// action is the letter of a scope that an interaction needs, 0 for one that no
// scope allows.
// https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
func (i Interaction) action() Actions { return interactionActions[i] }

var interactionActions = map[Interaction]Actions{
	Create: ActionCreate,
	Read:   ActionRead, VRead: ActionRead, HistoryOfOne: ActionRead,
	Update: ActionUpdate, Patch: ActionUpdate,
	Delete: ActionDelete, Erase: ActionDelete,
	SearchType: ActionSearch, SearchSystem: ActionSearch, HistoryOfType: ActionSearch, HistoryOfAll: ActionSearch,
}

// writes reports whether an interaction changes anything.
func (i Interaction) writes() bool { return i.action()&ActionsWrite != 0 }

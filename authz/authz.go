// Package authz owns the decision: what a caller may see and do. An Access is
// the answer, in the plan language of search, and every read and write takes
// one. It is pure: no I/O.
//
// It leaves to others: who the caller is (token, login), and enforcing the
// answer (datastore).
package authz

import (
	"github.com/tarnhealth/tarn/fhir"
)

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
	// codes.
	Erase Interaction = "erase"
)

// Access is what one caller may do. The zero Access may do nothing.
type Access struct {
	all bool
}

// Unrestricted may do everything. It is for servers without authorization,
// which listen on loopback addresses only, and for Tarn's own work.
func Unrestricted() Access { return Access{all: true} }

// Check returns an error of KindForbidden where the interaction on the
// resource type is not allowed at all.
func (a Access) Check(i Interaction, resourceType string) error {
	if a.all {
		return nil
	}
	return fhir.Errorf(fhir.KindForbidden, "this caller may not use %s on %s", i, resourceType)
}

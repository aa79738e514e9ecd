package authz

import (
	"fmt"

	"github.com/tarnhealth/tarn/fhir"
)

// insufficient is the error of a request that the access does not allow, with
// its challenge. scope is one that would do, "" where none would.
// https://www.rfc-editor.org/rfc/rfc6750#section-3.1
func insufficient(scope, format string, args ...any) *fhir.Error {
	e := fhir.Errorf(fhir.KindForbidden, format, args...)
	challenge := fmt.Sprintf(`Bearer error="insufficient_scope", error_description="%s"`, e.Error())
	if scope != "" {
		challenge += fmt.Sprintf(`, scope="%s"`, scope)
	}
	return e.With("WWW-Authenticate", challenge)
}

func orAll(resourceType string) string {
	if resourceType == "" {
		return "any type"
	}
	return resourceType
}

// wanting is the scope that an interaction lacks, at the level that the caller
// has scopes of.
func (r *rights) wanting(i Interaction, resourceType string) string {
	if i.action() == 0 {
		return ""
	}
	level := LevelUser
	if r != nil && len(r.caller.Scopes.Resources) > 0 {
		level = r.caller.Scopes.Resources[0].Level
	}
	if resourceType == "" {
		resourceType = "*"
	}
	return Scope{Level: level, Type: resourceType, Actions: i.action()}.String()
}

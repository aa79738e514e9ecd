package smart

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/search"
)

// parseScopes reads scopes against the definitions that every data store has.
func (s *Service) parseScopes(text string) (authz.Scopes, []authz.Dropped) {
	return authz.ParseScopes(text, s.registry)
}

// grantable is what of the asked scopes a client may have in a user's flow:
// what it registered, without system scopes, which no user can give away, and
// without refresh tokens where it may not refresh.
func (s *Service) grantable(text string, c *Client, registry *search.Registry) (authz.Scopes, []authz.Dropped) {
	asked, dropped := authz.ParseScopes(text, registry)
	allowed, _ := authz.ParseScopes(c.Scopes, registry)
	granted := asked.Narrow(allowed).Without(func(scope authz.Scope) bool { return scope.Level == authz.LevelSystem })
	if !c.Uses(grantRefresh) {
		granted = only(granted, registry, func(scope string) bool { return scope != "offline_access" && scope != "online_access" })
	}
	return granted, dropped
}

// only keeps the scopes for which keep holds.
func only(s authz.Scopes, registry *search.Registry, keep func(scope string) bool) authz.Scopes {
	var kept []string
	for scope := range strings.FieldsSeq(s.String()) {
		if keep(scope) {
			kept = append(kept, scope)
		}
	}
	out, _ := authz.ParseScopes(strings.Join(kept, " "), registry)
	return out
}

// wantsPatient reports whether a patient must be in context: it was asked for,
// or scopes about the patient are. http://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
func wantsPatient(s authz.Scopes) bool {
	if s.LaunchPatient || s.LaunchEncounter {
		return true
	}
	for _, scope := range s.Resources {
		if scope.Level == authz.LevelPatient {
			return true
		}
	}
	return false
}

// givesData reports whether scopes let an app do anything at all.
func givesData(s authz.Scopes) bool { return len(s.Resources) > 0 || s.OpenID }

// hasLevel reports whether some scope is of a level.
func hasLevel(s authz.Scopes, level authz.Level) bool {
	return slices.ContainsFunc(s.Resources, func(scope authz.Scope) bool { return scope.Level == level })
}

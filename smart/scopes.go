package smart

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/search"
)

// parseScopes reads scopes against the definitions that every data store has.
func (s *Service) parseScopes(text string) (authz.Scopes, []authz.Dropped) {
	return authz.ParseScopes(text, s.registry)
}

// grantable is what of the asked scopes a client may have in a user's flow:
// what it registered and the data store knows, without system scopes, which no
// user can give away, and without refresh tokens where it may not refresh.
func (s *Service) grantable(text string, c *Client, store *datastore.Store) (authz.Scopes, []authz.Dropped) {
	registry := store.Registry()
	asked, dropped := parseFor(store, text)
	allowed, _ := authz.ParseScopes(c.Scopes, registry)
	granted := asked.Narrow(allowed).Without(func(scope authz.Scope) bool { return scope.Level == authz.LevelSystem })
	granted, _ = parseFor(store, granted.String())
	if !c.Uses(grantRefresh) {
		granted = only(granted, registry, func(scope string) bool { return scope != "offline_access" && scope != "online_access" })
	}
	return granted, dropped
}

// parseFor reads scopes as a data store knows them, and tells those that it does
// not.
func parseFor(store *datastore.Store, text string) (authz.Scopes, []authz.Dropped) {
	known := store.Identity().Scopes(text)
	scopes, dropped := authz.ParseScopes(known, store.Registry())
	if !store.Identity().Version1() {
		return scopes, dropped
	}
	kept := strings.Fields(known)
	for scope := range strings.FieldsSeq(text) {
		if !slices.Contains(kept, scope) {
			dropped = append(dropped, authz.Dropped{Scope: scope, Reason: "this data store knows scopes of version 1, as in patient/Observation.read"})
		}
	}
	return scopes, dropped
}

// narrowed is what of the asked scopes a client registered. One that cannot be
// understood is refused.
func narrowed(text string, c *Client, store *datastore.Store) (authz.Scopes, error) {
	asked, dropped := parseFor(store, text)
	if len(dropped) > 0 {
		return asked, refuse(codeInvalidScope, "%s: %s", printable(dropped[0].Scope), dropped[0].Reason)
	}
	allowed, _ := authz.ParseScopes(c.Scopes, store.Registry())
	granted, _ := parseFor(store, asked.Narrow(allowed).String())
	return granted, nil
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

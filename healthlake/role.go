package healthlake

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/sigv4"
)

// A Role is what access keys with it may do.
type Role struct {
	// Operations are the names of the operations that it may use, "Describe*" for
	// all that begin so; actions of the FHIR API are among them.
	Operations []string
	// Tags are what a data store has to be tagged with for that, each key with that
	// value; none for all data stores.
	Tags map[string]string
}

// Allows reports whether a role has an operation, or an action of the FHIR API.
func (r Role) Allows(operation string) bool { return allows(r.Operations, operation) }

// Lacks tells in words which of the tags of the role a data store lacks, as its
// Control is, as in "env=prod, team=cardio"; "" for none.
func (r Role) Lacks(of *datastore.Control) string {
	var tags map[string]string
	if of != nil {
		tags = of.Tags
	}
	var missing []string
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		if value, ok := tags[key]; !ok || value != r.Tags[key] {
			missing = append(missing, key+"="+r.Tags[key])
		}
	}
	return strings.Join(missing, ", ")
}

// CheckRoles refuses roles that would not mean what they say.
func CheckRoles(roles map[string]Role) error {
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		if name == sigv4.RoleAdmin || name == sigv4.RoleReadOnly {
			return fmt.Errorf("the role %s cannot be given another meaning", name)
		}
		role := roles[name]
		for _, pattern := range role.Operations {
			if !known(pattern) {
				return fmt.Errorf("the role %s names %q, which is no operation", name, pattern)
			}
		}
		if err := role.checkTags(); err != nil {
			return fmt.Errorf("the role %s: %w", name, err)
		}
	}
	return nil
}

// known reports whether a pattern has an operation or action.
func known(pattern string) bool {
	for name := range operations {
		if covers(pattern, name) {
			return true
		}
	}
	for name := range dataActions {
		if covers(pattern, name) {
			return true
		}
	}
	return false
}

// checkTags refuses tags that no data store can have.
func (r Role) checkTags() error {
	if len(r.Tags) > 0 && len(r.Operations) == 0 {
		return fmt.Errorf("tags say at which data stores its operations may be used, and it has none")
	}
	for key, value := range r.Tags {
		if tagKeyConstraint.broken(key) != "" || tagValueConstraint.broken(value) != "" || reserved(key) {
			return fmt.Errorf("the tag %.80q with the value %.80q is none that a data store can have", key, value)
		}
	}
	if len(r.Tags) > maxTags {
		return fmt.Errorf("it has %d tags, and a data store has %d at most", len(r.Tags), maxTags)
	}
	return nil
}

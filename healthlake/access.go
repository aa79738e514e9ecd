package healthlake

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/sigv4"
)

// readOnly is what sigv4.RoleReadOnly may use.
var readOnly = []string{"Describe*", "List*"}

// allow refuses a call that its access key may not make: by its role, and by
// the data stores that it is for. store is "" for calls that are about none, or
// about a new one.
func (c *call) allow(store string) error {
	c.store = store
	may := c.h.cfg.Roles()[c.key.Role]
	switch c.key.Role {
	case sigv4.RoleAdmin:
		may = []string{"*"}
	case sigv4.RoleReadOnly:
		may = readOnly
	}
	if !slices.ContainsFunc(may, func(pattern string) bool { return covers(pattern, c.operation) }) {
		return failed(codeAccessDenied, "The access key %s has the role %q, which may not use healthlake:%s.", c.key.ID, c.key.Role, c.operation)
	}
	confined := len(c.key.DataStores) > 0
	if confined && (store != "" && !c.key.For(store) || store == "" && operations[c.operation]) {
		return failed(codeAccessDenied, "The access key %s may use healthlake:%s at its own data stores only.", c.key.ID, c.operation)
	}
	return nil
}

func covers(pattern, operation string) bool {
	if beginning, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(operation, beginning)
	}
	return pattern == operation
}

// CheckRoles refuses roles that would not mean what they say.
func CheckRoles(roles map[string][]string) error {
	for role, patterns := range roles {
		if role == sigv4.RoleAdmin || role == sigv4.RoleReadOnly {
			return fmt.Errorf("the role %s cannot be given another meaning", role)
		}
		for _, pattern := range patterns {
			known := false
			for name := range operations {
				known = known || covers(pattern, name)
			}
			for name := range dataActions {
				known = known || covers(pattern, name)
			}
			if !known {
				return fmt.Errorf("the role %s names %q, which is no operation", role, pattern)
			}
		}
	}
	return nil
}

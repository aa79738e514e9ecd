package healthlake

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/sigv4"
)

// readOnly is what sigv4.RoleReadOnly may use.
var readOnly = []string{"Describe*", "List*"}

// allow refuses a call that its access key may not make: by its role, and by
// the data stores that it is for. store is "" for calls that are about none, or
// about a new one, of which within has to be asked too.
func (c *call) allow(store string) error {
	c.store = store
	switch c.key.Role {
	case sigv4.RoleAdmin:
		c.role = Role{Operations: []string{"*"}}
	case sigv4.RoleReadOnly:
		c.role = Role{Operations: readOnly}
	default:
		c.role = c.h.cfg.Roles()[c.key.Role]
	}
	if !c.role.Allows(c.operation) {
		return failed(codeAccessDenied, "The access key %s has the role %q, which may not use healthlake:%s.", c.key.ID, c.key.Role, c.operation)
	}
	confined := len(c.key.DataStores) > 0
	if confined && (store != "" && !c.key.For(store) || store == "" && operations[c.operation]) {
		return failed(codeAccessDenied, "The access key %s may use healthlake:%s at its own data stores only.", c.key.ID, c.operation)
	}
	if store == "" || len(c.role.Tags) == 0 {
		return nil
	}
	r, err := c.h.cfg.Stores.Describe(c.ctx, store)
	if err != nil && fhir.KindOf(err) != fhir.KindNotFound {
		return err
	}
	return c.within(r.Control) // what is not there has no tags
}

// within refuses a data store, as its Control is or is to be, that lacks a tag
// which the role of the caller is limited to.
func (c *call) within(of *datastore.Control) error {
	lacks := c.role.Lacks(of)
	if lacks == "" {
		return nil
	}
	return failed(codeAccessDenied, "The access key %s has the role %q, which may use healthlake:%s at data stores with certain tags only; missing is %s.", c.key.ID, c.key.Role, c.operation, lacks)
}

// sees reports whether lists of the caller have a data store.
func (c *call) sees(r datastore.Record) bool {
	return c.key.For(r.ID) && c.role.Lacks(r.Control) == ""
}

func covers(pattern, operation string) bool {
	if beginning, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(operation, beginning)
	}
	return pattern == operation
}

// allows reports whether patterns, such as "Search*", have an action among them.
func allows(patterns []string, action string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return covers(pattern, action) })
}

package definition

import (
	"iter"
	"maps"
)

// CodeSystems yields every code system of the set, in no order.
func (s *Set) CodeSystems() iter.Seq[*CodeSystem] { return maps.Values(s.systems) }

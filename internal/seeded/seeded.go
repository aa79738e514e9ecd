// Package seeded gives the property tests of a test binary the same cases in each
// run: a change is refused for what it breaks, and not for a case that another
// run happens to find. Who imports it does so for that alone;
//
//	go test ./search -rapid.seed=0 -rapid.checks=100000
//
// looks for other cases.
package seeded

import (
	"flag"

	_ "pgregory.net/rapid" // which has the flag
)

func init() {
	if err := flag.Set("rapid.seed", "1"); err != nil {
		panic(err)
	}
}

package definition

import "sync"

// R4 is FHIR R4 (4.0.1). The table is unpacked at the first call.
var R4 = sync.OnceValue(func() *Set { panic("not packed yet") })

package definition

import (
	_ "embed"
	"sync"
)

//go:generate go run ./internal/pack -in ../../shared/data/definitions/r4-core-package -out r4.bin

//go:embed r4.bin
var r4 []byte

// R4 is FHIR R4 (4.0.1). The table is unpacked at the first call. It panics
// where the table that the program was built with cannot be read: a test
// unpacks it, so no build that passed its tests does.
var R4 = sync.OnceValue(func() *Set {
	s, err := unpack(r4)
	if err != nil {
		panic(err)
	}
	return s
})

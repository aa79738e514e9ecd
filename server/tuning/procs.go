package tuning

import (
	"os"
	"runtime"
)

// Procs lets one goroutine more run than there are processors, unless
// GOMAXPROCS says otherwise. Each write and each record of the audit log waits
// for an fsync. A goroutine that comes back from one and finds all processors
// taken waits behind all others, and those whose records it has written with
// it, while the processors run out of work.
func Procs() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

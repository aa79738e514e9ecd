package limits

import (
	"net/http"
	"time"

	"github.com/tarnhealth/tarn/bearer"
	"github.com/tarnhealth/tarn/throttle"
)

// Wrong makes the counting of requests with wrong credentials. address is the
// network address of a request's client; now is the clock, nil for time.Now.
func (l *Limits) Wrong(address func(*http.Request) string, now func() time.Time) *bearer.Failures {
	return &bearer.Failures{Address: address, Of: throttle.NewFailures(l.Failures, now), Store: throttle.NewFailures(l.StoreFailures, now)}
}

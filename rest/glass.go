package rest

import (
	"log/slog"

	"github.com/tarnhealth/tarn/audit"
)

// glassBroken is what the audit log says of each request by which Consents were
// lifted, beside the purpose of use.
const glassBroken = "BREAK-GLASS: Consents were lifted for this request"

// tellGlass warns of a request that breaks the glass, as it begins: whoever
// watches the server sees it at once, and by the id finds who it was in the
// audit log.
func (h *handler) tellGlass(r *request) {
	if !r.access.BreaksGlass() {
		return
	}
	h.Logger.LogAttrs(r.ctx, slog.LevelWarn, "break-glass: Consents are lifted for a request", slog.String("id", r.requestID),
		slog.String("data store", r.store.Record().ID), slog.String("client", r.access.Caller().Client), slog.String("interaction", r.interaction))
}

// noteGlass adds to a record that the glass was broken.
func (r *request) noteGlass(rec *audit.Record) {
	switch {
	case !r.access.BreaksGlass():
	case rec.Detail == "":
		rec.Detail = glassBroken
	default:
		rec.Detail = glassBroken + "; " + rec.Detail
	}
}

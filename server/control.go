package server

import (
	"context"
	"net/http"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/sigv4"
)

// signingName is what credentials of signed requests are scoped to.
const signingName = "healthlake"

// maxControlBody is the greatest body of a request to the control API, bytes.
const maxControlBody = 1 << 20

// controlAPI makes the control API of the data stores in a folder. Its callers
// have access keys, unless everybody may do everything.
func (s *Server) controlAPI(f *folder, recorded *auditLog) (http.Handler, error) {
	authenticate := func(*http.Request) (sigv4.Key, error) {
		return sigv4.Key{ID: "local", Role: sigv4.RoleAdmin}, nil
	}
	if s.cfg.Auth != AuthNone {
		a, err := f.authority()
		if err != nil {
			return nil, err
		}
		verifier, err := sigv4.NewVerifier(sigv4.Config{
			Keys: f.accessKeys(a), Service: signingName, Changes: healthlake.Changes, MaxBody: maxControlBody,
		})
		if err != nil {
			return nil, err
		}
		authenticate = a.failures.Signed(verifier.Verify)
	}
	control := &s.cfg.Control
	return healthlake.New(healthlake.Config{
		Stores: f.catalog, Profiles: f.guides, Authenticate: authenticate, BaseURL: s.cfg.BaseURL, Address: s.cfg.address,
		Region: control.Region, Account: control.Account, Roles: func() map[string]healthlake.Role { return f.roles.Now().Control }, Function: s.cfg.function,
		Quotas: healthlake.Quotas{DataStores: control.DataStores, ReadsPerSecond: control.ReadsPerSecond, ChangesPerMinute: control.ChangesPerMinute},
		Record: recorded.control, Logger: s.log, Bulk: f.jobs.bulk.Service, PreloadPatients: s.cfg.Bulk.Patients(),
	})
}

func (f *folder) accessKeys(a *authority) *sigv4.Keys {
	return sigv4.NewKeys(f.storage.Records(), a.box, nil)
}

// control records a request to the control API.
func (a *auditLog) control(_ context.Context, e healthlake.Event) error {
	r := audit.Record{
		Class: audit.ClassAdmin, Action: signingName + ":" + e.Operation, Store: e.DataStore, Request: e.RequestID,
		Status: e.Status, Agent: audit.Agent{User: e.KeyID, Address: e.Remote}, Detail: e.Code,
	}
	if e.Role != "" {
		r.Agent.Roles = []string{e.Role}
	}
	return a.append(r)
}

// serveControl passes a request to the control API on, with its time limit.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	if s.refuseStrange(w, r) {
		return
	}
	handler := s.control.Load()
	if s.stopping.Load() || handler == nil {
		healthlake.Unavailable(w, "The server is starting or stopping; try again in a second.")
		return
	}
	s.serveLimited(*handler, w, r)
}

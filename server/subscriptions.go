package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/server/subscribing"
	"github.com/tarnhealth/tarn/subscription"
)

// openSubscriptions lets the Subscriptions of a folder be carried out.
func (s *Server) openSubscriptions(f *folder, g *guard, recorded *auditLog) {
	parts := subscription.Parts{
		Stores: f.catalog, Records: f.storage.Records(), Box: f.subscriptionBox, Record: recorded.notification,
		Keep: func(authz.Access) ([]byte, error) { return nil, nil }, Access: g.restore,
	}
	if a := g.authority; a != nil {
		standing := &subscribing.Standing{
			Restore: g.restore, SMART: a.smart, Users: a.login.Directory(), AccessKeys: f.accessKeys(a),
			OwnIssuer: a.smart.Issuer(), KeyIssuer: accessKeyIssuer, Now: time.Now,
		}
		parts.Keep, parts.Access = standing.Keep, standing.Access
	}
	f.subscriptions.Open(parts)
}

// subscriptionBox seals the headers of channels.
func (f *folder) subscriptionBox(ctx context.Context) (subscription.Sealer, error) {
	return f.vault.Box(ctx)
}

// carryOut carries out the Subscriptions of a folder.
func (f *folder) carryOut(ctx context.Context, _ *slog.Logger) { f.subscriptions.Run(ctx) }

// notifications are what the deliveries of Subscriptions are called.
const notifications = "notification"

// notification records a delivery to the endpoint of a Subscription.
func (a *auditLog) notification(d subscription.Delivery) error {
	if a == nil {
		return nil
	}
	var patients audit.PatientFinder
	_, _ = patients.Write(d.Resource) // never fails
	r := audit.Record{
		Time: d.Time, Action: notifications, Store: d.Store, Status: d.Status, Refused: d.Status == 0, Agent: datastore.AgentOf(d.Caller),
		Entities: []string{"Subscription/" + d.Subscription, d.Version}, Patients: patients.Patients(), Detail: "without content to " + d.Endpoint,
	}
	if d.Sent {
		r.Detail = "with the resource to " + d.Endpoint
	}
	return a.append(r)
}

// subscriptions is the Service that the configuration asks for; it is to be
// opened.
func (c *Config) subscriptions(log *slog.Logger) *subscription.Service {
	opt := c.Subscriptions.Options()
	opt.Logger = log
	return subscription.New(opt)
}

// subscriptionStatus is the operation that tells how Subscriptions are.
func (f *folder) subscriptionStatus() rest.Operation {
	return rest.Operation{Code: "status", On: "Subscription", Definition: subscription.StatusDefinition, Serve: func(c *rest.OperationCall) ([]byte, error) {
		return f.subscriptions.Status(c.Request.Context(), c.Store, c.Access, c.ID, c.Query)
	}}
}

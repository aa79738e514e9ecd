package stack

import (
	"context"
	"fmt"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/sigv4"
	"github.com/tarnhealth/tarn/smart"
)

// A state is what there is: a File, and the ids that names stand for.
type state struct {
	File
	accessKeys, apiKeys map[string]string
}

// Export returns what there is as a File. Secrets are not in it. Keys without a
// name are left out: nothing would know them again.
func Export(ctx context.Context, a *admin.Admin) (*File, error) {
	s, err := read(ctx, a)
	if err != nil {
		return nil, err
	}
	return &s.File, nil
}

func read(ctx context.Context, a *admin.Admin) (*state, error) {
	s := &state{accessKeys: map[string]string{}, apiKeys: map[string]string{}}
	for _, part := range []func(context.Context, *admin.Admin) error{s.readRoles, s.readStores, s.readProviders, s.readUsers, s.readClients, s.readAccessKeys, s.readAPIKeys} {
		if err := part(ctx, a); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *state) readStores(ctx context.Context, a *admin.Admin) error {
	list, err := a.List(ctx)
	for _, r := range list {
		if r.Status == datastore.StatusDeleted || r.Status == datastore.StatusDeleting {
			continue
		}
		d := DataStore{ID: r.ID, Name: r.Name, Identity: r.Identity}
		if r.Control != nil {
			d.KMSKey = r.Control.KeyID
		}
		if err := d.readGuides(ctx, a); err != nil {
			return err
		}
		if err := d.readSubscriptions(ctx, a); err != nil {
			return err
		}
		s.DataStores = append(s.DataStores, d)
	}
	return err
}

func (s *state) readRoles(ctx context.Context, a *admin.Admin) (err error) {
	s.Roles, err = a.Roles(ctx)
	return err
}

func (s *state) readUsers(ctx context.Context, a *admin.Admin) error {
	list, err := a.Users(ctx)
	for _, u := range list {
		s.Users = append(s.Users, userOf(u.User, !u.SignsInBy.Password))
	}
	return err
}

func userOf(u login.User, noPassword bool) User {
	return User{Username: u.Username, Name: u.Name, Email: u.Email, NoPassword: noPassword, Disabled: u.Disabled, Roles: u.Roles, Profiles: u.Profiles}
}

func (s *state) readClients(ctx context.Context, a *admin.Admin) error {
	list, err := a.Clients(ctx)
	for _, c := range list {
		if c.Registered {
			continue // the app registered itself, and nobody wrote it into a file
		}
		s.Clients = append(s.Clients, clientOf(c))
	}
	return err
}

func clientOf(c smart.Client) Client {
	return Client{Client: c, AccessLifetime: Duration(c.AccessLifetime), RefreshLifetime: Duration(c.RefreshLifetime)}
}

// wanted is the client as the server takes it.
func (c Client) wanted() smart.Client {
	one := c.Client
	one.AccessLifetime, one.RefreshLifetime = c.AccessLifetime.std(), c.RefreshLifetime.std()
	return one
}

func (s *state) readAccessKeys(ctx context.Context, a *admin.Admin) error {
	list, err := a.AccessKeys(ctx)
	for _, k := range list {
		if k.Name == "" {
			continue
		}
		if err := named(s.accessKeys, "access", k.Name, k.ID); err != nil {
			return err
		}
		s.AccessKeys = append(s.AccessKeys, accessKeyOf(k))
	}
	return err
}

func accessKeyOf(k sigv4.Key) AccessKey {
	return AccessKey{Name: k.Name, Role: k.Role, DataStores: k.DataStores, Disabled: k.Disabled}
}

func (s *state) readAPIKeys(ctx context.Context, a *admin.Admin) error {
	list, err := a.APIKeys(ctx)
	for _, k := range list {
		if k.Name == "" {
			continue
		}
		if err := named(s.apiKeys, "API", k.Name, k.ID); err != nil {
			return err
		}
		s.APIKeys = append(s.APIKeys, apiKeyOf(k.Key))
	}
	return err
}

func apiKeyOf(k apikey.Key) APIKey {
	return APIKey{Name: k.Name, Client: k.Client, DataStores: k.DataStores, Plan: k.Plan, Disabled: k.Disabled}
}

func named(ids map[string]string, kind, name, id string) error {
	if other := ids[name]; other != "" {
		return fmt.Errorf("two %s keys have the name %q (%s and %s); delete one, for a file knows them by their names", kind, name, other, id)
	}
	ids[name] = id
	return nil
}

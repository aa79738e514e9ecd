package stack

import (
	"context"
	"errors"
	"slices"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/roles"
	"github.com/tarnhealth/tarn/sigv4"
)

func (p *planner) failed() error { return errors.Join(p.errs...) }

// silent is a step that makes no secret.
func silent(run func(context.Context, *admin.Admin) error) step {
	return func(ctx context.Context, a *admin.Admin) ([]Secret, error) { return nil, run(ctx, a) }
}

func setRole(r roles.Role) step {
	return silent(func(ctx context.Context, a *admin.Admin) error {
		_, err := a.SetRole(ctx, r)
		return err
	})
}

func updateRole(_, to roles.Role, _ []string) (step, error) { return setRole(to), nil }

func removeRole(r roles.Role) step {
	return silent(func(ctx context.Context, a *admin.Admin) error {
		_, err := a.DeleteRole(ctx, r.Name)
		return err
	})
}

func createStore(d DataStore) step {
	return silent(func(ctx context.Context, a *admin.Admin) error {
		_, err := a.CreateStore(ctx, admin.NewStore{ID: d.ID, Name: d.Name, KMSKey: d.KMSKey, Identity: d.Identity})
		return err
	})
}

func updateStore(from, to DataStore, fields []string) (step, error) {
	if slices.Contains(fields, "kmsKey") {
		return nil, errors.New("the key that it is encrypted with cannot be changed; make another data store, and move the data there")
	}
	return silent(func(ctx context.Context, a *admin.Admin) error {
		if slices.Contains(fields, "name") {
			if _, err := a.Rename(ctx, to.ID, to.Name); err != nil {
				return err
			}
		}
		if !slices.Contains(fields, "identity") {
			return nil
		}
		_, err := a.SetIdentity(ctx, to.ID, to.Identity)
		return err
	}), nil
}

func removeStore(d DataStore) step {
	return silent(func(ctx context.Context, a *admin.Admin) error {
		_, err := a.Delete(ctx, d.ID)
		return err
	})
}

func createUser(u User) step {
	return func(ctx context.Context, a *admin.Admin) ([]Secret, error) {
		made, err := a.AddUser(ctx, admin.NewUser{
			Name: u.Name, Username: u.Username, Email: u.Email, NoPassword: u.NoPassword, Roles: u.Roles, Profiles: u.Profiles,
		})
		if err == nil && u.Disabled {
			_, err = a.DisableUser(ctx, u.Username, true)
		}
		if err != nil || made.Password == "" {
			return nil, err
		}
		return []Secret{{Name: "temporary password", Value: made.Password}}, nil
	}
}

func updateUser(from, to User, fields []string) (step, error) {
	return silent(func(ctx context.Context, a *admin.Admin) error {
		if from.Disabled != to.Disabled {
			if _, err := a.DisableUser(ctx, to.Username, to.Disabled); err != nil {
				return err
			}
		}
		_, err := a.ChangeUser(ctx, to.Username, admin.UserChange{Name: to.Name, Email: to.Email, Roles: to.Roles, Profiles: to.Profiles})
		return err
	}), nil
}

func removeUser(u User) step {
	return silent(func(ctx context.Context, a *admin.Admin) error {
		_, err := a.DeleteUser(ctx, u.Username)
		return err
	})
}

func createClient(c Client) step {
	return func(ctx context.Context, a *admin.Admin) ([]Secret, error) {
		made, err := a.AddClient(ctx, c.wanted())
		if err != nil || made.Secret == "" {
			return nil, err
		}
		return []Secret{{Name: "secret", Value: made.Secret}}, nil
	}
}

// updateClient replaces a client that becomes one of another type: what it
// proves itself by is another thing then.
func updateClient(from, to Client, fields []string) (step, error) {
	if slices.Contains(fields, "type") {
		return nil, nil
	}
	return silent(func(ctx context.Context, a *admin.Admin) error {
		_, err := a.ChangeClient(ctx, to.wanted())
		return err
	}), nil
}

func removeClient(c Client) step {
	return silent(func(ctx context.Context, a *admin.Admin) error {
		_, err := a.RemoveClient(ctx, c.ID)
		return err
	})
}

func (s *state) accessKeyKind() kind[AccessKey] {
	return kind[AccessKey]{
		create: func(k AccessKey) step {
			return func(ctx context.Context, a *admin.Admin) ([]Secret, error) {
				made, err := a.AddAccessKey(ctx, sigv4.Key{Name: k.Name, Role: k.Role, DataStores: k.DataStores})
				if err == nil && k.Disabled {
					_, err = a.DisableAccessKey(ctx, made.ID, true)
				}
				return []Secret{{Name: "access key id", Value: made.ID}, {Name: "secret", Value: made.Secret}}, err
			}
		},
		update: func(from, to AccessKey, fields []string) (step, error) {
			if !slices.Equal(fields, []string{"disabled"}) {
				return nil, nil
			}
			return silent(func(ctx context.Context, a *admin.Admin) error {
				_, err := a.DisableAccessKey(ctx, s.accessKeys[to.Name], to.Disabled)
				return err
			}), nil
		},
		remove: func(k AccessKey) step {
			return silent(func(ctx context.Context, a *admin.Admin) error {
				_, err := a.DeleteAccessKey(ctx, s.accessKeys[k.Name])
				return err
			})
		},
	}
}

func (s *state) apiKeyKind() kind[APIKey] {
	return kind[APIKey]{
		create: func(k APIKey) step {
			return func(ctx context.Context, a *admin.Admin) ([]Secret, error) {
				made, err := a.AddAPIKey(ctx, apikey.Key{Name: k.Name, Client: k.Client, DataStores: k.DataStores, Plan: k.Plan})
				if err == nil && k.Disabled {
					_, err = a.ChangeAPIKey(ctx, made.ID, admin.APIKeyChange{Plan: k.Plan, Disabled: true})
				}
				return []Secret{{Name: "API key", Value: made.Value}}, err
			}
		},
		update: func(from, to APIKey, fields []string) (step, error) {
			if slices.Contains(fields, "client") || slices.Contains(fields, "dataStores") {
				return nil, nil
			}
			return silent(func(ctx context.Context, a *admin.Admin) error {
				_, err := a.ChangeAPIKey(ctx, s.apiKeys[to.Name], admin.APIKeyChange{Plan: to.Plan, Disabled: to.Disabled})
				return err
			}), nil
		},
		remove: func(k APIKey) step {
			return silent(func(ctx context.Context, a *admin.Admin) error {
				_, err := a.DeleteAPIKey(ctx, s.apiKeys[k.Name])
				return err
			})
		},
	}
}

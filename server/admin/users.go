package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/login"
)

// A UserInfo is a user as administrators see it.
type UserInfo struct {
	login.User
	// SignsInBy says how the user can sign in.
	SignsInBy SignsInBy `json:"signsInBy"`
	// Password is a temporary one that was just made; it is shown once.
	Password string `json:"temporaryPassword,omitempty"`
}

// SignsInBy are the ways in which a user can prove who they are.
type SignsInBy struct {
	Password      bool         `json:"password"`
	Authenticator bool         `json:"authenticator"`
	Passkeys      int          `json:"passkeys"`
	RecoveryCodes int          `json:"recoveryCodes"`
	Links         []login.Link `json:"links,omitempty"`
}

// NewUser asks for a user. Without a password the server makes a temporary one,
// unless there is to be none.
type NewUser struct {
	Name       string          `json:"name"`
	Username   string          `json:"username"`
	Email      string          `json:"email,omitempty"`
	Password   string          `json:"password,omitempty"`
	NoPassword bool            `json:"noPassword,omitempty"`
	Roles      []string        `json:"roles,omitempty"`
	Profiles   []login.Profile `json:"profiles,omitempty"`
}

// userRoutes administer users. {id} is a user name, an e-mail address or an id.
var userRoutes = []route{
	{"GET /users", listUsers},
	{"POST /users", addUser},
	{"GET /users/{id}", onUser(func(context.Context, *Authority, *login.User) (string, error) { return "", nil })},
	{"PUT /users/{id}", changeUser},
	{"POST /users/{id}/disable", onUser(func(ctx context.Context, a *Authority, u *login.User) (string, error) {
		// What the user gave to apps ends with the sessions.
		return "", errors.Join(a.Users.Disable(ctx, u.ID, true), a.SMART.RevokeUser(ctx, u.ID))
	})},
	{"POST /users/{id}/enable", onUser(func(ctx context.Context, a *Authority, u *login.User) (string, error) {
		return "", errors.Join(a.Users.Disable(ctx, u.ID, false), a.Users.Unlock(ctx, u.ID))
	})},
	{"POST /users/{id}/reset", resetUser},
	{"DELETE /users/{id}", deleteUser},
}

// A UserChange is what may be changed of a user, whole.
type UserChange struct {
	Name     string          `json:"name"`
	Email    string          `json:"email,omitempty"`
	Roles    []string        `json:"roles,omitempty"`
	Profiles []login.Profile `json:"profiles,omitempty"`
}

func changeUser(f *Folder, r *http.Request) (any, error) {
	var asked UserChange
	if err := readBody(r, &asked); err != nil {
		return nil, err
	}
	return onUser(func(ctx context.Context, a *Authority, u *login.User) (string, error) {
		_, err := a.Users.Update(ctx, u.ID, func(u *login.User) error {
			u.Name, u.Email, u.Roles, u.Profiles = asked.Name, asked.Email, asked.Roles, asked.Profiles
			return nil
		})
		return "", err
	})(f, r)
}

// findUser finds a user by name, e-mail address or id.
func findUser(ctx context.Context, d *login.Directory, name string) (*login.User, error) {
	u, err := d.Find(ctx, name)
	if errors.Is(err, login.ErrNotFound) {
		u, err = d.Get(ctx, name)
	}
	if errors.Is(err, login.ErrNotFound) {
		return nil, fhir.Errorf(fhir.KindNotFound, "there is no user %q", name)
	}
	return u, err
}

// userError gives errors of the directory their kinds.
func userError(err error) error {
	var wrong *login.Error
	switch {
	case errors.As(err, &wrong):
		return fhir.Errorf(fhir.KindInvalid, "%s", wrong.Error())
	case errors.Is(err, login.ErrTaken):
		return fhir.Errorf(fhir.KindConflict, "another user has this name or e-mail address")
	case errors.Is(err, login.ErrNotFound):
		return fhir.Errorf(fhir.KindNotFound, "there is no such user")
	}
	return err
}

func (a *Authority) describeUser(ctx context.Context, id, password string) (UserInfo, error) {
	d := a.Users
	u, err := d.Get(ctx, id)
	if err != nil {
		return UserInfo{}, userError(err)
	}
	f, err := d.Factors(ctx, id)
	if err != nil {
		return UserInfo{}, userError(err)
	}
	by := SignsInBy{Password: f.Password, Authenticator: f.TOTP, Passkeys: len(f.Passkeys), RecoveryCodes: f.Recovery, Links: f.Links}
	return UserInfo{User: *u, SignsInBy: by, Password: password}, nil
}

func listUsers(f *Folder, r *http.Request) (any, error) {
	a, err := f.Authority()
	if err != nil {
		return nil, err
	}
	users, err := a.Users.List(r.Context())
	if err != nil {
		return nil, err
	}
	list := make([]UserInfo, 0, len(users))
	for _, u := range users {
		info, err := a.describeUser(r.Context(), u.ID, "")
		if fhir.KindOf(err) == fhir.KindNotFound && err != nil {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, info)
	}
	return list, nil
}

func addUser(f *Folder, r *http.Request) (any, error) {
	a, err := f.Authority()
	if err != nil {
		return nil, err
	}
	var asked NewUser
	if err := readBody(r, &asked); err != nil {
		return nil, err
	}
	if asked.NoPassword && asked.Password != "" {
		return nil, fhir.Errorf(fhir.KindInvalid, "give a password, or noPassword, not both")
	}
	d := a.Users
	u, err := d.Add(r.Context(), login.NewUser{
		Name: asked.Name, Username: asked.Username, Email: asked.Email, Password: asked.Password,
		Roles: asked.Roles, Profiles: asked.Profiles,
	})
	if err != nil {
		return nil, userError(err)
	}
	password := ""
	if asked.Password == "" && !asked.NoPassword {
		if password, err = d.ResetPassword(r.Context(), u.ID); err != nil {
			return nil, userError(err)
		}
	}
	return a.describeUser(r.Context(), u.ID, password)
}

// requested is the user that a request is about.
func requested(f *Folder, r *http.Request) (*Authority, *login.User, error) {
	a, err := f.Authority()
	if err != nil {
		return nil, nil, err
	}
	u, err := findUser(r.Context(), a.Users, r.PathValue("id"))
	return a, u, err
}

// onUser makes a request about one user. change may return a temporary password.
func onUser(change func(context.Context, *Authority, *login.User) (string, error)) func(*Folder, *http.Request) (any, error) {
	return func(f *Folder, r *http.Request) (any, error) {
		a, u, err := requested(f, r)
		if err != nil {
			return nil, err
		}
		password, err := change(r.Context(), a, u)
		if err != nil {
			return nil, userError(err)
		}
		return a.describeUser(r.Context(), u.ID, password)
	}
}

// resetRequest is the body of POST /users/{id}/reset. Without a password the
// server makes a temporary one.
type resetRequest struct {
	Password string `json:"password,omitempty"`
	// Factors also takes second factors and passkeys away.
	Factors bool `json:"factors,omitempty"`
}

func resetUser(f *Folder, r *http.Request) (any, error) {
	var asked resetRequest
	if err := readBody(r, &asked); err != nil {
		return nil, err
	}
	return onUser(func(ctx context.Context, a *Authority, u *login.User) (string, error) {
		d := a.Users
		if asked.Factors {
			if err := d.RemoveFactors(ctx, u.ID); err != nil {
				return "", err
			}
		}
		if asked.Password != "" {
			return "", d.SetPassword(ctx, u.ID, asked.Password, false)
		}
		return d.ResetPassword(ctx, u.ID)
	})(f, r)
}

func deleteUser(f *Folder, r *http.Request) (any, error) {
	a, u, err := requested(f, r)
	if err != nil {
		return nil, err
	}
	info, err := a.describeUser(r.Context(), u.ID, "")
	if err != nil {
		return nil, err
	}
	if err := a.SMART.RevokeUser(r.Context(), u.ID); err != nil {
		return nil, err
	}
	return info, userError(a.Users.Delete(r.Context(), u.ID))
}

// Users lists all users by name.
func (a *Admin) Users(ctx context.Context) (list []UserInfo, err error) {
	err = a.call(ctx, http.MethodGet, "/users", nil, &list)
	return list, err
}

// AddUser makes a user.
func (a *Admin) AddUser(ctx context.Context, u NewUser) (info UserInfo, err error) {
	err = a.call(ctx, http.MethodPost, "/users", u, &info)
	return info, err
}

// User returns one user, by name, e-mail address or id.
func (a *Admin) User(ctx context.Context, name string) (info UserInfo, err error) {
	err = a.call(ctx, http.MethodGet, "/users/"+url.PathEscape(name), nil, &info)
	return info, err
}

// ChangeUser changes a user.
func (a *Admin) ChangeUser(ctx context.Context, name string, to UserChange) (info UserInfo, err error) {
	err = a.call(ctx, http.MethodPut, "/users/"+url.PathEscape(name), to, &info)
	return info, err
}

// DisableUser ends all that a user has, and lets nobody sign in as them; or lets
// them in again, and forgets a lock-out.
func (a *Admin) DisableUser(ctx context.Context, name string, disabled bool) (info UserInfo, err error) {
	what := "/enable"
	if disabled {
		what = "/disable"
	}
	err = a.call(ctx, http.MethodPost, "/users/"+url.PathEscape(name)+what, nil, &info)
	return info, err
}

// ResetUser gives a user another password: a temporary one where it is "". With
// factors, second factors and passkeys are taken away.
func (a *Admin) ResetUser(ctx context.Context, name, password string, factors bool) (info UserInfo, err error) {
	err = a.call(ctx, http.MethodPost, "/users/"+url.PathEscape(name)+"/reset", resetRequest{password, factors}, &info)
	return info, err
}

// DeleteUser removes a user, and returns who that was.
func (a *Admin) DeleteUser(ctx context.Context, name string) (info UserInfo, err error) {
	err = a.call(ctx, http.MethodDelete, "/users/"+url.PathEscape(name), nil, &info)
	return info, err
}

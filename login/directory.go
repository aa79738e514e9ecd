package login

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/kv"
)

// DirectoryConfig for OpenDirectory. DB and Box are needed.
type DirectoryConfig struct {
	DB   kv.DB
	Box  *crypt.Box
	Now  func() time.Time // nil is time.Now
	Cost Cost             // of hashing a password
	// MinPassword is as in Config.
	MinPassword int
}

// A Directory is the users of a server. Safe for concurrent use.
type Directory struct {
	db     kv.DB
	box    *crypt.Box
	now    func() time.Time
	hasher *hasher
	least  int    // characters of a password
	digest []byte // key of digests
}

// OpenDirectory opens the directory in a database, without the pages: for
// commands.
func OpenDirectory(cfg DirectoryConfig) (*Directory, error) {
	if cfg.DB == nil || cfg.Box == nil {
		return nil, errors.New("login: the directory's configuration has no database or no box")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h, err := newHasher(cfg.Cost)
	if err != nil {
		return nil, err
	}
	return &Directory{db: cfg.DB, box: cfg.Box, now: cfg.Now, hasher: h, least: max(cfg.MinPassword, minPassword), digest: cfg.Box.Key("login digest")}, nil
}

// NewUser is what Add makes a user of.
type NewUser struct {
	Name, Username, Email string
	// Password may be "": then the user has none, and signs in through an
	// upstream provider or after ResetPassword.
	Password string
	// Temporary asks for a new password at the first sign-in, within seven days.
	Temporary bool
	Roles     []string
	Profiles  []Profile
}

// Add makes a user. It fails with *Error for what is not right and ErrTaken
// where another user has the name or e-mail address.
func (d *Directory) Add(ctx context.Context, n NewUser) (*User, error) {
	r := &record{
		User: User{
			ID: newID(), Name: n.Name, Username: n.Username, Email: n.Email, MustChange: n.Temporary && n.Password != "",
			Created: d.now().UTC(), Roles: n.Roles, Profiles: n.Profiles,
		},
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	if n.Password != "" {
		if err := d.checkPassword(n.Password, &r.User); err != nil {
			return nil, err
		}
		r.Password = d.hasher.hash(n.Password)
		r.changed(d.now(), n.Temporary)
	}
	err := d.db.Update(ctx, func(tx kv.Tx) error { return putUser(tx, nil, r) })
	if err != nil {
		return nil, err
	}
	return &r.User, nil
}

// Get returns a user, or ErrNotFound.
func (d *Directory) Get(ctx context.Context, id string) (*User, error) {
	r, err := d.get(ctx, id)
	if err != nil {
		return nil, err
	}
	return &r.User, nil
}

// Find returns the user with a name or e-mail address, in any case of letters,
// or ErrNotFound.
func (d *Directory) Find(ctx context.Context, name string) (*User, error) {
	var r *record
	err := d.db.View(ctx, func(tx kv.Tx) (err error) {
		r, err = findUser(tx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &r.User, nil
}

// List returns all users, by user name.
func (d *Directory) List(ctx context.Context) ([]*User, error) {
	var users []*User
	err := d.db.View(ctx, func(tx kv.Tx) error {
		users = nil
		for r, err := range userTable.All(tx) {
			if err != nil {
				return err
			}
			users = append(users, &r.Value.User)
		}
		return nil
	})
	slices.SortFunc(users, func(a, b *User) int { return compareNames(a.Username, b.Username) })
	return users, err
}

// Factors says how a user can sign in.
func (d *Directory) Factors(ctx context.Context, id string) (Factors, error) {
	r, err := d.get(ctx, id)
	if err != nil {
		return Factors{}, err
	}
	return r.factors(), nil
}

// Update changes a user's own fields. change may be called more than once, and
// cannot change ID and Created. A user who is disabled loses their sessions.
func (d *Directory) Update(ctx context.Context, id string, change func(*User) error) (*User, error) {
	r, err := d.update(ctx, id, func(r *record) error {
		user := r.User
		if err := change(&user); err != nil {
			return err
		}
		user.ID, user.Created = r.ID, r.Created
		if user.Disabled && !r.Disabled {
			r.Stamp++
		}
		r.User = user
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &r.User, nil
}

// Disable stops a user from signing in and ends their sessions, or lets them
// sign in again.
func (d *Directory) Disable(ctx context.Context, id string, disabled bool) error {
	_, err := d.Update(ctx, id, func(u *User) error {
		u.Disabled = disabled
		return nil
	})
	return err
}

// Delete removes a user with all that proves who they are, and their sessions.
func (d *Directory) Delete(ctx context.Context, id string) error {
	return d.db.Update(ctx, func(tx kv.Tx) error {
		r, err := getUser(tx, id)
		if err != nil {
			return err
		}
		return errors.Join(dropIndex(tx, r), endSessions(tx, r, ""), limitTable.Delete(tx, accountKey(id)), userTable.Delete(tx, id))
	})
}

// SetPassword gives a user another password, and ends their sessions and a
// lock-out. A temporary one must be changed at the next sign-in, within seven
// days.
func (d *Directory) SetPassword(ctx context.Context, id, password string, temporary bool) error {
	current, err := d.get(ctx, id)
	if err != nil {
		return err
	}
	if err := d.checkPassword(password, &current.User); err != nil {
		return err
	}
	hash := d.hasher.hash(password)
	return d.db.Update(ctx, func(tx kv.Tx) error {
		_, err := updateUser(tx, id, func(r *record) error {
			r.Password = hash
			r.changed(d.now(), temporary)
			r.Stamp++
			return endSessions(tx, r, "")
		})
		return errors.Join(err, limitTable.Delete(tx, accountKey(id)))
	})
}

// temporaryTime is how long a temporary password is good.
const temporaryTime = 7 * 24 * time.Hour

// changed notes that a user has another password since now.
func (r *record) changed(now time.Time, temporary bool) {
	r.ChangedAt, r.MustChange, r.Until = now.UTC(), temporary, time.Time{}
	if temporary {
		r.Until = r.ChangedAt.Add(temporaryTime)
	}
}

// ResetPassword gives a user a temporary password, which it returns.
func (d *Directory) ResetPassword(ctx context.Context, id string) (string, error) {
	password := temporaryPassword()
	if err := d.SetPassword(ctx, id, password, true); err != nil {
		return "", err
	}
	return password, nil
}

// Unlock forgets failed sign-ins of a user.
func (d *Directory) Unlock(ctx context.Context, id string) error {
	return d.db.Update(ctx, func(tx kv.Tx) error { return limitTable.Delete(tx, accountKey(id)) })
}

// RemoveFactors takes a user's second factors, passkeys and recovery codes
// away, for one who lost them, and ends their sessions.
func (d *Directory) RemoveFactors(ctx context.Context, id string) error {
	return d.db.Update(ctx, func(tx kv.Tx) error {
		_, err := updateUser(tx, id, func(r *record) error {
			r.TOTP, r.TOTPStep, r.Recovery, r.Passkeys = nil, 0, nil, nil
			r.Stamp++
			return endSessions(tx, r, "")
		})
		return err
	})
}

func (d *Directory) get(ctx context.Context, id string) (*record, error) {
	var r *record
	err := d.db.View(ctx, func(tx kv.Tx) (err error) {
		r, err = getUser(tx, id)
		return err
	})
	return r, err
}

func (d *Directory) update(ctx context.Context, id string, change func(*record) error) (*record, error) {
	var r *record
	err := d.db.Update(ctx, func(tx kv.Tx) (err error) {
		r, err = updateUser(tx, id, change)
		return err
	})
	return r, err
}

// updateUser changes a record in a transaction. Sessions of a disabled user
// end.
func updateUser(tx kv.Tx, id string, change func(*record) error) (*record, error) {
	r, err := getUser(tx, id)
	if err != nil {
		return nil, err
	}
	old, err := getUser(tx, id)
	if err != nil {
		return nil, err
	}
	if err := change(r); err != nil {
		return nil, err
	}
	if r.Disabled {
		if err := endSessions(tx, r, ""); err != nil {
			return nil, err
		}
	}
	return r, putUser(tx, old, r)
}

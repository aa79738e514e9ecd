package login

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

// A Session is a person signed in with one browser.
type Session struct {
	ID       string
	UserID   string
	AuthTime time.Time // when they last proved who they are
	Expires  time.Time // at the latest
	// AMR is how they proved it (RFC 8176): pwd, otp, hwk, user, mfa, and fed
	// for an upstream provider.
	AMR []string
	// Provider is the upstream provider that signed them in, or "".
	Provider string
	LastSeen time.Time
	Browser  string // family of browser and system, for the list of sessions
}

// A sessionRecord is what is stored of a Session, under its ID.
type sessionRecord struct {
	Session
	Secret []byte // SHA-256 of what the cookie has beside the ID
}

var sessionTable = kv.NewTable[sessionRecord]("login_session")

const (
	sessionCookie = "tarn-session"
	// seenEvery is how often a session's use is written down.
	seenEvery = time.Minute
	// maxSessions is how many a user has at once; one more ends the oldest.
	maxSessions = 100
)

func newID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func secretSum(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Session returns who is signed in with the browser that sent r; nil, nil, nil
// where nobody is.
func (s *Service) Session(r *http.Request) (*Session, *User, error) {
	record, user, err := s.session(r)
	if record == nil || err != nil {
		return nil, nil, err
	}
	return record, &user.User, nil
}

func (s *Service) session(r *http.Request) (*Session, *record, error) {
	c, err := r.Cookie(s.pages.CookieName(sessionCookie))
	if err != nil {
		return nil, nil, nil
	}
	id, secret, _ := strings.Cut(c.Value, ".")
	found, user, err := s.load(r.Context(), id)
	if found == nil || err != nil || !hmac.Equal(found.Secret, secretSum(secret)) {
		return nil, nil, err
	}
	if s.cfg.Now().Sub(found.LastSeen) >= seenEvery {
		if err := s.seen(r.Context(), id); err != nil {
			return nil, nil, err
		}
	}
	return &found.Session, user, nil
}

// SessionByID returns a session that is not over, for what lives as long as it
// (online_access); nil, nil where it is over.
func (s *Service) SessionByID(ctx context.Context, id string) (*Session, error) {
	found, _, err := s.load(ctx, id)
	if found == nil || err != nil {
		return nil, err
	}
	return &found.Session, nil
}

// load reads a session and its user; nil where it is over or never was.
func (s *Service) load(ctx context.Context, id string) (*sessionRecord, *record, error) {
	if id == "" || len(id) > 64 {
		return nil, nil, nil
	}
	var found sessionRecord
	var user *record
	err := s.cfg.DB.View(ctx, func(tx kv.Tx) (err error) {
		if found, err = sessionTable.Get(tx, id); err != nil {
			return err
		}
		user, err = getUser(tx, found.UserID)
		return err
	})
	if errors.Is(err, kv.ErrNotFound) || errors.Is(err, ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if user.Disabled || s.over(&found.Session) || !slices.Contains(user.Sessions, id) {
		return nil, nil, nil
	}
	return &found, user, nil
}

func (s *Service) over(session *Session) bool {
	now := s.cfg.Now()
	return !now.Before(session.Expires) || now.Sub(session.LastSeen) >= s.cfg.Idle
}

// seen writes down that a session is used.
func (s *Service) seen(ctx context.Context, id string) error {
	return s.cfg.DB.Update(ctx, func(tx kv.Tx) error {
		found, err := sessionTable.Get(tx, id)
		if errors.Is(err, kv.ErrNotFound) {
			return nil // it ended meanwhile
		}
		if err != nil {
			return err
		}
		found.LastSeen = s.cfg.Now().UTC()
		return sessionTable.Put(tx, id, found, s.expiry(&found.Session))
	})
}

func (s *Service) expiry(session *Session) time.Time {
	if idle := session.LastSeen.Add(s.cfg.Idle); idle.Before(session.Expires) {
		return idle
	}
	return session.Expires
}

// start begins a session with a fresh id and secret, so that nobody can have
// planted them, and ends the one that the browser had.
func (s *Service) start(w http.ResponseWriter, r *http.Request, user *record, amr []string, provider string) (*Session, error) {
	now, secret := s.cfg.Now().UTC(), newID()+newID()
	session := Session{
		ID: newID(), UserID: user.ID, AuthTime: now, LastSeen: now, Expires: now.Add(s.cfg.Absolute),
		AMR: amr, Provider: provider, Browser: browserName(r.UserAgent()),
	}
	before, _, err := s.session(r)
	if err != nil {
		return nil, err
	}
	err = s.cfg.DB.Update(r.Context(), func(tx kv.Tx) error {
		if before != nil {
			if err := endSession(tx, before.UserID, before.ID); err != nil {
				return err
			}
		}
		_, err := updateUser(tx, user.ID, func(u *record) error {
			if u.Stamp != user.Stamp || u.Disabled {
				return errStale
			}
			if err := keepLive(tx, u); err != nil {
				return err
			}
			u.Sessions = append(u.Sessions, session.ID)
			return nil
		})
		if err != nil {
			return err
		}
		if err := limitTable.Delete(tx, accountKey(user.ID)); err != nil {
			return err
		}
		return sessionTable.Put(tx, session.ID, sessionRecord{session, secretSum(secret)}, s.expiry(&session))
	})
	if err != nil {
		return nil, err
	}
	http.SetCookie(w, s.pages.Cookie(sessionCookie, session.ID+"."+secret, 0))
	s.event(r, Event{Kind: "sign-in", UserID: user.ID, SessionID: session.ID, AMR: amr, Provider: provider})
	return &session, nil
}

// errStale is for a sign-in whose user was changed while it went on.
var errStale = errors.New("login: the user was changed during the sign-in")

// keepLive drops the ids of sessions that are over from a user, and makes room
// for one more.
func keepLive(tx kv.Tx, u *record) error {
	var live []string
	for _, id := range u.Sessions {
		_, err := sessionTable.Get(tx, id)
		if err == nil {
			live = append(live, id)
		} else if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
	}
	for len(live) >= maxSessions {
		if err := sessionTable.Delete(tx, live[0]); err != nil {
			return err
		}
		live = live[1:]
	}
	u.Sessions = live
	return nil
}

// Sessions lists the sessions of a user, the newest first.
func (s *Service) Sessions(ctx context.Context, userID string) ([]*Session, error) {
	var list []*Session
	err := s.cfg.DB.View(ctx, func(tx kv.Tx) error {
		list = nil
		user, err := getUser(tx, userID)
		if err != nil {
			return err
		}
		for _, id := range user.Sessions {
			found, err := sessionTable.Get(tx, id)
			if errors.Is(err, kv.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if !s.over(&found.Session) {
				list = append(list, &found.Session)
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b *Session) int { return b.AuthTime.Compare(a.AuthTime) })
	return list, err
}

// SignOut ends the session of the browser that sent r and takes its cookie
// away.
func (s *Service) SignOut(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	session, _, err := s.session(r)
	if err != nil {
		return err
	}
	if session != nil {
		err = s.cfg.DB.Update(ctx, func(tx kv.Tx) error { return endSession(tx, session.UserID, session.ID) })
		if err != nil {
			return err
		}
		s.event(r, Event{Kind: "sign-out", UserID: session.UserID, SessionID: session.ID})
	}
	http.SetCookie(w, s.pages.Cookie(sessionCookie, "", -1))
	return nil
}

// SignOutEverywhere ends all sessions of a user.
func (s *Service) SignOutEverywhere(ctx context.Context, userID string) error {
	return s.endOthers(ctx, userID, "")
}

// endOthers ends a user's sessions but one.
func (s *Service) endOthers(ctx context.Context, userID, keep string) error {
	return s.cfg.DB.Update(ctx, func(tx kv.Tx) error {
		_, err := updateUser(tx, userID, func(r *record) error { return endSessions(tx, r, keep) })
		return err
	})
}

// endSessions ends a user's sessions but keep, in a record that is then put.
func endSessions(tx kv.Tx, r *record, keep string) error {
	var left []string
	for _, id := range r.Sessions {
		if id == keep && keep != "" {
			left = append(left, id)
			continue
		}
		if err := sessionTable.Delete(tx, id); err != nil {
			return err
		}
	}
	r.Sessions = left
	return nil
}

func endSession(tx kv.Tx, userID, id string) error {
	_, err := updateUser(tx, userID, func(r *record) error {
		r.Sessions = slices.DeleteFunc(r.Sessions, func(s string) bool { return s == id })
		return sessionTable.Delete(tx, id)
	})
	if errors.Is(err, ErrNotFound) {
		return sessionTable.Delete(tx, id)
	}
	return err
}

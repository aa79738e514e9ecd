package smart

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/page"
	"github.com/tarnhealth/tarn/smart/words"
)

// An appRow is an app that has access to a user's data.
type appRow struct {
	ClientID, Name, Publisher string
	Since, LastUsed           time.Time
	Groups                    []words.Group
}

type appsPage struct {
	Apps []appRow
	Done bool
}

// showApps is the page on which users review which apps act for them.
func (s *Service) showApps(w http.ResponseWriter, r *http.Request) {
	user := s.userOrSignIn(w, r)
	if user == nil {
		return
	}
	apps, err := s.appsOf(r.Context(), user.ID)
	if err != nil {
		s.refusePage(w, r, http.StatusInternalServerError, "error.internal", err)
		return
	}
	data := &appsPage{Apps: apps, Done: r.URL.Query().Get("done") != ""}
	s.pages.Render(w, r, http.StatusOK, "apps", data, page.Person(nameOf(user)))
}

// userOrSignIn is who is signed in; where nobody is, it sends the browser to
// sign in and returns nil.
func (s *Service) userOrSignIn(w http.ResponseWriter, r *http.Request) *login.User {
	session, user, err := s.login.Session(r)
	if err != nil {
		s.refusePage(w, r, http.StatusInternalServerError, "error.internal", err)
		return nil
	}
	if session == nil {
		s.login.SignIn(w, r, login.SignInRequest{ReturnTo: "/auth/apps"})
		return nil
	}
	return user
}

// appsOf lists the apps that have grants of a user, or remembered consent.
func (s *Service) appsOf(ctx context.Context, userID string) ([]appRow, error) {
	var found *foundApps
	err := s.db.View(ctx, func(tx kv.Tx) error {
		found = &foundApps{rows: map[string]*appRow{}, scopes: map[string][]string{}}
		return found.read(tx, userID)
	})
	if err != nil {
		return nil, err
	}
	var rows []appRow
	for _, id := range found.order {
		record, err := s.clientRecord(ctx, id)
		if fhir.KindOf(err) == fhir.KindNotFound {
			continue // removed; its tokens are good no more
		}
		if err != nil {
			return nil, err
		}
		row := found.rows[id]
		row.Name, row.Publisher = record.Name, record.Publisher
		row.Groups = words.Groups(s.union(found.scopes[id]))
		rows = append(rows, *row)
	}
	return rows, nil
}

// foundApps are the apps that a user gave something, by their ids, in the order
// in which they were found, with the scopes of all that they have.
type foundApps struct {
	rows   map[string]*appRow
	scopes map[string][]string
	order  []string
}

func (f *foundApps) read(tx kv.Tx, userID string) error {
	for key, err := range grantsOf(userID).All(tx) {
		if err != nil {
			return err
		}
		g, err := grantTable.Get(tx, key.Key)
		if err == nil {
			f.add(g.ClientID, g.Created, g.LastUsed, g.Scope)
		} else if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
	}
	for key, err := range consentsOf(userID).All(tx) {
		if err != nil {
			return err
		}
		id, _, _ := strings.Cut(key.Key, "/")
		f.add(id, key.Value.Created, time.Time{}, strings.Join(key.Value.Granted, " "))
	}
	return nil
}

func (f *foundApps) add(clientID string, since, used time.Time, granted string) {
	row := f.rows[clientID]
	if row == nil {
		row = &appRow{ClientID: clientID, Since: since}
		f.rows[clientID] = row
		f.order = append(f.order, clientID)
	}
	if since.Before(row.Since) {
		row.Since = since
	}
	if used.After(row.LastUsed) {
		row.LastUsed = used
	}
	f.scopes[clientID] = append(f.scopes[clientID], granted)
}

// union is every scope of several grants, once.
func (s *Service) union(granted []string) authz.Scopes {
	seen := map[string]bool{}
	var all []string
	for _, text := range granted {
		for scope := range strings.FieldsSeq(text) {
			if !seen[scope] {
				seen[scope] = true
				all = append(all, scope)
			}
		}
	}
	scopes, _ := s.parseScopes(strings.Join(all, " "))
	return scopes
}

// revokeApp ends all that a user gave to an app.
func (s *Service) revokeApp(w http.ResponseWriter, r *http.Request) {
	if !s.pages.ParseForm(w, r) {
		return
	}
	user := s.userOrSignIn(w, r)
	if user == nil {
		return
	}
	clientID := r.PostForm.Get("client")
	if err := s.RevokeApp(r.Context(), user.ID, clientID); err != nil {
		s.refusePage(w, r, http.StatusInternalServerError, "error.internal", err)
		return
	}
	s.event(r, Event{Kind: "revoked", ClientID: printable(clientID), UserID: user.ID})
	s.pages.Redirect(w, "/auth/apps?done=1")
}

// RevokeApp ends the grants and the remembered consent of a user for an app.
func (s *Service) RevokeApp(ctx context.Context, userID, clientID string) error {
	return s.db.Update(ctx, func(tx kv.Tx) error {
		var grants, consents []string
		for key, err := range grantsOf(userID).All(tx) {
			if err != nil {
				return err
			}
			g, err := grantTable.Get(tx, key.Key)
			if err != nil && !errors.Is(err, kv.ErrNotFound) {
				return err
			}
			if err == nil && g.ClientID == clientID {
				grants = append(grants, key.Key)
			}
		}
		for key, err := range consentsOf(userID).All(tx) {
			if err != nil {
				return err
			}
			if strings.HasPrefix(key.Key, clientID+"/") {
				consents = append(consents, key.Key)
			}
		}
		for _, id := range grants {
			if err := dropGrant(tx, id); err != nil {
				return err
			}
		}
		for _, key := range consents {
			if err := consentsOf(userID).Delete(tx, key); err != nil {
				return err
			}
		}
		return nil
	})
}

package console

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/page"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/nearby"
)

// A caller is somebody who may use the console.
type caller struct {
	// user is nil where everybody may do everything.
	user  *login.User
	agent audit.Agent
}

// may reports whether the caller has a role.
func (c *caller) may(role string) bool { return c.user == nil || c.user.HasRole(role) }

// admit lets administrators through. Others are sent to sign in, or refused; a
// form whose session has ended is refused too, since it would be lost on the way.
func (s *Console) admit(next handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.Login == nil && !s.here(r.Host) {
			s.refuse(w, r, http.StatusMisdirectedRequest, "refused.host")
			return
		}
		c := &caller{agent: audit.Agent{User: "administrator", Address: s.cfg.Address(r)}}
		if s.cfg.Login != nil {
			_, user, err := s.cfg.Login.Session(r)
			switch {
			case err != nil:
				s.failed(w, r, nil, err)
				return
			case user == nil && r.Method != http.MethodGet && r.Method != http.MethodHead:
				s.refuse(w, r, http.StatusForbidden, "refused.session")
				return
			case user == nil:
				s.cfg.Login.SignIn(w, r, login.SignInRequest{ReturnTo: returnTo(r)})
				return
			case !user.HasRole(authz.RoleAdmin):
				s.refuse(w, r, http.StatusForbidden, "refused.role", page.Person(user.Username))
				return
			}
			c.user, c.agent.User, c.agent.Roles = user, user.ID, user.Roles
		}
		if err := next(w, r, c); err != nil {
			s.failed(w, r, c, err)
		}
	}
}

// maxReturn is the longest address to come back to after a sign-in.
const maxReturn = 1000

func returnTo(r *http.Request) string {
	to := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	if len(to) > maxReturn {
		return Prefix
	}
	return to
}

// here reports whether a request names this machine, or the base URL's host. A
// page of another site can make its own name lead here (DNS rebinding), and where
// nobody signs in that would be enough to do everything.
func (s *Console) here(host string) bool {
	name := nearby.Name(host)
	return name == s.host || nearby.Loopback(name)
}

// form lets only forms of this server's own pages through.
func (s *Console) form(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, c *caller) error {
		if !s.pages.ParseForm(w, r) {
			return nil // it has answered
		}
		return next(w, r, c)
	}
}

// acting administers the folder as a caller, who is recorded.
func (s *Console) acting(c *caller) *admin.Admin {
	return s.administers(func(change admin.Change, run func() (any, error)) (any, error) {
		return s.cfg.Record(c.agent, change, run)
	})
}

// A screen is what every page of the console is given.
type screen struct {
	// Section is the page's place in the navigation.
	Section string
	// Open is set where everybody may do everything. Audit is set for those who
	// may read the audit log.
	Open, Audit bool
	// Done names a message about what was just done; "" for none.
	Done string
	Body any
}

// messages that a page may be asked for by its address, after something was done.
var dones = map[string]bool{
	"store-created": true, "store-deleted": true, "guide-removed": true, "settings-changed": true, "job-cancelled": true,
}

// show answers with a page of the console.
func (s *Console) show(w http.ResponseWriter, r *http.Request, c *caller, status int, name, section string, body any, options ...page.Option) {
	v := screen{Section: section, Open: c.user == nil, Audit: s.cfg.Audit != nil && c.may(authz.RoleAuditor), Body: body}
	if done := r.URL.Query().Get("done"); dones[done] && r.Method != http.MethodPost {
		v.Done = "done." + done
	}
	if c.user != nil {
		options = append(options, page.Person(c.user.Username))
	}
	s.pages.Render(w, r, status, name, v, options...)
}

// refuse answers with a page that has no navigation.
func (s *Console) refuse(w http.ResponseWriter, r *http.Request, status int, key string, options ...page.Option) {
	s.pages.Render(w, r, status, "refused", page.Message{Key: key}, options...)
}

// failed answers for an error that no page shows beside its form.
func (s *Console) failed(w http.ResponseWriter, r *http.Request, c *caller, err error) {
	status, reasons := s.reasons(r, err)
	if c == nil {
		s.refuse(w, r, status, "refused.internal")
		return
	}
	s.show(w, r, c, status, "failed", "", reasons)
}

// reasons are the status and what to say of an error, which is logged where it is
// the server's fault.
func (s *Console) reasons(r *http.Request, err error) (status int, reasons []string) {
	var told *fhir.Error
	kind := fhir.KindOf(err)
	switch {
	case kind == fhir.KindInternal:
		s.cfg.Log.ErrorContext(r.Context(), "console failed", "path", r.Pattern, "error", err)
	case errors.As(err, &told):
		for _, issue := range told.Issues {
			text := issue.Diagnostics
			if issue.Expression != "" && !strings.HasPrefix(issue.Expression, "http.") {
				text = issue.Expression + ": " + text
			}
			reasons = append(reasons, text)
		}
	default:
		reasons = []string{err.Error()}
	}
	return kind.Status(), reasons
}

// problems are the status of an error, and what the form says that led to it. An
// error of the server itself has a message that says no more.
func (s *Console) problems(r *http.Request, field string, err error) (status int, option page.Option) {
	status, reasons := s.reasons(r, err)
	if len(reasons) == 0 {
		return status, page.Problems(page.Problem{Message: page.Message{Key: "refused.internal"}})
	}
	var all []page.Problem
	for _, reason := range reasons {
		all = append(all, page.Problem{Field: field, Message: page.Message{Key: "reason", Args: []any{reason}}})
	}
	return status, page.Problems(all...)
}

// missing answers for what is not there.
func missing(_ http.ResponseWriter, r *http.Request, _ *caller) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		return fhir.Errorf(fhir.KindMethodNotAllowed, "the console takes GET and POST").With("Allow", "GET, HEAD, POST")
	}
	return fhir.Errorf(fhir.KindNotFound, "there is no such page")
}

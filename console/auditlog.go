package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/server/admin"
)

const (
	// auditShown is how many records a page has at most.
	auditShown = 100
	// auditWindow is how many are read at once, and auditLooked how many are
	// looked at for a page.
	auditWindow = 1000
	auditLooked = 20_000
)

// An auditPage is the newest records of the audit log, or older ones.
type auditPage struct {
	Filter  auditFilter
	Records []audit.Stored
	// Older is the address of the records before these; "" for none.
	Older string
	// From is the oldest record that was looked at.
	From uint64
}

// An auditFilter chooses records. Empty fields leave nothing out.
type auditFilter struct {
	Store, User, Client, Patient, Action string
	Failed                               bool
}

// filterOf reads a filter of a query.
func filterOf(q url.Values) auditFilter {
	text := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return auditFilter{
		Store: text("store"), User: text("user"), Client: text("client"), Action: text("action"),
		Patient: strings.TrimPrefix(text("patient"), "Patient/"), Failed: q.Get("failed") == "true",
	}
}

// query is the filter as a query.
func (f auditFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"store": f.Store, "user": f.User, "client": f.Client, "patient": f.Patient, "action": f.Action} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Failed {
		q.Set("failed", "true")
	}
	return q
}

// has reports whether a record is chosen.
func (f auditFilter) has(r *audit.Stored) bool {
	equal := func(want string, got ...string) bool { return want == "" || slices.Contains(got, want) }
	return equal(f.Store, r.Store) && equal(f.Client, r.Agent.Client) && equal(f.User, r.Agent.User, r.Agent.FHIRUser) &&
		equal(f.Patient, r.Patients...) && strings.Contains(r.Action, f.Action) && (!f.Failed || r.Failed())
}

// showAudit is GET /console/audit, for those who may read the audit log
// elsewhere: who has the role auditor. That it was read is recorded.
func (s *Console) showAudit(w http.ResponseWriter, r *http.Request, c *caller) error {
	if s.cfg.Audit == nil {
		return fhir.Errorf(fhir.KindNotFound, "this server keeps no audit log (audit.log)")
	}
	if !c.may(authz.RoleAuditor) {
		return fhir.Errorf(fhir.KindForbidden, "reading the audit log takes the role %s beside %s", authz.RoleAuditor, authz.RoleAdmin)
	}
	before := uint64(0)
	if text := r.URL.Query().Get("before"); text != "" {
		var err error
		if before, err = strconv.ParseUint(text, 10, 64); err != nil {
			return fhir.Errorf(fhir.KindInvalid, "before is %.32q; it must be the number of a record", text)
		}
	}
	body := auditPage{Filter: filterOf(r.URL.Query())}
	change := admin.Change{Pattern: "GET /console/audit", Path: "/console/audit?" + body.Filter.query().Encode()}
	_, err := s.cfg.Record(c.agent, change, func() (any, error) { return nil, s.lookBack(&body, before) })
	if err != nil {
		return err
	}
	s.show(w, r, c, http.StatusOK, "audit", "audit", body)
	return nil
}

// lookBack fills a page with the newest records before a number; 0 is the end of
// the log.
func (s *Console) lookBack(body *auditPage, before uint64) error {
	last, _ := s.cfg.Audit.End()
	oldest, err := s.cfg.Audit.Oldest()
	if err != nil {
		return err
	}
	if before == 0 || before > last+1 {
		before = last + 1
	}
	body.From = before
	for looked := 0; body.From > oldest && looked < auditLooked && len(body.Records) < auditShown; looked += auditWindow {
		from := max(oldest, body.From-min(body.From, auditWindow))
		window, err := s.between(from, body.From)
		if errors.Is(err, audit.ErrRemoved) { // meanwhile: what is older is archived
			oldest = body.From
			break
		}
		if err != nil {
			return err
		}
		body.From = from
		for i := range slices.Backward(window) {
			if !body.Filter.has(&window[i]) {
				continue
			}
			body.Records = append(body.Records, window[i])
			if len(body.Records) == auditShown {
				body.From = window[i].Number
				break
			}
		}
	}
	if body.From > oldest {
		q := body.Filter.query()
		q.Set("before", strconv.FormatUint(body.From, 10))
		body.Older = Prefix + "/audit?" + q.Encode()
	}
	return nil
}

// between are the records of the numbers from … to-1.
func (s *Console) between(from, to uint64) (all []audit.Stored, err error) {
	reader := s.cfg.Audit.Reader(from)
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		some, err := reader.Next()
		if err != nil || len(some) == 0 {
			return all, err
		}
		for i := range some {
			if some[i].Number >= to {
				return all, nil
			}
			all = append(all, some[i])
		}
	}
}

package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// An Event is a record in the form of an AuditEvent resource, after the IHE
// Basic Audit Log Patterns. A record that touched several patients makes an
// Event for each, so that none names two.
// https://profiles.ihe.net/ITI/BALP/
type Event struct {
	Record *Stored
	// ID is the resource's: the same each time that it is made.
	ID string
	// Patient is the id of the patient that the event is about, if any.
	Patient string
	// JSON is the resource.
	JSON []byte
}

// Events are the AuditEvents of a record.
func Events(s *Stored) ([]Event, error) {
	patients := s.Patients
	if len(patients) == 0 {
		patients = []string{""}
	}
	events := make([]Event, len(patients))
	shown := &Stored{Number: s.Number, Record: presentable(s.Record)}
	for i, patient := range patients {
		id := EventID(s.Number)
		if i > 0 {
			id += "-" + strconv.Itoa(i+1)
		}
		text, err := json.Marshal(eventOf(shown, id, patient))
		if err != nil {
			return nil, fmt.Errorf("audit: record %d as AuditEvent: %w", s.Number, err)
		}
		events[i] = Event{Record: s, ID: id, Patient: patient, JSON: text}
	}
	return events, nil
}

// EventID is the id of the AuditEvent that a record makes: of the first, where
// it makes several.
func EventID(number uint64) string { return "audit-" + strconv.FormatUint(number, 10) }

// The parts of an AuditEvent. http://hl7.org/fhir/R4/auditevent.html
type (
	auditEvent struct {
		ResourceType string    `json:"resourceType"`
		ID           string    `json:"id"`
		Meta         *meta     `json:"meta,omitempty"`
		Type         coding    `json:"type"`
		Subtype      []coding  `json:"subtype,omitempty"`
		Action       string    `json:"action,omitempty"`
		Recorded     string    `json:"recorded"`
		Outcome      string    `json:"outcome"`
		OutcomeDesc  string    `json:"outcomeDesc,omitempty"`
		Purpose      []concept `json:"purposeOfEvent,omitempty"`
		Agent        []agent   `json:"agent"`
		Source       source    `json:"source"`
		Entity       []entity  `json:"entity,omitempty"`
	}
	meta struct {
		Profile []string `json:"profile"`
	}
	coding struct {
		System  string `json:"system,omitempty"`
		Code    string `json:"code"`
		Display string `json:"display,omitempty"`
	}
	concept struct {
		Coding []coding `json:"coding,omitempty"`
		Text   string   `json:"text,omitempty"`
	}
	identifier struct {
		Value string `json:"value"`
	}
	reference struct {
		Reference  string      `json:"reference,omitempty"`
		Identifier *identifier `json:"identifier,omitempty"`
		Display    string      `json:"display,omitempty"`
	}
	network struct {
		Address string `json:"address"`
		Type    string `json:"type"`
	}
	agent struct {
		Type      *concept   `json:"type,omitempty"`
		Role      []concept  `json:"role,omitempty"`
		Who       *reference `json:"who,omitempty"`
		Name      string     `json:"name,omitempty"`
		Requestor bool       `json:"requestor"`
		Network   *network   `json:"network,omitempty"`
		Purpose   []concept  `json:"purposeOfUse,omitempty"`
	}
	source struct {
		Observer reference `json:"observer"`
		Type     []coding  `json:"type"`
	}
	detail struct {
		Type  string `json:"type"`
		Value string `json:"valueString"`
	}
	entity struct {
		What        *reference `json:"what,omitempty"`
		Type        *coding    `json:"type,omitempty"`
		Role        *coding    `json:"role,omitempty"`
		Lifecycle   *coding    `json:"lifecycle,omitempty"`
		Description string     `json:"description,omitempty"`
		Query       []byte     `json:"query,omitempty"` // as base64
		Detail      []detail   `json:"detail,omitempty"`
	}
)

func eventOf(s *Stored, id, patient string) *auditEvent {
	e := &auditEvent{
		ResourceType: "AuditEvent", ID: id, Action: actionCode(&s.Record),
		Recorded: s.Time.UTC().Format(fhir.TimeLayout),
		Source:   source{Observer: reference{Display: "Tarn"}, Type: []coding{{systemSource, "4", "Application Server"}}},
	}
	e.Type, e.Subtype = kindOf(&s.Record)
	e.Outcome, e.OutcomeDesc = outcomeOf(&s.Record)
	if profile := profileOf(&s.Record, patient); profile != "" {
		e.Meta = &meta{[]string{profile}}
	}
	e.Purpose = purposes(s.Agent.Purpose)
	e.Agent = agentsOf(&s.Record)
	e.Entity = entitiesOf(&s.Record, patient)
	return e
}

// outcomeOf is the outcome: 4 where the caller was at fault, 8 where the
// server was. http://hl7.org/fhir/R4/valueset-audit-event-outcome.html
func outcomeOf(r *Record) (code, text string) {
	switch {
	case r.Status >= 500:
		code = "8"
	case r.Failed():
		code = "4"
	default:
		code = "0"
	}
	if r.Status != 0 {
		text = "HTTP status " + strconv.Itoa(r.Status)
	}
	if r.Detail != "" {
		text = strings.TrimPrefix(text+"; "+r.Detail, "; ")
	}
	return code, text
}

// notAuthenticated is the name of a client that showed no credential.
const notAuthenticated = "not authenticated"

// agentsOf are the client, this server, and the user where one is known. The
// server is the source of what is read, the custodian of what is deleted, and
// the destination of the rest.
func agentsOf(r *Record) []agent {
	clientRole, serverRole := coding{systemDICOM, "110153", "Source Role ID"}, coding{systemDICOM, "110152", "Destination Role ID"}
	switch actionCode(r) {
	case "R":
		clientRole, serverRole = serverRole, clientRole
	case "D":
		clientRole, serverRole = coding{systemDICOM, "110150", "Application"}, coding{systemParticipant, "custodian", "Custodian"}
	}
	hasUser := r.Agent.User != "" || r.Agent.FHIRUser != ""
	client := agent{Type: &concept{Coding: []coding{clientRole}}, Requestor: !hasUser, Who: &reference{Display: notAuthenticated}, Name: notAuthenticated}
	if r.Agent.Client != "" {
		client.Who, client.Name = &reference{Identifier: &identifier{r.Agent.Client}}, r.Agent.Client
	}
	if r.Agent.Address != "" {
		client.Network = &network{r.Agent.Address, "2"}
	}
	all := []agent{client, {Type: &concept{Coding: []coding{serverRole}}, Who: &reference{Display: "Tarn"}}}
	if !hasUser {
		all[0].Purpose = purposes(r.Agent.Purpose)
		return all
	}
	user := agent{Type: &concept{Coding: []coding{{systemParticipation, "IRCP", "information recipient"}}}, Requestor: true, Purpose: purposes(r.Agent.Purpose)}
	user.Who = &reference{Reference: userTo(r.Agent.FHIRUser)}
	switch {
	case r.Agent.User != "":
		user.Who.Identifier, user.Name = &identifier{r.Agent.User}, r.Agent.User
	case user.Who.Reference == "":
		user.Who.Display = r.Agent.FHIRUser
	}
	for _, role := range r.Agent.Roles {
		user.Role = append(user.Role, concept{Text: role})
	}
	return append(all, user)
}

func purposes(code string) []concept {
	if code == "" {
		return nil
	}
	return []concept{{Coding: []coding{{System: systemPurpose, Code: code}}}}
}

// entitiesOf are what it was done to: the resources, the query, the patient,
// and the id of the request.
func entitiesOf(r *Record, patient string) []entity {
	var all []entity
	object := &coding{systemEntity, "2", "System Object"}
	var lifecycle *coding
	if r.Class == ClassErasure {
		lifecycle = &coding{systemLifecycle, "15", "Permanent erasure / Physical destruction"}
	}
	for _, name := range r.Entities {
		if text := referenceTo(name); text != "" {
			all = append(all, entity{What: &reference{Reference: text}, Type: object, Role: &coding{systemRole, "4", "Domain Resource"}, Lifecycle: lifecycle})
		} else {
			all = append(all, entity{What: &reference{Display: name}, Type: object, Lifecycle: lifecycle})
		}
	}
	if r.Query != "" {
		all = append(all, entity{Type: object, Role: &coding{systemRole, "24", "Query"}, Query: []byte(r.Query)})
	}
	if patient != "" && fhir.ValidID(patient) {
		all = append(all, entity{What: &reference{Reference: "Patient/" + patient}, Type: &coding{systemEntity, "1", "Person"}, Role: &coding{systemRole, "1", "Patient"}})
	}
	if r.Request != "" {
		x := entity{What: &reference{Identifier: &identifier{r.Request}}, Type: &coding{System: systemBALPEntity, Code: "XrequestId"}}
		if r.Entry > 0 {
			x.Detail = []detail{{"Bundle.entry", strconv.Itoa(r.Entry - 1)}}
		}
		all = append(all, x)
	}
	return all
}

// referenceTo is a name as a reference, "" where it cannot be one: what a
// caller asked for need not be an id, and what an issuer calls a user no resource.
func referenceTo(name string) string {
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		return name
	}
	parts := strings.Split(name, "/")
	ok := (len(parts) == 2 || len(parts) == 4 && parts[2] == "_history" && fhir.ValidID(parts[3])) &&
		definition.R4().Schema.Resource(parts[0]) != nil && fhir.ValidID(parts[1])
	if !ok {
		return ""
	}
	return name
}

// userTypes are what AuditEvent.agent.who may refer to.
var userTypes = []string{"PractitionerRole", "Practitioner", "Organization", "Device", "Patient", "RelatedPerson"}

// userTo is the name of a user as a reference, "" where it cannot be one to a user.
func userTo(name string) string {
	for part := range strings.FieldsFuncSeq(name, func(c rune) bool { return strings.ContainsRune("/?#", c) }) {
		if definition.R4().Schema.Resource(part) != nil && !slices.Contains(userTypes, part) {
			return ""
		}
	}
	return referenceTo(name)
}

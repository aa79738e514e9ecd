package datastore

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// audit commits the AuditEvent of a batch: before it is erased, and once more
// where that fails. http://hl7.org/fhir/R4/auditevent.html
func (x *eraser) audit(ctx context.Context, batch []store.Erasure, failure error) error {
	outcomes, err := x.store.commitOwn(ctx, x.auditEvent(batch, failure))
	if err != nil {
		return fmt.Errorf("the erasure could not be recorded: %w", err)
	}
	x.result.Audits = append(x.result.Audits, outcomes[0].Version.ID)
	return nil
}

// commitOwn creates a resource that the data store itself makes.
func (s *Store) commitOwn(ctx context.Context, src []byte) ([]Outcome, error) {
	tree, err := s.Parse(src)
	if err != nil {
		return nil, err
	}
	op := Op{Interaction: authz.Create, Type: tree.Root().Type().Name, Resource: tree}
	return s.Commit(ctx, authz.Unrestricted(), []Op{op}, nil)
}

// auditEvent is the AuditEvent of a batch in JSON. A failed erasure has outcome
// 8, for what it came to is not certain.
func (x *eraser) auditEvent(batch []store.Erasure, failure error) []byte {
	outcome, text := "0", "to be erased for good"
	if failure != nil {
		outcome, text = "8", "the erasure recorded before failed"
	}
	b := []byte(`{"resourceType":"AuditEvent",` +
		`"type":{"system":"http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle","code":"destroy","display":"Destroy/Delete Record Lifecycle Event"},` +
		`"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":"operation","display":`)
	b = fhir.AppendString(b, x.Operation)
	b = append(b, `}],"action":"D","recorded":"`...)
	b = x.store.now().UTC().AppendFormat(b, fhir.TimeLayout)
	b = append(b, `","outcome":"`+outcome+`","outcomeDesc":"`+text+`","agent":[`...)
	b = appendAgents(b, x.access.Caller())
	b = append(b, `],"source":{"observer":{"display":"Tarn"},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4","display":"Application Server"}]},"entity":[`...)
	for i, e := range batch {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"what":{"reference":`...)
		b = fhir.AppendString(b, erasureName(e))
		b = append(b, `},"lifecycle":{"system":"http://terminology.hl7.org/CodeSystem/dicom-audit-lifecycle","code":"15","display":"Permanent erasure / Physical destruction"}}`...)
	}
	return append(b, `]}`...)
}

// appendAgents appends who asked, and the client that did so for a user.
func appendAgents(b []byte, c authz.Caller) []byte {
	name := c.Subject
	if name == "" {
		name = cmp.Or(c.Client, "not authenticated")
	}
	b = append(b, `{`...)
	if strings.Count(c.FHIRUser, "/") == 1 {
		b = append(b, `"who":{"reference":`...)
		b = append(fhir.AppendString(b, c.FHIRUser), `},`...)
	}
	b = append(b, `"name":`...)
	b = append(fhir.AppendString(b, name), `,"requestor":true}`...)
	if c.Client != "" && c.Subject != "" && c.Client != c.Subject {
		b = append(b, `,{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110150","display":"Application"}]},"name":`...)
		b = append(fhir.AppendString(b, c.Client), `,"requestor":false}`...)
	}
	return b
}

// erasureName is the reference to what is erased.
func erasureName(e store.Erasure) string {
	if e.Number == 0 {
		return e.Type + "/" + e.ID
	}
	return fmt.Sprintf("%s/%s/_history/%d", e.Type, e.ID, e.Number)
}

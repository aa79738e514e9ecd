package synth_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/synth"
)

// happened is what the resources of a record say of time.
type happened struct {
	ResourceType                     string
	BirthDate                        string
	DeceasedDateTime                 time.Time
	Period                           struct{ Start, End time.Time }
	EffectiveDateTime, AuthoredOn    time.Time
	OccurrenceDateTime, Created      time.Time
	OnsetDateTime, AbatementDateTime time.Time
	ClinicalStatus                   struct{ Coding []struct{ Code string } }
	Context                          struct {
		Period struct{ Start, End time.Time }
	}
	PerformedPeriod struct{ Start, End time.Time }
}

// TestLivesArePlausible checks that nothing is on record before birth or after
// death, that what ended began before, and that visits follow one another.
func TestLivesArePlausible(t *testing.T) {
	now := time.Date(2025, time.March, 1, 0, 0, 0, 0, time.UTC)
	err := synth.New(synth.Options{Patients: 60, Seed: 10, Now: now}).Each(func(b synth.Bundle) error {
		if b.Patient < 0 {
			return nil
		}
		var born, end, visited time.Time
		for _, r := range b.Resources {
			if r.Type == "Coverage" {
				continue // its period has dates only
			}
			var h happened
			if err := json.Unmarshal(r.JSON, &h); err != nil {
				return err
			}
			switch h.ResourceType {
			case "Patient":
				born, _ = time.Parse(time.DateOnly, h.BirthDate)
				end = now
				if !h.DeceasedDateTime.IsZero() {
					end = h.DeceasedDateTime
				}
			case "Encounter":
				if h.Period.Start.Before(visited) {
					t.Errorf("patient %d: visit of %s is out of order", b.Patient, h.Period.Start)
				}
				visited = h.Period.Start
			case "Condition":
				checkCourse(t, b.Patient, &h)
			}
			for _, at := range []time.Time{h.EffectiveDateTime, h.AuthoredOn, h.OccurrenceDateTime, h.Created, h.OnsetDateTime,
				h.AbatementDateTime, h.PerformedPeriod.Start, h.Context.Period.Start} {
				if !at.IsZero() && (at.Before(born.AddDate(0, 0, -1)) || at.After(end.Add(2*time.Hour))) {
					t.Errorf("patient %d, %s to %s: %s at %s", b.Patient, born, end, r.Type, at)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkCourse(t *testing.T, patient int, h *happened) {
	t.Helper()
	if !h.AbatementDateTime.IsZero() && h.AbatementDateTime.Before(h.OnsetDateTime) {
		t.Errorf("patient %d: condition ends on %s, before it begins on %s", patient, h.AbatementDateTime, h.OnsetDateTime)
	}
	if resolved := h.ClinicalStatus.Coding[0].Code == "resolved"; resolved == h.AbatementDateTime.IsZero() {
		t.Errorf("patient %d: condition is resolved %v, abatement %s", patient, resolved, h.AbatementDateTime)
	}
}

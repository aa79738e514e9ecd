package datastore

import (
	"context"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/validate/profile"
	"github.com/tarnhealth/tarn/validate/questionnaire"
)

// answers checks QuestionnaireResponses against the Questionnaires that the data
// store has now, or else those of its guides. They are definitions: whoever may
// write a response is told what its questionnaire asks.
func (s *Store) answers() *questionnaire.Rules {
	return questionnaire.New(definition.R4().Schema, s.questionnaire, answerCodes{s})
}

func (s *Store) questionnaire(resourceType, canonical string) (*fhir.Tree, error) {
	f := s.findAll()
	defer f.close()
	found, err := f.stored(resourceType, canonical)
	if err != nil || found.Tree == nil {
		return nil, err
	}
	return found.Tree()
}

// findAll finds resources as the data store itself.
func (s *Store) findAll() *finder {
	return &finder{ctx: context.Background(), store: s, access: authz.Unrestricted()}
}

// answerCodes tells whether answers are in the value sets of their items.
type answerCodes struct{ *Store }

// MemberOf implements fhirpath.Terminology.
func (s answerCodes) MemberOf(valueSet string, codings []fhirpath.Coding) (bool, error) {
	f := s.findAll()
	defer f.close()
	return profile.Codes(f.service()).MemberOf(valueSet, codings)
}

// Subsumes implements fhirpath.Terminology.
func (s answerCodes) Subsumes(ancestor, descendant fhirpath.Coding) (bool, error) {
	f := s.findAll()
	defer f.close()
	return profile.Codes(f.service()).Subsumes(ancestor, descendant)
}

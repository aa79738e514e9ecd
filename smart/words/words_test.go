package words_test

import (
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/smart/words"
)

// Scopes are grouped by type, put into words with their conditions, and every
// scope that a user decides about is there once.
func TestGroups(t *testing.T) {
	registry, err := search.New(definition.R4())
	if err != nil {
		t.Fatal(err)
	}
	scopes, dropped := authz.ParseScopes("openid launch/patient offline_access patient/Observation.rs patient/Observation.cud "+
		"patient/Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item "+
		"user/*.read patient/MolecularSequence.s", registry)
	if len(dropped) > 0 {
		t.Fatal(dropped)
	}
	var lines []string
	for _, group := range words.Groups(scopes) {
		line := group.Title.Key
		for _, item := range group.Items {
			line += " [" + item.Scope
			for _, action := range item.Actions {
				line += " " + action.Key
			}
			for _, where := range item.Where {
				for _, arg := range where.Args {
					line += " " + arg.(string)
				}
			}
			line += "]"
		}
		lines = append(lines, line)
	}
	want := []string{
		"type.all [user/*.read action.rs]",
		"type.Condition [patient/Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item action.rs category problem list item]",
		"type.other [patient/MolecularSequence.s action.s]",
		"type.Observation [patient/Observation.rs action.rs] [patient/Observation.cud action.c action.u action.d]",
		"consent.account [openid scope.openid] [offline_access scope.offline_access]",
	}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

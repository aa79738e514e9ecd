package healthlake

import "strings"

// dataActions are the actions of HealthLake that requests to the FHIR API are,
// and the letters of a system scope that each needs. The roles of access keys
// name them beside the operations of the control API.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awshealthlake.html
var dataActions = map[string]string{
	"CreateResource":             "c",
	"ReadResource":               "r",
	"VersionReadResource":        "r",
	"GetHistoryByResourceId":     "r",
	"UpdateResource":             "u",
	"DeleteResource":             "d",
	"SearchWithGet":              "s",
	"SearchWithPost":             "s",
	"SearchAll":                  "s",
	"SearchEverything":           "rs",
	"ValidateResource":           "",
	"StartFHIRExportJobWithGet":  "rs",
	"StartFHIRExportJobWithPost": "rs",
	"ProcessBundle":              "",
}

// IsDataAction reports whether an action is one of the FHIR API's.
func IsDataAction(action string) bool {
	_, ok := dataActions[action]
	return ok
}

// Letters are those of the scopes that a role's patterns allow, in the order of
// "cruds".
func Letters(patterns []string) string {
	var letters strings.Builder
	for _, letter := range "cruds" {
		for action, needs := range dataActions {
			if strings.ContainsRune(needs, letter) && allows(patterns, action) {
				letters.WriteRune(letter)
				break
			}
		}
	}
	return letters.String()
}

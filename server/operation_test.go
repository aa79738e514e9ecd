package server

import (
	"strings"
	"testing"
)

func TestOperationName(t *testing.T) {
	for request, want := range map[string]string{
		"GET Patient/1":             "ReadResource",
		"HEAD Patient/1":            "ReadResource",
		"GET Patient/1/_history/2":  "VersionReadResource",
		"GET Patient/1/_history":    "GetHistoryByResourceId",
		"GET /Patient":              "SearchWithGet",
		"GET Patient/1/Observation": "SearchWithGet",
		"POST Patient/_search":      "SearchWithPost",
		"POST _search":              "SearchAll",
		"GET ":                      "SearchAll",
		"POST ":                     "ProcessBundle",
		"POST Patient":              "CreateResource",
		"PUT Patient/1":             "UpdateResource",
		"PATCH Patient":             "UpdateResource",
		"DELETE Patient/1":          "DeleteResource",
		"GET Patient/1/$everything": "SearchEverything",
		"POST Patient/$validate":    "ValidateResource",
		"GET $export":               "StartFHIRExportJobWithGet",
		"POST Group/1/$export":      "StartFHIRExportJobWithPost",
		"GET Observation/$lastn":    "$lastn",
		"GET metadata":              "GetCapabilities",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := operationName(method, "/datastore/default/r4/"+path); got != want {
			t.Errorf("%s is %s, want %s", request, got, want)
		}
	}
}

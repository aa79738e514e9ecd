package server

import (
	"io"
	"net"
	"strings"
	"testing"
)

// TestMalformedRequests: an OperationOutcome for the FHIR API, JSON elsewhere.
func TestMalformedRequests(t *testing.T) {
	r := start(t, testConfig(t.TempDir()))
	for text, want := range map[string][]string{
		"GET " + auditedPath + "/Patient HTTP/1.1\r\n\r\n":                                                       {"400 Bad Request", "application/fhir+json", "OperationOutcome", "missing required Host header"},
		"GET " + auditedPath + "/Patient HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 200<<10) + "\r\n\r\n": {"431 Request Header", "application/fhir+json", "too-long"},
		"POST " + auditedPath + "/Patient HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: br\r\n\r\n":                  {"501 Not Implemented", "application/fhir+json", "not-supported"},
		"POST /auth/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: br\r\n\r\n":                                  {"501 Not Implemented", "application/json\r\n", `"error":"invalid_request"`},
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 100) + "\r\n\r\n":                {"400 Bad Request", "OperationOutcome"},
	} {
		conn, err := net.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(conn, text) }()
		answer, _ := io.ReadAll(conn) // ends, with a reset where not all was read
		conn.Close()
		for _, part := range append(want, "Connection: close") {
			if !strings.Contains(string(answer), part) {
				t.Errorf("%.60q: no %q in %.600q", text, part, answer)
			}
		}
	}
}

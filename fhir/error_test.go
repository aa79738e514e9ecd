package fhir

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// TestCutShort: a client that was too slow is told so, and nothing of addresses.
func TestCutShort(t *testing.T) {
	slow := CutShort("the body", fmt.Errorf("read tcp 10.0.0.1:80->10.0.0.2:99: %w", os.ErrDeadlineExceeded))
	if slow.Kind.Status() != 408 || strings.Contains(slow.Issues[0].Diagnostics, "10.0") {
		t.Errorf("%d %s", slow.Kind.Status(), slow.Issues[0].Diagnostics)
	}
	if cut := CutShort("the body", io.ErrUnexpectedEOF); cut.Kind != KindInvalid || cut.Issues[0].Diagnostics != "the body could not be read to its end: unexpected EOF" {
		t.Error(cut.Kind, cut)
	}
}

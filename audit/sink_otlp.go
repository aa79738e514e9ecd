package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// OTLP is a Sink that posts AuditEvents as log records to an OpenTelemetry
// collector: OTLP/HTTP with JSON.
// https://opentelemetry.io/docs/specs/otlp/#otlphttp
type OTLP struct {
	// URL is where logs are posted, such as http://127.0.0.1:4318/v1/logs.
	URL string
	// Header goes with each request, for keys.
	Header http.Header
	// Client is nil for one that waits 30 seconds and follows no redirects.
	Client *http.Client
}

var _ Sink = (*OTLP)(nil)

// The parts of an ExportLogsServiceRequest that are needed.
type (
	otlpLogs struct {
		ResourceLogs []otlpResource `json:"resourceLogs"`
	}
	otlpResource struct {
		Resource  otlpAttributes `json:"resource"`
		ScopeLogs []otlpScope    `json:"scopeLogs"`
	}
	otlpAttributes struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScope struct {
		Scope      otlpName     `json:"scope"`
		LogRecords []otlpRecord `json:"logRecords"`
	}
	otlpName   struct{ Name string }
	otlpRecord struct {
		TimeUnixNano   string          `json:"timeUnixNano"`
		SeverityNumber int             `json:"severityNumber"`
		EventName      string          `json:"eventName"`
		Body           otlpValue       `json:"body"`
		Attributes     []otlpAttribute `json:"attributes"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		StringValue string `json:"stringValue"`
	}
)

// MarshalJSON writes the name in OTLP's case.
func (n otlpName) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"name": n.Name})
}

var noRedirects = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Write posts the events.
func (o *OTLP) Write(ctx context.Context, events []Event) error {
	body, err := json.Marshal(otlpOf(events))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("audit: OTLP: %w", err)
	}
	for name, values := range o.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	client := o.Client
	if client == nil {
		client = noRedirects
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("audit: OTLP: %w", err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // so that the connection is used again
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("audit: OTLP: the collector answers %s", res.Status)
	}
	return nil
}

func otlpOf(events []Event) otlpLogs {
	records := make([]otlpRecord, len(events))
	for i := range events {
		e := &events[i]
		severity := 9 // INFO
		if e.Record.Failed() {
			severity = 13 // WARN
		}
		records[i] = otlpRecord{
			TimeUnixNano: strconv.FormatInt(e.Record.Time.UnixNano(), 10), SeverityNumber: severity, EventName: "AuditEvent",
			Body:       otlpValue{string(e.JSON)},
			Attributes: []otlpAttribute{{"audit.id", otlpValue{e.ID}}, {"audit.action", otlpValue{e.Record.Action}}},
		}
	}
	service := otlpAttributes{[]otlpAttribute{{"service.name", otlpValue{"tarn"}}}}
	return otlpLogs{[]otlpResource{{service, []otlpScope{{otlpName{"github.com/tarnhealth/tarn/audit"}, records}}}}}
}

package audit

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

// Syslog is a Sink that sends AuditEvents as syslog messages (RFC 5424) of
// facility 13, log audit: over TCP with octet counting (RFC 6587 section
// 3.4.1), or each in a datagram (RFC 5426), which may lose some. It is for one
// goroutine.
// https://www.rfc-editor.org/rfc/rfc5424
type Syslog struct {
	// Network is "tcp", "udp" or "unixgram", and Address where to.
	Network, Address string
	// Host is this machine's name in the messages; "" is none.
	Host string
	// Dial connects; nil for a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	conn net.Conn
}

var _ Sink = (*Syslog)(nil)

// Severities and facility. https://www.rfc-editor.org/rfc/rfc5424#section-6.2.1
const (
	facilityAudit = 13
	warning       = 4
	notice        = 5
)

// syslogTime bounds how long one batch may take.
const syslogTime = 30 * time.Second

// Write sends the events, connecting where there is no connection.
func (s *Syslog) Write(ctx context.Context, events []Event) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(syslogTime)) // fails only where writing does
	var b []byte
	for i := range events {
		m := s.message(&events[i])
		if s.Network == "tcp" {
			b = append(strconv.AppendInt(b, int64(len(m)), 10), ' ')
			b = append(b, m...)
			continue
		}
		if _, err := s.conn.Write(m); err != nil {
			return s.drop(err)
		}
	}
	if len(b) > 0 {
		if _, err := s.conn.Write(b); err != nil {
			return s.drop(err)
		}
	}
	return nil
}

func (s *Syslog) connect(ctx context.Context) (err error) {
	if s.conn != nil {
		return nil
	}
	dial := s.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: syslogTime}).DialContext
	}
	if s.conn, err = dial(ctx, s.Network, s.Address); err != nil {
		return fmt.Errorf("audit: syslog: %w", err)
	}
	return nil
}

func (s *Syslog) drop(err error) error {
	s.conn.Close()
	s.conn = nil
	return fmt.Errorf("audit: syslog: %w", err)
}

func (s *Syslog) message(e *Event) []byte {
	severity := notice
	if e.Record.Failed() {
		severity = warning
	}
	host := s.Host
	if host == "" {
		host = "-"
	}
	b := fmt.Appendf(nil, "<%d>1 %s %s tarn - AuditEvent - ", facilityAudit*8+severity, e.Record.Time.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), host)
	return append(b, e.JSON...)
}

// Close closes the connection.
func (s *Syslog) Close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}

package server

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/audit"
)

// AuditConfig is what a server is told about its audit log.
type AuditConfig struct {
	// Mode is AuditOn, AuditOff or AuditAuto.
	Mode string
	// Durability is when records of accesses that change nothing are on disk:
	// AuditDisk or AuditProcess; "" is AuditDisk.
	Durability string
	// Archive is where full segments go: a folder, or s3://BUCKET/PREFIX of the
	// service that Bulk names; "" for nowhere.
	Archive string
	// KeepDays is how many days the log itself keeps what is archived; 0 is for
	// good.
	KeepDays int
	// Sinks are where AuditEvents are sent as well: see newSink.
	Sinks []string
}

// The values of AuditConfig.Mode.
const (
	// AuditAuto is AuditOn where callers are known, and AuditOff with AuthNone.
	AuditAuto = "auto"
	AuditOn   = "on"
	AuditOff  = "off"
)

// The values of AuditConfig.Durability.
const (
	AuditDisk    = string(audit.Disk)
	AuditProcess = string(audit.Process)
)

// audited reports whether there is an audit log.
func (c *Config) audited() bool {
	return c.Audit.Mode == AuditOn || c.Audit.Mode != AuditOff && c.Auth != AuthNone
}

// auditSettings are the settings of the audit log.
var auditSettings = []setting{
	flat("audit.log", "whether every access is recorded: on, off, or auto, which is on unless auth is none",
		func(c *Config, s string) error { return oneOf(&c.Audit.Mode, s, AuditAuto, AuditOn, AuditOff) },
		func(c *Config) string { return c.Audit.Mode }),
	flat("audit.durability", "when the record of a read or a search is on disk: disk, before its response is complete; process, within a second, and meanwhile only the loss of power loses it",
		func(c *Config, s string) error {
			return oneOf(&c.Audit.Durability, s, AuditDisk, AuditProcess)
		},
		func(c *Config) string { return c.Audit.Durability }),
	flat("audit.archive", "where full segments of the audit log are archived to: a folder, or s3://BUCKET/PREFIX of the service that bulk.s3_endpoint names; nowhere if empty",
		func(c *Config, s string) error {
			c.Audit.Archive = strings.TrimSpace(s)
			_, _, err := auditBucket(c.Audit.Archive)
			return err
		},
		func(c *Config) string { return c.Audit.Archive }),
	flat("audit.keep_days", "how many days the audit log keeps what is archived; 0 for good",
		func(c *Config, s string) error { return number(&c.Audit.KeepDays, s, 0, 36_600) },
		func(c *Config) string { return strconv.Itoa(c.Audit.KeepDays) }),
	list("audit.sinks", "where AuditEvents are sent: stdout, syslog+tcp://host:port, syslog+udp://host:port, otlp+http://host:port/v1/logs",
		func(c *Config, list []string) error {
			for i, name := range list {
				if _, err := newSink(name, io.Discard); err != nil {
					return err
				}
				if strings.Contains("\n"+strings.Join(list[:i], "\n")+"\n", "\n"+name+"\n") {
					return fmt.Errorf("%q is there twice", name)
				}
			}
			c.Audit.Sinks = list
			return nil
		},
		func(c *Config) []string { return c.Audit.Sinks }),
}

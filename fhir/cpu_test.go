package fhir_test

import (
	"syscall"
	"testing"
	"time"
)

func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func reportCPU(b *testing.B, size int, from time.Duration) {
	b.ReportMetric(float64(size)*float64(b.N)/1e6/(cpu()-from).Seconds(), "cpuMB/s")
}

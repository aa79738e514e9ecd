package main

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// usage is what a process has used since it began. Linux only; elsewhere zero.
type usage struct {
	cpu     time.Duration
	written int64 // bytes that it caused to be written to disk
}

func usageOf(pid int) usage {
	return usage{cpu: cpuTime(pid), written: procField(pid, "io", "write_bytes:")}
}

// cpuTime is the user and system time of all of a process's threads.
func cpuTime(pid int) time.Duration {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux port of Go
	return time.Duration(number(fields[11])+number(fields[12])) * tick
}

// peakRSS is a process's greatest resident size in MB since resetPeak.
func peakRSS(pid int) float64 { return float64(procField(pid, "status", "VmHWM:")) / 1024 }

// nowRSS is a process's resident size in MB.
func nowRSS(pid int) float64 { return float64(procField(pid, "status", "VmRSS:")) / 1024 }

// resetPeak makes the current resident size the greatest.
func resetPeak(pid int) {
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/clear_refs", []byte("5"), 0) // without it the peak is since the start
}

// procField is the number behind a name in a file of /proc/PID, or 0.
func procField(pid int, file, name string) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + file)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if rest, found := bytes.CutPrefix(line, []byte(name)); found {
			return int64(number(bytes.TrimSpace(rest)))
		}
	}
	return 0
}

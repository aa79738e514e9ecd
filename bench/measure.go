package main

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A timed part: what many clients did in a time.
type timed struct {
	latencies []time.Duration
	elapsed   time.Duration
	units     int // what the throughput counts
	errors    int
	cpu       time.Duration // of the server
}

// load runs clients until the time is over. step does one request for client
// number c, iteration i, and returns how many units it was worth.
func load(addr string, clients int, length time.Duration, pid int, step func(conn *client, c, i int) (int, error)) (timed, error) {
	var (
		mu    sync.Mutex
		all   timed
		group sync.WaitGroup
		first error
	)
	cpu := cpuTime(pid)
	begin := time.Now()
	for c := range clients {
		group.Go(func() {
			one, err := loadOne(addr, c, begin.Add(length), step)
			mu.Lock()
			defer mu.Unlock()
			all.latencies = append(all.latencies, one.latencies...)
			all.units += one.units
			all.errors += one.errors
			if first == nil {
				first = err
			}
		})
	}
	group.Wait()
	all.elapsed = time.Since(begin)
	all.cpu = cpuTime(pid) - cpu
	return all, first
}

func loadOne(addr string, c int, until time.Time, step func(conn *client, c, i int) (int, error)) (timed, error) {
	var t timed
	conn, err := dial(addr)
	if err != nil {
		return t, err
	}
	defer conn.close()
	for i := 0; time.Now().Before(until); i++ {
		begin := time.Now()
		n, err := step(conn, c, i)
		if err != nil {
			return t, err
		}
		t.latencies = append(t.latencies, time.Since(begin))
		t.units += n
		if n == 0 {
			t.errors++
		}
	}
	return t, nil
}

// rate is units per second.
func (t timed) rate() float64 { return float64(t.units) / t.elapsed.Seconds() }

// into fills a result's figures.
func (t timed) into(r *result, pid int) {
	slices.Sort(t.latencies)
	at := func(p float64) float64 {
		if len(t.latencies) == 0 {
			return 0
		}
		return float64(t.latencies[int(p*float64(len(t.latencies)-1))]) / 1e6
	}
	r.Throughput, r.P50, r.P95, r.P99, r.Errors = t.rate(), at(.5), at(.95), at(.99), t.errors
	if t.units > 0 {
		r.CPU = float64(t.cpu.Microseconds()) / float64(t.units)
	}
	r.RSS = peakRSS(pid)
}

// cpuTime is the user and system time that a process has used. Linux only;
// elsewhere 0.
func cpuTime(pid int) time.Duration {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	user, _ := strconv.Atoi(string(fields[11]))
	system, _ := strconv.Atoi(string(fields[12]))
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux port of Go
	return time.Duration(user+system) * tick
}

// peakRSS is a process's greatest resident size in MB. Linux only; elsewhere 0.
func peakRSS(pid int) float64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if bytes.HasPrefix(line, []byte("VmHWM:")) {
			kb, _ := strconv.Atoi(string(bytes.Fields(line)[1]))
			return float64(kb) / 1024
		}
	}
	return 0
}

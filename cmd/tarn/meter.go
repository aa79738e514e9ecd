package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/tarnhealth/tarn/backup"
)

// A meter shows how far a backup or a restore is: a bar at a terminal, a line
// now and then elsewhere.
type meter struct {
	out  io.Writer
	what string

	mu      sync.Mutex
	bar     *progressbar.ProgressBar // nil where out is no terminal
	printed time.Time
}

// meterEvery is the time between two lines where there is no terminal.
const meterEvery = 5 * time.Second

func newMeter(out io.Writer, what string) *meter {
	m := &meter{out: out, what: what, printed: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		m.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(30), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription(what), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return m
}

// show takes the newest progress.
func (m *meter) show(p backup.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		m.bar.ChangeMax64(max(p.Total, 1))
		_ = m.bar.Set64(p.Done) // a broken terminal is no reason to stop
		return
	}
	if now := time.Now(); now.Sub(m.printed) >= meterEvery {
		m.printed = now
		fmt.Fprintf(m.out, "%s: %s of %s, %s written\n", m.what, bytesText(p.Done), bytesText(p.Total), bytesText(p.New))
	}
}

// close clears the bar.
func (m *meter) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		_ = m.bar.Clear()
	}
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f kB", float64(n)/1e3)
}

package load

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A Meter shows the progress of a load: a bar at a terminal, a line now and
// then elsewhere.
type Meter struct {
	out   io.Writer
	every time.Duration
	now   func() time.Time

	mu      sync.Mutex
	bar     *progressbar.ProgressBar // nil where out is no terminal
	begin   time.Time
	printed time.Time
	waiting string
}

// meterEvery is the time between two lines where there is no terminal.
const meterEvery = 5 * time.Second

// NewMeter makes a meter. Its Show is an Options.Progress.
func NewMeter(out io.Writer) *Meter {
	m := &Meter{out: out, every: meterEvery, now: time.Now}
	m.begin = m.now()
	m.printed = m.begin
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		m.bar = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(out),
			progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(true))
	}
	return m
}

// Show takes the newest progress.
func (m *Meter) Show(p Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := m.text(p)
	if m.bar != nil {
		m.bar.ChangeMax64(max(p.AllBytes, 1))
		m.bar.Describe(text)
		_ = m.bar.Set64(p.Bytes) // a broken terminal is no reason to stop
		return
	}
	now := m.now()
	news := p.Waiting != m.waiting && p.Waiting != ""
	if now.Sub(m.printed) < m.every && !news {
		return
	}
	m.printed, m.waiting = now, p.Waiting
	fmt.Fprintf(m.out, "%s, %s\n", text, m.left(p))
}

// Close clears the bar.
func (m *Meter) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		_ = m.bar.Clear()
	}
}

func (m *Meter) text(p Progress) string {
	rate := float64(p.Resources) / max(m.now().Sub(m.begin).Seconds(), 1e-3)
	text := fmt.Sprintf("%d/%d files, %d resources, %.0f/s", p.Files, p.AllFiles, p.Resources, rate)
	if p.Rejected > 0 {
		text += fmt.Sprintf(", %d rejected", p.Rejected)
	}
	if p.Waiting != "" {
		text += ", waiting: " + p.Waiting
	}
	return text
}

// left is the time that remains, from the share of bytes that is done.
func (m *Meter) left(p Progress) string {
	if p.Bytes == 0 || p.AllBytes == 0 {
		return "time left unknown"
	}
	spent := m.now().Sub(m.begin)
	left := time.Duration(float64(spent) * float64(p.AllBytes-p.Bytes) / float64(p.Bytes))
	return fmt.Sprintf("%d%%, about %s left", 100*p.Bytes/p.AllBytes, left.Round(time.Second))
}

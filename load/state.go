package load

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// allLines is the number of lines of a file that is done.
const allLines = -1

// A state remembers in a file which part of which files a server has. Every
// line of it is a stateLine; later ones win. It is written by appending, so
// that a crash loses the last line at most.
type state struct {
	target string

	mu   sync.Mutex
	file *os.File // nil where nothing is remembered
	done map[stateKey]int
	// open has the chunks of a file that were begun and not finished, in the
	// order of the file: only what all before it have passed is remembered.
	open map[*file][]*openChunk
}

// stateKey names a file as it was, and the server it goes to.
type stateKey struct {
	Target   string `json:"target"`
	Path     string `json:"path"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // Unix nanoseconds
}

type stateLine struct {
	stateKey
	// Lines is how many lines are done; allLines for the whole file, 0 to
	// forget.
	Lines int `json:"lines"`
}

type openChunk struct {
	*chunk
	finished, certain bool
}

func openState(opt *Options, files []*file) (*state, error) {
	s := &state{target: opt.To, done: map[stateKey]int{}, open: map[*file][]*openChunk{}}
	if opt.State == "" {
		return s, nil
	}
	if err := s.readFile(opt.State); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(opt.State), 0o700); err != nil {
		return nil, err
	}
	var err error
	if s.file, err = os.OpenFile(opt.State, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, fmt.Errorf("what is done cannot be remembered: %w; name another file with --state", err)
	}
	if err := s.endLine(opt.State); err != nil {
		return nil, err
	}
	if opt.Restart {
		for _, f := range files {
			if err := s.remember(f, 0); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

func (s *state) readFile(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for number := 1; lines.Scan(); number++ {
		var l stateLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			continue // cut off by a crash: that part is loaded again
		}
		if l.Path == "" {
			return fmt.Errorf("%s:%d is no state of tarn load; name another file with --state", path, number)
		}
		s.done[l.stateKey] = l.Lines
	}
	return lines.Err()
}

// endLine ends a line that a crash cut off, so that the next is read.
func (s *state) endLine(path string) error {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 || text[len(text)-1] == '\n' {
		return err
	}
	_, err = s.file.WriteString("\n")
	return err
}

func (s *state) key(f *file) stateKey {
	path := f.path
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return stateKey{s.target, path, f.size, f.modified.UnixNano()}
}

// lines is how many lines of a file are done, or allLines.
func (s *state) lines(f *file) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done[s.key(f)]
}

// began notes a chunk; chunks of a file begin in the order of the file.
func (s *state) began(c *chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c.file] = append(s.open[c.file], &openChunk{chunk: c})
}

// finished notes that a chunk was answered and remembers how far the file is
// done without a gap. It reports whether that is to the end. certain is false
// for a chunk that may have to be sent again.
func (s *state) finished(c *chunk, certain bool) (fileDone bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.open[c.file]
	for _, o := range open {
		if o.chunk == c {
			o.finished, o.certain = true, certain
		}
	}
	lines := 0
	for len(open) > 0 && open[0].finished && open[0].certain {
		lines = open[0].lines
		if open[0].last {
			lines, fileDone = allLines, true
		}
		open = open[1:]
	}
	s.open[c.file] = open
	if lines == 0 || c.skipped() {
		return fileDone, nil
	}
	return fileDone, s.remember(c.file, lines)
}

func (s *state) remember(f *file, lines int) error {
	key := s.key(f)
	s.done[key] = lines
	if s.file == nil {
		return nil
	}
	line, err := json.Marshal(stateLine{key, lines})
	if err != nil {
		return err
	}
	_, err = s.file.Write(append(line, '\n'))
	return err
}

// close closes the file, and removes it where it has served.
func (s *state) close(remove bool) error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if remove {
		err = errors.Join(err, os.Remove(s.file.Name()))
	}
	return err
}

// DefaultState is the state file for a server, in the user's cache folder. It
// is "" where there is no such folder.
func DefaultState(to string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.TrimRight(to, "/")))
	return filepath.Join(dir, "tarn", fmt.Sprintf("load-%x.jsonl", sum[:8]))
}

// skipped is a file that an earlier run finished.
func (c *chunk) skipped() bool {
	return c.last && c.bundle == nil && c.lines == 0 && c.resources == nil && c.refused == nil
}

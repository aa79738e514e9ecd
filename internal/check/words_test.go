package check

import (
	"regexp"
	"strings"
	"testing"
)

// unwanted are patterns that no file of the repository may hold. They are
// written in parts so that this file does not hold them itself.
var unwanted = []struct {
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`(?m)(^|[\s"'(=])/(` + strings.Join([]string{"work", "root", "home/[a-z]+", "Users"}, "|") + `)/[A-Za-z.]`), "an absolute path of some machine"},
	{regexp.MustCompile(`(?i)\b(TO` + `DO|FIX` + `ME|XX` + `X:)`), "an unfinished note: finish it, or write what is missing into the docs"},
	{regexp.MustCompile(`not imple` + `mented"\)`), "a stub"},
	{regexp.MustCompile(`(?i)proxy\.gol` + `ang|registry\.np` + `mjs|deb\.deb` + `ian\.org|repo\.maven|crates\.i` + `o/`), "a package registry's host"},
	{regexp.MustCompile(`BEGIN (RSA |EC )?PRIV` + `ATE KEY`), "a private key"},
}

func TestUnwantedWords(t *testing.T) {
	walk(t, func(name string) {
		if !isText(name) {
			return
		}
		text := read(t, name)
		for _, u := range unwanted {
			if at := u.pattern.FindStringIndex(text); at != nil {
				line := 1 + strings.Count(text[:at[0]], "\n")
				t.Errorf("%s:%d holds %q: %s", name, line, strings.TrimSpace(text[at[0]:at[1]]), u.why)
			}
		}
	})
}

func isText(name string) bool {
	for _, ending := range []string{".go", ".md", ".txtar", ".test", ".yaml", ".yml", ".txt", ".mod", "run"} {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

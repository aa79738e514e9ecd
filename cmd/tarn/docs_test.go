package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/stack"
)

// pages are the documentation, by name, with lines of shell that go on in the
// next one joined.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(names) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	all := map[string]string{}
	for _, name := range append(names, "../../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = strings.ReplaceAll(string(text), "\\\n", " ")
	}
	return all
}

// TestStackOfReadme reads the file that the README shows.
func TestStackOfReadme(t *testing.T) {
	_, text, _ := strings.Cut(pages(t)["README.md"], "```yaml\n")
	text, _, found := strings.Cut(text, "```")
	f, err := stack.Read([]byte(text))
	if err != nil || !found || len(f.DataStores) == 0 {
		t.Fatalf("%+v %v", f, err)
	}
}

// call is a command line of a page: in backticks, or a line of its own.
var call = regexp.MustCompile("(?m)(?:`|^ *|\\$\\()(?:\\./)?tarn ([a-z][^`|>#)\n]*)")

// TestPagesNameWhatIsThere looks for every command and flag of the pages.
func TestPagesNameWhatIsThere(t *testing.T) {
	found := 0
	for page, text := range pages(t) {
		for _, m := range call.FindAllStringSubmatch(text, -1) {
			found++
			checkCall(t, page, m[1])
		}
	}
	if found < 50 {
		t.Errorf("only %d command lines were found", found)
	}
}

// checkCall looks for the command and the flags of one line, "user add ann --name x".
// Where it names several, "backup|restore", each is looked for.
func checkCall(t *testing.T, page, line string) {
	t.Helper()
	words := strings.Fields(line)
	cmd, _, err := root().Find(words)
	if err != nil || cmd.Name() == "tarn" {
		t.Errorf("%s: tarn %s: there is no such command", page, line)
		return
	}
	if rest := words[strings.Count(cmd.CommandPath(), " "):]; cmd.HasSubCommands() && len(rest) > 0 && regexp.MustCompile("^[a-z]+$").MatchString(rest[0]) {
		t.Errorf("%s: tarn %s: %s has no %s", page, line, cmd.CommandPath(), rest[0])
	}
	for _, w := range words {
		name, isFlag := strings.CutPrefix(w, "--")
		if name, _, _ = strings.Cut(name, "="); !isFlag || name == "" {
			continue
		}
		if name = strings.TrimRight(name, ".,;:"); !hasFlag(cmd, name) {
			t.Errorf("%s: tarn %s: %s has no flag --%s", page, line, cmd.CommandPath(), name)
		}
	}
}

func hasFlag(cmd *cobra.Command, name string) bool {
	cmd.InitDefaultHelpFlag()
	return cmd.Flags().Lookup(name) != nil || cmd.InheritedFlags().Lookup(name) != nil
}

// TestPagesNameEverySetting wants each setting in a page.
func TestPagesNameEverySetting(t *testing.T) {
	var all strings.Builder
	for _, text := range pages(t) {
		all.WriteString(text)
	}
	names := regexp.MustCompile(`(?m)^  ([a-z_0-9.]+)$`).FindAllStringSubmatch(server.SettingsHelp(), -1)
	if len(names) < 50 {
		t.Fatalf("only %d settings were found in\n%s", len(names), server.SettingsHelp())
	}
	for _, m := range names {
		if name := "`" + m[1]; !strings.Contains(all.String(), name+"`") && !strings.Contains(all.String(), name+":") {
			t.Errorf("no page names the setting %s", m[1])
		}
	}
}

package login

import (
	"strings"
	"sync"

	"github.com/tarnhealth/tarn/page"
)

// english says messages in errors for commands and logs.
var english = sync.OnceValue(func() func(page.Message) string {
	set, err := page.New(page.Config{BaseURL: "http://localhost"}, files)
	if err != nil {
		panic(err) // the files are part of the program, and tested
	}
	return func(m page.Message) string { return set.Text("en", m) }
})

func englishText(m page.Message) string { return english()(m) }

// browserName is the family of a browser and its system, as people know them.
func browserName(agent string) string {
	find := func(pairs [][2]string) string {
		for _, p := range pairs {
			if strings.Contains(agent, p[0]) {
				return p[1]
			}
		}
		return ""
	}
	browser := find([][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
	})
	system := find([][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"},
		{"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	})
	switch {
	case browser != "" && system != "":
		return browser + " · " + system
	case browser+system != "":
		return browser + system
	}
	return "—"
}

func compareNames(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }

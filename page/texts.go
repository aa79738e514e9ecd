package page

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// fallback is the language of requests that ask for none that there is.
const fallback = "en"

// texts are the messages by language and key.
type texts struct {
	by        map[string]map[string]string
	languages []string
}

// readTexts reads and checks the message files of all sources together.
func readTexts(sources []fs.FS) (*texts, error) {
	t := &texts{by: map[string]map[string]string{}}
	for _, source := range sources {
		names, err := fs.Glob(source, "messages/*.json")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if err := t.read(source, name); err != nil {
				return nil, err
			}
		}
	}
	for lang := range t.by {
		t.languages = append(t.languages, lang)
	}
	slices.Sort(t.languages)
	return t, t.check()
}

func (t *texts) read(source fs.FS, name string) error {
	data, err := fs.ReadFile(source, name)
	if err != nil {
		return err
	}
	var messages map[string]string
	if err := json.Unmarshal(data, &messages); err != nil {
		return fmt.Errorf("page: %s: %w", name, err)
	}
	lang := strings.TrimSuffix(path.Base(name), ".json")
	if t.by[lang] == nil {
		t.by[lang] = map[string]string{}
	}
	for key, text := range messages {
		if t.by[lang][key] != "" {
			return fmt.Errorf("page: %s: message %q is there twice", name, key)
		}
		t.by[lang][key] = text
	}
	return nil
}

var place = regexp.MustCompile(`\{\d+\}`)

// check finds messages that are missing in a language or have other places.
func (t *texts) check() error {
	for _, from := range t.languages {
		for key, text := range t.by[from] {
			for _, to := range t.languages {
				other, ok := t.by[to][key]
				if !ok || other == "" {
					return fmt.Errorf("page: message %q of %s is missing in %s", key, from, to)
				}
				if !slices.Equal(places(text), places(other)) {
					return fmt.Errorf("page: message %q has other places in %s than in %s", key, to, from)
				}
			}
		}
	}
	return nil
}

func places(text string) []string {
	found := place.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

var use = regexp.MustCompile(`\bt "([^"]+)"`)

// checkUses finds messages that a template names and that are not there.
func (t *texts) checkUses(name, template string) error {
	for _, m := range use.FindAllStringSubmatch(template, -1) {
		if t.by[fallback][m[1]] == "" {
			return fmt.Errorf("page: %s: there is no message %q", name, m[1])
		}
	}
	return nil
}

func (t *texts) say(lang, key string, args []any) (string, error) {
	text, ok := t.by[lang][key]
	if !ok {
		return "", fmt.Errorf("there is no message %q", key)
	}
	for i, arg := range args {
		text = strings.ReplaceAll(text, "{"+strconv.Itoa(i)+"}", fmt.Sprint(arg))
	}
	return text, nil
}

// Text is a message in a language. It panics where there is no such message,
// for their names are constants.
func (s *Set) Text(lang string, m Message) string {
	text, err := s.texts.say(lang, m.Key, m.Args)
	if err != nil {
		panic("page: " + err.Error())
	}
	return text
}

// Language is what the person reads: the one chosen on a page (lang, kept in a
// cookie), else of ui_locales (OpenID Connect Core section 3.1.2.1), else of
// Accept-Language, else English. w may be nil; otherwise a choice is kept.
func (s *Set) Language(w http.ResponseWriter, r *http.Request) string {
	q := r.URL.Query()
	chosen, asked := s.texts.match(q.Get("lang")), s.texts.match(strings.Fields(q.Get("ui_locales"))...)
	if w != nil && chosen != "" {
		http.SetCookie(w, s.Cookie("tarn-lang", chosen, 365*24*3600))
	} else if w != nil && asked != "" {
		http.SetCookie(w, s.Cookie("tarn-lang", asked, 0))
	}
	kept := ""
	if c, err := r.Cookie(s.CookieName("tarn-lang")); err == nil {
		kept = s.texts.match(c.Value)
	}
	return cmp.Or(chosen, asked, kept, s.texts.match(accepted(r.Header.Get("Accept-Language"))...), fallback)
}

// match finds the first of tags whose language there is.
func (t *texts) match(tags ...string) string {
	for _, tag := range tags {
		lang, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if _, ok := t.by[lang]; ok {
			return lang
		}
	}
	return ""
}

// accepted lists the tags of an Accept-Language header, the best first (RFC
// 9110 section 12.5.4).
func accepted(header string) []string {
	type weighted struct {
		tag string
		q   float64
	}
	var list []weighted
	for item := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(item, ";")
		w := weighted{strings.TrimSpace(tag), 1}
		if text, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			q, err := strconv.ParseFloat(text, 64)
			if err != nil || q <= 0 {
				continue
			}
			w.q = q
		}
		list = append(list, w)
	}
	slices.SortStableFunc(list, func(a, b weighted) int { return cmp.Compare(b.q, a.q) })
	var tags []string
	for _, w := range list {
		tags = append(tags, w.tag)
	}
	return tags
}

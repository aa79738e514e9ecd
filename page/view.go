package page

import (
	"cmp"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A view is what templates see as their dot; the page's own data is in Data.
type view struct {
	Lang, Nonce, Token, Product, Person string
	Style                               template.CSS
	Data                                any
	Problems                            []Problem
	Scripts                             []string
	Languages                           []choice
	formAction                          []string
	connect                             bool
	set                                 *Set
}

// A choice is a link to the page in another language.
type choice struct {
	Lang, Name, URL string
	Current         bool
}

// A Problem is something wrong with one field of a form, or with the whole
// form where Field is "".
type Problem struct {
	Field   string
	Message Message
}

// A Message names a text of the message files and what stands in its places
// {0}, {1}….
type Message struct {
	Key  string
	Args []any
}

// parse makes one template per language and page.
func (s *Set) parse(sources []fs.FS) (map[string]map[string]*template.Template, error) {
	pages := map[string]map[string]*template.Template{}
	for lang := range s.texts.by {
		base := template.New("").Option("missingkey=error").Funcs(s.funcs(lang))
		files := map[string]string{}
		for _, source := range sources {
			names, err := fs.Glob(source, "pages/*.html")
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				text, err := fs.ReadFile(source, name)
				if err != nil {
					return nil, err
				}
				files[strings.TrimSuffix(path.Base(name), ".html")] = string(text)
			}
		}
		var err error
		if pages[lang], err = s.parsePages(base, files); err != nil {
			return nil, err
		}
	}
	return pages, nil
}

func (s *Set) parsePages(base *template.Template, files map[string]string) (map[string]*template.Template, error) {
	for name, text := range files {
		if err := s.texts.checkUses(name, text); err != nil {
			return nil, err
		}
		if strings.HasPrefix(name, "part-") {
			if _, err := base.Parse(text); err != nil {
				return nil, fmt.Errorf("page: %s: %w", name, err)
			}
		}
	}
	pages := map[string]*template.Template{}
	for name, text := range files {
		if strings.HasPrefix(name, "part-") {
			continue
		}
		t, err := base.Clone()
		if err == nil {
			_, err = t.Parse(text)
		}
		if err != nil {
			return nil, fmt.Errorf("page: %s: %w", name, err)
		}
		pages[name] = t
	}
	return pages, nil
}

// funcs are what templates call: t (a message), say (a Message), when (a
// time), path (an address of this server), field (an input of a form), pairs
// (arguments of a part).
func (s *Set) funcs(lang string) template.FuncMap {
	return template.FuncMap{
		"t":     func(key string, args ...any) (string, error) { return s.texts.say(lang, key, args) },
		"say":   func(m Message) (string, error) { return s.texts.say(lang, m.Key, m.Args) },
		"when":  when,
		"path":  s.Path,
		"field": func(v *view, name string, args ...any) (field, error) { return s.field(lang, v, name, args) },
		"pairs": pairs,
	}
}

// when writes a time for people, in UTC, with the exact one for programs.
func when(t time.Time) template.HTML {
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `">` + t.Format("2006-01-02 15:04") + ` UTC</time>`)
}

func pairs(args ...any) (map[string]any, error) {
	if len(args)%2 != 0 {
		return nil, fmt.Errorf("pairs has %d arguments", len(args))
	}
	m := map[string]any{}
	for i := 0; i < len(args); i += 2 {
		m[fmt.Sprint(args[i])] = args[i+1]
	}
	return m, nil
}

// A field is an input with its label, hint and error.
type field struct {
	Name, Label, Hint, Error                        string
	Type, Value, Autocomplete, InputMode, MaxLength string
	Optional, Focus                                 bool
}

// field describes an input: its label is the message field.NAME, its hint
// field.NAME.hint where there is one. Other attributes come as pairs: type,
// value, autocomplete, inputmode, maxlength, optional, focus, label, about (what
// the hint tells).
func (s *Set) field(lang string, v *view, name string, args []any) (field, error) {
	more, err := pairs(args...)
	if err != nil {
		return field{}, err
	}
	text := func(key string) string {
		if value, ok := more[key]; ok {
			return fmt.Sprint(value)
		}
		return ""
	}
	f := field{
		Name: name, Type: cmp.Or(text("type"), "text"), Value: text("value"), Autocomplete: text("autocomplete"),
		InputMode: text("inputmode"), MaxLength: cmp.Or(text("maxlength"), strconv.Itoa(maxField)),
		Optional: text("optional") == "true", Focus: text("focus") == "true" && !slices.ContainsFunc(v.Problems, func(p Problem) bool { return p.Field != "" }),
	}
	key := cmp.Or(text("label"), "field."+name)
	if f.Label, err = s.texts.say(lang, key, nil); err != nil {
		return f, err
	}
	if s.texts.by[lang][key+".hint"] != "" {
		var about []any
		if value, ok := more["about"]; ok {
			about = []any{value}
		}
		if f.Hint, err = s.texts.say(lang, key+".hint", about); err != nil {
			return f, err
		}
	}
	for i, p := range v.Problems {
		if p.Field == name && f.Error == "" {
			f.Focus = i == 0
			f.Error, err = s.texts.say(lang, p.Message.Key, p.Message.Args)
		}
	}
	return f, err
}

// choices are links to this page in each language.
func (s *Set) choices(r *http.Request, current string) []choice {
	var list []choice
	for _, lang := range s.texts.languages {
		q := maps.Clone(r.URL.Query())
		if q == nil {
			q = url.Values{}
		}
		q.Del("ui_locales")
		q.Set("lang", lang)
		list = append(list, choice{
			Lang: lang, Name: s.texts.by[lang]["language"], Current: lang == current,
			URL: s.Path(r.URL.EscapedPath()) + "?" + q.Encode(),
		})
	}
	return list
}

package xhtml

import "strings"

// elements are those for basic formatting: chapters 7 to 11 (but section 4 of
// chapter 9) and 15 of HTML 4, links, images and maps.
var elements = set(`div p h1 h2 h3 h4 h5 h6 ul ol li dl dt dd address hr pre blockquote
	a span bdo br em strong dfn code samp kbd var cite abbr acronym q sub sup tt i b big small
	img map area table caption thead tfoot tbody colgroup col tr th td`)

// common are the attributes of all elements.
var common = set(`id class style title lang dir accesskey tabindex`)

// special are the attributes of single elements, as "element attribute".
var special = expand(map[string]string{
	"a":          "name href hreflang rel rev type charset shape coords",
	"area":       "shape coords href nohref alt",
	"map":        "name",
	"img":        "src alt longdesc height width usemap ismap border",
	"blockquote": "cite",
	"q":          "cite",
	"table":      "summary width border frame rules cellspacing cellpadding",
	"colgroup":   "span width align char charoff valign",
	"col":        "span width align char charoff valign",
	"thead":      "align char charoff valign",
	"tfoot":      "align char charoff valign",
	"tbody":      "align char charoff valign",
	"tr":         "align char charoff valign",
	"th":         "abbr axis headers scope rowspan colspan align char charoff valign",
	"td":         "abbr axis headers scope rowspan colspan align char charoff valign",
})

func set(names string) map[string]bool {
	all := map[string]bool{}
	for _, name := range strings.Fields(names) {
		all[name] = true
	}
	return all
}

func expand(of map[string]string) map[string]bool {
	all := map[string]bool{}
	for element, names := range of {
		for _, name := range strings.Fields(names) {
			all[element+" "+name] = true
		}
	}
	return all
}

package distribution

import (
	"io"
	"regexp"
	"strings"

	"github.com/tarnhealth/tarn/terminology/concept"
)

var ucumEssence = regexp.MustCompile(`(?i)^ucum-essence.*\.xml$`)

// readUCUM reads the base units and units of ucum-essence.xml: their names and
// properties. Codes that are made of them need no concept of their own.
// https://ucum.org/
func readUCUM(in *files, b *book) error {
	name, err := in.one(ucumEssence, "ucum-essence.xml")
	if err != nil {
		return err
	}
	return in.read(name, func(from io.Reader) error {
		type unit struct {
			Code     string   `xml:"Code,attr"`
			Metric   string   `xml:"isMetric,attr"`
			Class    string   `xml:"class,attr"`
			Names    []string `xml:"name"`
			Symbol   string   `xml:"printSymbol"`
			Property string   `xml:"property"`
			Value    struct {
				Unit  string `xml:"Unit,attr"`
				Value string `xml:"value,attr"`
			} `xml:"value"`
		}
		var root struct {
			Version string `xml:"version,attr"`
			Base    []unit `xml:"base-unit"`
			Units   []unit `xml:"unit"`
		}
		if err := readXML(from, &root); err != nil {
			return err
		}
		b.version(root.Version)
		for _, u := range append(root.Base, root.Units...) {
			c := concept.Concept{Code: u.Code}
			for i, n := range u.Names {
				if i == 0 {
					c.Display = strings.TrimSpace(n)
				} else {
					c.Designations = append(c.Designations, concept.Designation{Language: "en", Value: strings.TrimSpace(n)})
				}
			}
			for _, p := range []concept.Property{
				{Code: "property", Text: u.Property}, {Code: "symbol", Text: u.Symbol}, {Code: "class", Text: u.Class},
				{Code: "metric", Text: u.Metric}, {Code: "unit", Text: u.Value.Unit}, {Code: "value", Text: u.Value.Value},
			} {
				if p.Kind, p.Text = "string", strings.TrimSpace(p.Text); p.Text != "" {
					c.Properties = append(c.Properties, p)
				}
			}
			b.Add(c)
		}
		return nil
	})
}

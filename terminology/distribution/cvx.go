package distribution

import (
	"regexp"
	"strings"

	"github.com/tarnhealth/tarn/terminology/concept"
)

var cvxTable = regexp.MustCompile(`(?i)^cvx.*\.(txt|csv)$`)

// readCVX reads lines of code|short description|full name|notes|status|…|last
// updated, as the CDC publishes them. The version is the day of the last change.
// https://www2a.cdc.gov/vaccines/iis/iisstandards/vaccines.asp?rpt=cvx
func readCVX(in *files, b *book) error {
	name, err := in.one(cvxTable, "CVX table (cvx.txt)")
	if err != nil {
		return err
	}
	newest := ""
	err = in.fields(name, "|", 6, func(f []string) error {
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		if strings.EqualFold(f[0], "CVX Code") {
			return nil
		}
		c := concept.Concept{Code: f[0], Display: f[1], Inactive: f[4] != "Active" && f[4] != "Pending"}
		if f[2] != "" && f[2] != f[1] {
			c.Designations = []concept.Designation{{Language: "en", Value: f[2], Use: concept.Coding{Code: "full"}}}
		}
		day := updated(f[len(f)-1])
		newest = max(newest, day)
		for _, p := range []concept.Property{{Code: "VaccineStatus", Text: f[4]}, {Code: "notes", Text: f[3]}, {Code: "updated", Text: day}} {
			if p.Kind = "string"; p.Text != "" {
				c.Properties = append(c.Properties, p)
			}
		}
		b.Add(c)
		return nil
	})
	b.version(newest)
	return err
}

var (
	isoDay      = regexp.MustCompile(`^(\d{4})[-/](\d\d?)[-/](\d\d?)`)
	americanDay = regexp.MustCompile(`^(\d\d?)/(\d\d?)/(\d{4})`)
)

// updated is a day as YYYYMMDD, "" where it is none.
func updated(text string) string {
	two := func(s string) string { return ("0" + s)[len(s)-1:] }
	if m := isoDay.FindStringSubmatch(text); m != nil {
		return m[1] + two(m[2]) + two(m[3])
	}
	if m := americanDay.FindStringSubmatch(text); m != nil {
		return m[3] + two(m[1]) + two(m[2])
	}
	return ""
}

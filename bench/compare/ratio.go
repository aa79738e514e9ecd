package main

import (
	"fmt"
	"io"
	"slices"
)

// A comparison holds the rows of both builds by scenario, round after round.
type comparison struct {
	names []string // in the order they came
	rows  map[string]*[2][]row
}

func newComparison() *comparison { return &comparison{rows: map[string]*[2][]row{}} }

// add takes the rows of one run of build i.
func (c *comparison) add(i int, rows []row) {
	for _, r := range rows {
		if c.rows[r.Scenario] == nil {
			c.rows[r.Scenario] = new([2][]row)
			c.names = append(c.names, r.Scenario)
		}
		c.rows[r.Scenario][i] = append(c.rows[r.Scenario][i], r)
	}
}

// figures are what is compared. better is 1 where more is better, -1 where
// less is.
var figures = []struct {
	name   string
	better int
	of     func(r *row) float64
}{
	{"throughput", 1, func(r *row) float64 { return r.Throughput }},
	{"ratio", 1, func(r *row) float64 { return r.Ratio }},
	{"p50 ms", -1, func(r *row) float64 { return r.P50 }},
	{"p99 ms", -1, func(r *row) float64 { return r.P99 }},
	{"cpu µs", -1, func(r *row) float64 { return r.CPU }},
	{"allocs", -1, func(r *row) float64 { return r.Allocs }},
	{"write B", -1, func(r *row) float64 { return r.Written }},
	{"RSS MB", -1, func(r *row) float64 { return r.RSS }},
}

// A spread is the ratios B to A of a figure, one for each round.
type spread struct {
	median, least, most float64
}

// spreadOf compares the rounds pair by pair; ok is false where A has none of
// the figure.
func spreadOf(a, b []row, of func(*row) float64) (s spread, ok bool) {
	var ratios []float64
	for i := range min(len(a), len(b)) {
		if base := of(&a[i]); base > 0 {
			ratios = append(ratios, of(&b[i])/base)
		}
	}
	if len(ratios) == 0 {
		return s, false
	}
	slices.Sort(ratios)
	n := len(ratios)
	return spread{median: (ratios[(n-1)/2] + ratios[n/2]) / 2, least: ratios[0], most: ratios[n-1]}, true
}

// enough is how many rounds must agree: two equal builds pass by chance in one
// of sixteen figures.
const enough = 5

// verdict says what all rounds agree on by more than slack, where they are
// enough.
func (s spread) verdict(better, rounds int) string {
	const slack = .02
	switch {
	case rounds < enough:
		return ""
	case s.least > 1+slack && better > 0, s.most < 1-slack && better < 0:
		return "better"
	case s.most < 1-slack && better > 0, s.least > 1+slack && better < 0:
		return "WORSE"
	}
	return ""
}

func medianOf(rows []row, of func(*row) float64) float64 {
	var values []float64
	for i := range rows {
		values = append(values, of(&rows[i]))
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// print writes one line for each figure of each scenario that both have.
func (c *comparison) print(out io.Writer) {
	fmt.Fprintf(out, "%-20s %-11s %12s %12s %8s %17s\n", "scenario", "figure", "A", "B", "B/A", "least … most")
	for _, name := range c.names {
		a, b := c.rows[name][0], c.rows[name][1]
		for _, f := range figures {
			s, ok := spreadOf(a, b, f.of)
			if !ok {
				continue
			}
			fmt.Fprintf(out, "%-20s %-11s %12.1f %12.1f %8.2f %8.2f … %-6.2f %s\n", name, f.name,
				medianOf(a, f.of), medianOf(b, f.of), s.median, s.least, s.most, s.verdict(f.better, min(len(a), len(b))))
		}
	}
}

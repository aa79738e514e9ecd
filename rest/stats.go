package rest

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// A sample is the measurements of one code.
type sample struct {
	values []fhir.Decimal
	// numbers are values as numbers, in ascending order once sorted.
	numbers []float64
	// times are when the values were measured, zero where that is not known.
	times []time.Time
	// seen counts the observations, those without a usable value too.
	seen int
}

// A statistic is one of R4's, of a sample with at least one value. ok is false
// where it is not defined for so few values.
// http://terminology.hl7.org/CodeSystem/observation-statistics
type statistic func(s *sample) (value string, ok bool)

// statistics are those that are one number in the unit that the measurements
// have, or none.
var statistics = map[string]statistic{
	"average":     func(s *sample) (string, bool) { return number(s.mean()), true },
	"maximum":     func(s *sample) (string, bool) { return slices.MaxFunc(s.values, fhir.Decimal.Compare).String(), true },
	"minimum":     func(s *sample) (string, bool) { return slices.MinFunc(s.values, fhir.Decimal.Compare).String(), true },
	"count":       func(s *sample) (string, bool) { return strconv.Itoa(len(s.values)), true },
	"total-count": func(s *sample) (string, bool) { return strconv.Itoa(s.seen), true },
	"median":      quantile(0.5),
	"std-dev":     func(s *sample) (string, bool) { return number(math.Sqrt(s.variance())), len(s.values) > 1 },
	"sum":         func(s *sample) (string, bool) { return s.sum(), true },
	"variance":    func(s *sample) (string, bool) { return number(s.variance()), len(s.values) > 1 },
	"20-percent":  quantile(0.2),
	"80-percent":  quantile(0.8),
	"4-lower":     quantile(0.25),
	"4-upper":     quantile(0.75),
	"4-dev":       func(s *sample) (string, bool) { return number((s.quantile(0.75) - s.quantile(0.25)) / 2), true },
	"5-1":         quantile(0.2),
	"5-2":         quantile(0.4),
	"5-3":         quantile(0.6),
	"5-4":         quantile(0.8),
	"skew": func(s *sample) (string, bool) {
		return number(s.moment(3) / math.Pow(s.moment(2), 1.5)), s.moment(2) > 0
	},
	"kurtosis": func(s *sample) (string, bool) { return number(s.moment(4) / math.Pow(s.moment(2), 2)), s.moment(2) > 0 },
}

// unitless are the statistics without the unit of the measurements.
var unitless = []string{"count", "total-count", "skew", "kurtosis"}

// number is a computed value with 12 significant digits, as a FHIR decimal.
func number(x float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 12, 64), 64) // was just written
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

func quantile(p float64) statistic {
	return func(s *sample) (string, bool) { return number(s.quantile(p)), true }
}

// quantile interpolates between the two values next to the rank p*(n-1).
func (s *sample) quantile(p float64) float64 {
	rank := p * float64(len(s.numbers)-1)
	below := int(rank)
	if below+1 == len(s.numbers) {
		return s.numbers[below]
	}
	return s.numbers[below] + (rank-float64(below))*(s.numbers[below+1]-s.numbers[below])
}

func (s *sample) mean() float64 {
	total := 0.0
	for _, x := range s.numbers {
		total += x
	}
	return total / float64(len(s.numbers))
}

// moment is the central moment of an order, over all values.
func (s *sample) moment(order float64) float64 {
	mean, total := s.mean(), 0.0
	for _, x := range s.numbers {
		total += math.Pow(x-mean, order)
	}
	return total / float64(len(s.numbers))
}

// variance is that of the population which the values are a sample of.
func (s *sample) variance() float64 {
	n := float64(len(s.numbers))
	return s.moment(2) * n / (n - 1)
}

func (s *sample) sum() string {
	total := s.values[0]
	for _, v := range s.values[1:] {
		total = total.Add(v)
	}
	return total.String()
}

// line fits a straight line to the values over time, which is counted in hours
// from the first. ok is false with less than two times.
func (s *sample) line() (gradient, intercept float64, ok bool) {
	var first time.Time
	for _, t := range s.times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	var n, sumX, sumY, sumXX, sumXY float64
	for i, t := range s.times {
		if t.IsZero() {
			continue
		}
		x, y := t.Sub(first).Hours(), asFloat(s.values[i])
		n, sumX, sumY, sumXX, sumXY = n+1, sumX+x, sumY+y, sumXX+x*x, sumXY+x*y
	}
	spread := n*sumXX - sumX*sumX
	if spread <= 0 {
		return 0, 0, false
	}
	gradient = (n*sumXY - sumX*sumY) / spread
	return gradient, (sumY - gradient*sumX) / n, true
}

// add adds a value.
func (s *sample) add(v fhir.Decimal, when time.Time) {
	s.values = append(s.values, v)
	s.times = append(s.times, when)
}

// sort makes the sample ready for its statistics.
func (s *sample) sort() {
	s.numbers = make([]float64, len(s.values))
	for i, v := range s.values {
		s.numbers[i] = asFloat(v)
	}
	slices.Sort(s.numbers)
}

func asFloat(d fhir.Decimal) float64 {
	x, _ := strconv.ParseFloat(d.String(), 64) // beyond its range it is infinite, and refused when read
	return x
}

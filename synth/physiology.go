package synth

import (
	"math"
	"time"
)

// Typical lengths and weights by whole years of age, 0 to 20, for girls and
// boys; between them values are interpolated.
var (
	girlLength = [21]float64{49, 74.5, 86, 94.5, 101, 108, 115, 121.5, 127.5, 133, 138, 144, 151, 157, 160, 162, 162.5, 163, 163.2, 163.3, 163.3}
	boyLength  = [21]float64{50, 76, 87.5, 95.5, 102.5, 109, 115.5, 122, 128, 133.5, 138.5, 143.5, 149, 156, 163.5, 170, 173.5, 175.2, 176, 176.6, 176.8}
	girlWeight = [21]float64{3.4, 9.1, 12.1, 14, 16, 18, 20.3, 22.9, 25.8, 29, 33, 37, 41.8, 46, 49.4, 52, 53.9, 55.2, 56.4, 57.4, 58.2}
	boyWeight  = [21]float64{3.5, 9.8, 12.7, 14.5, 16.4, 18.5, 20.8, 23.1, 25.6, 28.6, 32, 36, 40.5, 45.6, 51, 56.4, 61, 65, 68, 69.5, 70.6}
	headSize   = [4]float64{34.8, 45.8, 48, 49.3} // at 0, 1, 2 and 3 years
)

// interpolate reads a table of values at whole years. Growth in the first year
// is fastest at its beginning.
func interpolate(table []float64, age float64) float64 {
	last := len(table) - 1
	if age >= float64(last) {
		return table[last]
	}
	i := int(age)
	part := age - float64(i)
	if i == 0 {
		part = math.Sqrt(part)
	}
	return table[i] + float64((table[i+1]-table[i])*part)
}

// height is the length of the body in cm.
func (l *life) height(age float64) float64 {
	table := boyLength[:]
	if l.female {
		table = girlLength[:]
	}
	h := interpolate(table, age) * (1 + float64(0.038*l.tall))
	return h - float64(0.12*max(0, age-60))
}

// adultBMI is the body mass index at an age of 20 or more.
func (l *life) adultBMI(age float64) float64 {
	return 24.2 + float64(4.6*l.heavy) + float64(0.4*l.heavy*l.heavy) + float64(0.08*(min(age, 62)-20)) - float64(0.1*max(0, age-72))
}

// bmi is the body mass index at any age.
func (l *life) bmi(age float64) float64 {
	if age >= 20 {
		return max(16.5, l.adultBMI(age))
	}
	lengths, weights := boyLength[:], boyWeight[:]
	if l.female {
		lengths, weights = girlLength[:], girlWeight[:]
	}
	usual := func(age float64) float64 {
		h := interpolate(lengths, age) / 100
		return interpolate(weights, age) / (h * h)
	}
	grown := max(16.5, l.adultBMI(20)) / usual(20)
	return usual(age) * (1 + float64((grown-1)*min(1, 0.25+age/26)))
}

func (l *life) weight(age float64) float64 {
	h := l.height(age) / 100
	return l.bmi(age) * h * h
}

// percentile is where the child stands among its peers, by the traits that
// growth follows from.
func percentile(deviations float64) float64 {
	return max(0.5, min(99.5, 50*(1+math.Erf(deviations/math.Sqrt2))))
}

// pressures are the systolic and diastolic blood pressure in mm Hg.
func (l *life) pressures(at time.Time) (systolic, diastolic float64) {
	age := l.ageAt(at)
	if age < 18 {
		systolic = 88 + float64(1.5*age) + float64(4*l.pressure)
	} else {
		systolic = 112 + float64(0.22*(age-18)) + float64(6*l.pressure) + float64(0.35*(l.bmi(age)-25))
	}
	if since, has := l.hasSince(hypertension, at); has {
		systolic += 10
		if years(since, at) < 0.5 {
			systolic += 8 // before treatment works
		}
	}
	systolic = max(75, l.normal(systolic, 5))
	diastolic = l.normal(16+float64(0.5*systolic), 4)
	return systolic, min(diastolic, systolic-18)
}

func (l *life) heartRate(at time.Time) float64 {
	age := l.ageAt(at)
	rate := 72.0
	if age < 18 {
		rate = 74 + float64(62*math.Exp(-age/4))
	}
	if l.has(atrialFibrillation, at) {
		rate += 10
	}
	return l.normal(rate, 6)
}

func (l *life) breaths(at time.Time) float64 {
	rate := 14 + float64(22*math.Exp(-l.ageAt(at)/4))
	if l.has(copd, at) || l.has(heartFailure, at) {
		rate += 3
	}
	return l.normal(rate, 1.2)
}

func (l *life) oxygen(at time.Time, ill bool) float64 {
	value := 98.0
	if l.has(copd, at) {
		value -= 3.5
	}
	if ill {
		value -= 1.5
	}
	return max(86, min(100, l.normal(value, 0.8)))
}

// blood is the chemistry and the counts of one blood and urine sample.
type blood struct {
	glucose, a1c, creatinine, urea, gfr       float64
	sodium, potassium, chloride, co2, calcium float64
	cholesterol, triglyceride, ldl, hdl       float64
	white, red, hemoglobin, hematocrit        float64
	mcv, mch, mchc, platelets                 float64
	protein, albumin, bilirubin, alp, alt     float64
	ast, tsh, albuminRatio, inr, ferritin     float64
	infected                                  bool
}

// draw takes a sample.
func (l *life) draw(at time.Time, infected bool) *blood {
	b := &blood{infected: infected}
	l.sugars(b, at)
	l.kidneys(b, at)
	l.fats(b, at)
	l.cells(b, at)
	b.sodium = l.normal(139.8, 1.8)
	b.potassium = l.normal(4.2, 0.3)
	b.chloride = l.normal(102.5, 2)
	b.co2 = l.normal(25.5, 1.7)
	b.calcium = l.normal(9.4, 0.3)
	b.protein = l.normal(7.1, 0.35)
	b.albumin = l.normal(4.3, 0.25)
	b.bilirubin = max(0.2, l.normal(0.6, 0.2))
	b.alp = max(30, l.normal(72, 17))
	b.alt = max(7, l.normal(24, 7)+float64(0.8*max(0, l.bmi(l.ageAt(at))-27)))
	b.ast = max(8, float64(0.5*b.alt)+l.normal(11, 3))
	b.tsh = max(0.3, l.normal(2.1, 0.7))
	if since, has := l.hasSince(hypothyroidism, at); has {
		b.tsh = max(0.6, l.normal(3.4, 1)+float64(6*math.Exp(-2*years(since, at))))
	}
	b.inr = max(0.8, l.normal(1, 0.06))
	if l.has(atrialFibrillation, at) {
		b.inr = max(1.2, l.normal(2.5, 0.4))
	}
	return b
}

func (l *life) sugars(b *blood, at time.Time) {
	switch since, diabetic := l.hasSince(diabetes, at); {
	case diabetic:
		control := 7.2 + float64(0.8*l.sugar) + float64(0.05*years(since, at)) + float64(1.2*math.Exp(-3*years(since, at)))
		b.a1c = max(5.8, l.normal(control, 0.3))
	case l.has(prediabetes, at):
		b.a1c = max(5.7, min(6.4, l.normal(6.05, 0.15)))
	default:
		b.a1c = max(4.4, min(5.6, l.normal(5.25+float64(0.12*l.sugar), 0.12)))
	}
	b.glucose = max(62, l.normal(float64(28.7*b.a1c)-50, 7))
}

// kidneys sets creatinine so that the four-variable MDRD equation gives the
// filtration rate that the record reports.
func (l *life) kidneys(b *blood, at time.Time) {
	age := max(18, l.ageAt(at))
	rate := 112 - float64(0.65*(age-25)) + float64(7*l.kidney)
	if since, ill := l.hasSince(kidneyDisease, at); ill {
		rate = min(rate, 54+float64(3*l.kidney)-float64(1.4*years(since, at)))
	}
	rate = max(12, l.normal(rate, 3))
	factor := 175 * math.Pow(age, -0.203)
	if l.female {
		factor *= 0.742
	}
	b.creatinine = round(math.Pow(rate/factor, -1/1.154), 2)
	b.gfr = factor * math.Pow(b.creatinine, -1.154)
	b.urea = max(6, l.normal(13+float64(0.28*max(0, 90-rate)), 2))
	b.albuminRatio = max(2, l.normal(9, 3))
	if l.has(kidneyDisease, at) || l.has(diabetes, at) {
		b.albuminRatio = max(4, l.normal(38+float64(12*l.kidney), 12))
	}
}

func (l *life) fats(b *blood, at time.Time) {
	b.ldl = 102 + float64(20*l.lipids) + float64(0.25*(min(60, l.ageAt(at))-30))
	b.triglyceride = 112 + float64(28*l.lipids) + float64(4*(l.bmi(l.ageAt(at))-26))
	if since, has := l.hasSince(hyperlipidemia, at); has {
		// A statin lowers what was high.
		b.ldl = max(b.ldl, 128)
		b.ldl = float64(b.ldl*0.74) + float64(62*math.Exp(-4*years(since, at)))
		b.triglyceride += 22
	}
	b.ldl = max(45, l.normal(b.ldl, 8))
	b.triglyceride = max(45, l.normal(b.triglyceride, 18))
	b.hdl = 54.0
	if !l.female {
		b.hdl = 46
	}
	b.hdl = max(24, l.normal(b.hdl-float64(0.5*(l.bmi(l.ageAt(at))-26)), 4))
	b.cholesterol = b.ldl + b.hdl + b.triglyceride/5
}

func (l *life) cells(b *blood, at time.Time) {
	b.white = max(3.2, l.normal(6.8, 1.3))
	if b.infected {
		b.white += l.normal(6, 1.5)
	}
	b.hemoglobin = 15.1
	if l.female {
		b.hemoglobin = 13.6
	}
	b.mcv, b.ferritin = 90, 92
	if since, has := l.hasSince(anemia, at); has {
		lack := math.Exp(-1.5 * years(since, at)) // iron fills the stores again
		b.hemoglobin -= 1 + float64(2.2*lack)
		b.mcv -= 4 + float64(9*lack)
		b.ferritin = 34 - float64(24*lack)
	}
	b.hemoglobin = max(7.5, l.normal(b.hemoglobin, 0.5))
	b.mcv = l.normal(b.mcv, 2)
	b.mchc = l.normal(33.6, 0.5)
	b.hematocrit = b.hemoglobin / b.mchc * 100
	b.red = b.hematocrit * 10 / b.mcv
	b.mch = b.hemoglobin * 10 / b.red
	b.platelets = max(120, l.normal(252+float64(38*l.platelet), 18))
	b.ferritin = max(4, l.normal(b.ferritin, 6))
}

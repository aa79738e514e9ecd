package tuning

import runtimemetrics "runtime/metrics"

// Spare tells how much of the processors that goroutines may run on had nothing
// to do between two of its calls, from 0 to 1; 0 where that is not known. Go's
// runtime counts it at each collection of garbage, so that what was told before
// is told again where there was none meanwhile. It is for one goroutine.
func Spare() func() float64 {
	s := []runtimemetrics.Sample{{Name: "/cpu/classes/idle:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"}}
	return spare(func() (idle, all float64) {
		runtimemetrics.Read(s)
		return s[0].Value.Float64(), s[1].Value.Float64()
	})
}

// spare is Spare of counters.
func spare(read func() (idle, all float64)) func() float64 {
	idle, all := read()
	lately := 0.0
	return func() float64 {
		nextIdle, nextAll := read()
		if nextAll > all {
			lately = min(1, max(0, (nextIdle-idle)/(nextAll-all)))
		}
		idle, all = nextIdle, nextAll
		return lately
	}
}

package fhir

// readPlain reads the forms that nearly every date and time has, 2020-01-31 and
// 2020-01-31T09:30:00 with a fraction of a second and a zone or without, in a
// third of the time that readAny takes. What it cannot read, right or wrong, is
// for that to judge.
func readPlain(s string) (m moment, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return m, false
	}
	m = moment{year: pair(s[0:])*100 + pair(s[2:]), month: pair(s[5:]), day: pair(s[8:]), precision: PrecisionDay}
	if m.year < 1 || m.month < 1 || m.month > 12 || m.day < 1 || m.day > daysIn(m.year, m.month) {
		return m, false
	}
	if len(s) == 10 {
		return m, true
	}
	if len(s) < 19 || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return m, false
	}
	m.hour, m.minute, m.second = pair(s[11:]), pair(s[14:]), pair(s[17:])
	m.precision = PrecisionSecond
	if uint(m.hour) > 23 || uint(m.minute) > 59 || uint(m.second) > 59 {
		return m, false
	}
	if s = s[19:]; len(s) > 1 && s[0] == '.' {
		r := dateReader{rest: s[1:]}
		m.precision = PrecisionFraction
		if r.fraction(&m); r.problem != "" {
			return m, false
		}
		s = r.rest
	}
	return m, m.plainZone(s)
}

// plainZone reads Z, ±hh:mm or nothing.
func (m *moment) plainZone(s string) bool {
	switch {
	case s == "":
		return true
	case s == "Z":
		m.zoned = true
		return true
	case len(s) != 6 || s[0] != '+' && s[0] != '-' || s[3] != ':':
		return false
	}
	hours, minutes := pair(s[1:]), pair(s[4:])
	m.zoned, m.offset = true, hours*60+minutes
	if hours < 0 || uint(minutes) > 59 || m.offset > 14*60 {
		return false
	}
	if s[0] == '-' {
		m.offset = -m.offset
	}
	return true
}

// pair is the number of two digits, far below zero where they are none.
func pair(s string) int {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		return -1 << 20
	}
	return int(a)*10 + int(b)
}

package fhir

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseDateTime(t *testing.T) {
	tests := []struct {
		text, lo, hi string
		precision    Precision
		zoned        bool
	}{
		{"2020", "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z", PrecisionYear, false},
		{"0001", "0001-01-01T00:00:00Z", "0002-01-01T00:00:00Z", PrecisionYear, false},
		{"9999", "9999-01-01T00:00:00Z", "+10000", PrecisionYear, false},
		{"2020-02", "2020-02-01T00:00:00Z", "2020-03-01T00:00:00Z", PrecisionMonth, false},
		{"2019-12", "2019-12-01T00:00:00Z", "2020-01-01T00:00:00Z", PrecisionMonth, false},
		{"2000-02-29", "2000-02-29T00:00:00Z", "2000-03-01T00:00:00Z", PrecisionDay, false},
		{"1969-12-31", "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z", PrecisionDay, false},
		{"2020-01-31T09:30", "2020-01-31T09:30:00Z", "2020-01-31T09:31:00Z", PrecisionMinute, false},
		{"2020-01-31T09:30Z", "2020-01-31T09:30:00Z", "2020-01-31T09:31:00Z", PrecisionMinute, true},
		{"2020-01-31T23:59:59", "2020-01-31T23:59:59Z", "2020-02-01T00:00:00Z", PrecisionSecond, false},
		{"2020-01-01T00:30:00+01:00", "2019-12-31T23:30:00Z", "2019-12-31T23:30:01Z", PrecisionSecond, true},
		{"2020-01-01T00:30:00-14:00", "2020-01-01T14:30:00Z", "2020-01-01T14:30:01Z", PrecisionSecond, true},
		{"2020-01-01T00:30:00-00:30", "2020-01-01T01:00:00Z", "2020-01-01T01:00:01Z", PrecisionSecond, true},
		{"0001-01-01T00:00:00+14:00", "0000-12-31T10:00:00Z", "0000-12-31T10:00:01Z", PrecisionSecond, true},
		{"2020-01-01T00:00:00.5Z", "2020-01-01T00:00:00.5Z", "2020-01-01T00:00:00.6Z", PrecisionFraction, true},
		{"2020-01-01T00:00:00.000Z", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00.001Z", PrecisionFraction, true},
		{"2020-01-01T00:00:00.1234567891Z", "2020-01-01T00:00:00.123456Z", "2020-01-01T00:00:00.123457Z", PrecisionFraction, true},
	}
	micros := func(text string) int64 {
		if text == "+10000" {
			return time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
		}
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return at.UnixMicro()
	}
	for _, tt := range tests {
		got, err := ParseDateTime(tt.text)
		want := Interval{micros(tt.lo), micros(tt.hi), tt.precision, tt.zoned}
		if err != nil || got != want {
			t.Errorf("ParseDateTime(%q) = %+v, %v, want %+v", tt.text, got, err, want)
		}
	}
}

func TestParseDateTimeErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "the year must have 4 digits"},
		{"20", "the year must have 4 digits"},
		{"0000", "the year must be between 0001 and 9999"},
		{"20200", `unexpected "0"`},
		{"2020-", "the month must have 2 digits"},
		{"2020-1", "the month must have 2 digits"},
		{"2020-13-01", "the month must be between 01 and 12"},
		{"2020-00", "the month must be between 01 and 12"},
		{"2020-01-00", "the day must be between 01 and 31"},
		{"2020-01-32", "the day must be between 01 and 31"},
		{"2020-04-31", "month 04 of 2020 has 30 days"},
		{"2019-02-29", "month 02 of 2019 has 28 days"},
		{"1900-02-29", "month 02 of 1900 has 28 days"},
		{"2020-02-01T", "the hour must have 2 digits"},
		{"2020-02-01T10", "the time must have minutes"},
		{"2020-02-01T10Z", "the time must have minutes"},
		{"2020-02-01T24:00:00Z", "the hour must be between 00 and 23"},
		{"2020-02-01T10:60:00Z", "the minute must be between 00 and 59"},
		{"2020-02-01T10:00:60Z", "the second must be between 00 and 59"},
		{"2020-02-01T10:00:00.Z", "the fraction of a second must have a digit"},
		{"2020-02-01T10:00:00+1:00", "the zone's hour must have 2 digits"},
		{"2020-02-01T10:00:00+0100", "the zone must have minutes"},
		{"2020-02-01T10:00:00+01", "the zone must have minutes"},
		{"2020-02-01T10:00:00+15:00", "the zone's hour must be between 00 and 14"},
		{"2020-02-01T10:00:00+14:01", "the zone must be between -14:00 and +14:00"},
		{"2020-02-01T10:00:00z", `unexpected "z"`},
		{"2020-02-01 10:00:00Z", `unexpected " 10:00:00Z"`},
		{"2020-02-01Z", `unexpected "Z"`},
		{"2020-02-01T10:00:00Z ", `unexpected " "`},
		{"2020T10:00", `unexpected "T10:00"`},
		{"20२0", "the year must have 4 digits"},
	}
	for _, tt := range tests {
		_, err := ParseDateTime(tt.text)
		if err == nil || KindOf(err) != KindInvalid || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseDateTime(%q): %v, want %q", tt.text, err, tt.want)
		}
	}
}

// TestMonthsAgreeWithTime walks every month of the calendar.
func TestMonthsAgreeWithTime(t *testing.T) {
	month := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	for month.Year() < 10000 {
		next := month.AddDate(0, 1, 0)
		last := next.AddDate(0, 0, -1)
		text := fmt.Sprintf("%04d-%02d", month.Year(), month.Month())
		whole, err := ParseDateTime(text)
		if err != nil || whole.Lo != month.UnixMicro() || whole.Hi != next.UnixMicro() {
			t.Fatalf("%s: %+v, %v", text, whole, err)
		}
		text = fmt.Sprintf("%s-%02d", text, last.Day())
		day, err := ParseDateTime(text)
		if err != nil || day.Lo != last.UnixMicro() || day.Hi != whole.Hi {
			t.Fatalf("%s: %+v, %v", text, day, err)
		}
		month = next
	}
}

func FuzzParseDateTime(f *testing.F) {
	for _, s := range []string{"2020", "2020-02-29", "2020-01-31T09:30:00.125+01:00", "2020-01-31T09:30", "1999-12-31T23:59:59Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseDateTime(text)
		std, stdErr := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			if stdErr == nil && std.Year() > 0 && CheckPrimitive("instant", text) == nil {
				t.Errorf("%q is refused: %v", text, err)
			}
			return
		}
		if got.Lo >= got.Hi {
			t.Errorf("%q is empty: %+v", text, got)
		}
		if stdErr == nil && got.Lo != std.UnixMicro() {
			t.Errorf("%q begins at %d, want %d", text, got.Lo, std.UnixMicro())
		}
		// What is less precise covers what is more.
		if i := strings.LastIndexByte(text, '-'); i > 0 && got.Precision <= PrecisionDay {
			outer, err := ParseDateTime(text[:i])
			if err != nil || outer.Lo > got.Lo || outer.Hi < got.Hi {
				t.Errorf("%q is not within %q: %+v, %+v, %v", text, text[:i], got, outer, err)
			}
		}
	})
}

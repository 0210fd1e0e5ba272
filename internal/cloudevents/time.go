package cloudevents

import (
	"fmt"
	"time"
)

// ParseTime reads a time of RFC 3339, section 5.6, strictly: time.Parse takes hours of
// one digit, fractions behind a comma and offsets of more than a day, and refuses t and
// z in lower case and the second 60. A leap second is the first second of the next day
// here, as Unix time has it; it can only be the last one of a month in UTC. The first
// instant of year 1, which stands for no time, is refused.
func ParseTime(text string) (time.Time, error) {
	t, ok := parseTime(text)
	switch {
	case !ok:
		return time.Time{}, fmt.Errorf("time %.80q is not an RFC 3339 time", text)
	case t.IsZero():
		return time.Time{}, fmt.Errorf("time %.80q is not after the first instant of year 1", text)
	}
	return t, nil
}

func parseTime(text string) (t time.Time, ok bool) {
	const pattern = "0000-00-00T00:00:00"
	if len(text) <= len(pattern) || !hasPattern(text[:len(pattern)], pattern) {
		return t, false
	}
	year, month, day := number(text[:4]), number(text[5:7]), number(text[8:10])
	hour, minute, second := number(text[11:13]), number(text[14:16]), number(text[17:19])
	nanos, rest, ok := cutFraction(text[len(pattern):])
	if !ok {
		return t, false
	}
	offset, ok := parseOffset(rest)
	isLeap := second == 60
	if isLeap {
		second = 59
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	y, m, d := t.Date()
	if !ok || y != year || int(m) != month || d != day || hour > 23 || minute > 59 || second > 59 {
		return t, false
	}
	t = t.Add(-offset)
	if isLeap {
		t = t.Add(time.Second)
		return t, t.Day() == 1 && t.Truncate(24*time.Hour).Equal(t.Truncate(time.Second))
	}
	return t, true
}

// hasPattern reports whether a text has digits where a pattern has 0, T or t where it
// has T, and else the same.
func hasPattern(text, pattern string) bool {
	for i := range len(pattern) {
		switch c := text[i]; {
		case pattern[i] == '0' && isDigit(c), pattern[i] == 'T' && c|0x20 == 't', pattern[i] == c && c != '0' && c != 'T':
		default:
			return false
		}
	}
	return true
}

// number reads digits.
func number(digits string) (n int) {
	for i := range len(digits) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}

// cutFraction reads the fraction of a second, if there is one.
func cutFraction(text string) (nanos int, rest string, ok bool) {
	if text[0] != '.' {
		return 0, text, true
	}
	end := 1
	for unit := int(time.Second) / 10; end < len(text) && isDigit(text[end]); end, unit = end+1, unit/10 {
		nanos += unit * int(text[end]-'0')
	}
	return nanos, text[end:], end > 1
}

// parseOffset reads what a time is ahead of UTC.
func parseOffset(text string) (offset time.Duration, ok bool) {
	if text == "Z" || text == "z" {
		return 0, true
	}
	if len(text) != len("+00:00") || text[0] != '+' && text[0] != '-' || !hasPattern(text[1:], "00:00") {
		return 0, false
	}
	hours, minutes := number(text[1:3]), number(text[4:6])
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if text[0] == '-' {
		offset = -offset
	}
	return offset, hours < 24 && minutes < 60
}

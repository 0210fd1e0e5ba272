package html

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// count writes a number with a comma between thousands.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// size writes a number of bytes for people.
func size(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return count(int64(n)) + " bytes"
}

// stamp writes a time for people, to the second.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// moment is stamp for a column that says that its times are in UTC.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// clock writes the time of day, for a list of one day.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// dayName writes a day for people.
func dayName(t time.Time) string { return t.UTC().Format("Monday, 2 January 2006") }

// isoDay writes a day for programs.
func isoDay(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// machineTime writes a time in full, as documents do.
func machineTime(t time.Time) string { return cloudevents.FormatTime(t) }

// webAddress returns s as the target of a link if it is an address of the web,
// and nothing if it is anything else: javascript:, data:, relative, not a URL.
func webAddress(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return u.String()
}

// clip cuts s after n characters.
func clip(n int, s string) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

// pieces splits text where a line may break: after commas, as in JSON.
func pieces(s string) []string { return strings.SplitAfter(s, ",") }

// turnsText reports whether a character changes the direction of what follows,
// or cannot be seen: with these, text can look like another one.
func turnsText(r rune) bool {
	return unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// plain removes such characters, for places where text cannot be put in a box
// of its own, as a page's title.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if turnsText(r) || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// isText reports whether data is text that people can read.
func isText(data []byte) bool {
	return utf8.Valid(data) && !strings.ContainsRune(string(data[:min(len(data), shownData)]), 0)
}

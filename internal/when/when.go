// Package when reads dates and times as people write them.
package when

import (
	"regexp"
	"strings"
	"time"
)

// Period is what a date or a time stands for: a month, a day, a minute, a second or less. All times
// are in UTC.
type Period struct {
	Start, End time.Time // End is the first instant after it
	Text       string    // for people: "3 May 2026", or "2026-05-03 14:00 UTC"
	Phrase     string    // Text with its preposition: "on 3 May 2026"
	// IsYearAssumed means that the text has no year.
	IsYearAssumed bool
}

// kind is a precision that layouts have in common.
type kind struct {
	layouts []string
	text    string
	in      string // preposition
	next    func(time.Time) time.Time
}

func days(n int) func(time.Time) time.Time {
	return func(t time.Time) time.Time { return t.AddDate(0, 0, n) }
}

func after(d time.Duration) func(time.Time) time.Time {
	return func(t time.Time) time.Time { return t.Add(d) }
}

// dates are the layouts of a day with its year.
var dates = []string{"2006-1-2", "2006/1/2", "2.1.2006", "2 January 2006", "2 Jan 2006", "January 2 2006", "Jan 2 2006"}

// Ordered, because a text is of the first kind that it fits.
var kinds = []kind{
	{dates, "2 January 2006", "on", days(1)},
	{[]string{"2006-1", "January 2006", "Jan 2006"}, "January 2006", "in", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{withTime("15:04"), "2006-01-02 15:04 UTC", "at", after(time.Minute)},
	{withTime("15:04:05"), "2006-01-02 15:04:05 UTC", "at", after(time.Second)}, // with a fraction too
}

// yearless are the layouts of a day without its year.
var yearless = []string{"2 January", "2 Jan", "January 2", "Jan 2"}

func withTime(clock string) (layouts []string) {
	for _, date := range dates {
		layouts = append(layouts, date+" "+clock, date+" "+clock+"Z07:00", date+" "+clock+" Z07:00")
	}
	return layouts
}

// Parse returns the period that a text names, and false if it names none. Without an offset a time is
// in UTC. A day without a year is the last one that is not after newest.
func Parse(text string, newest time.Time) (Period, bool) {
	text = tidy(text)
	for _, kind := range kinds {
		for _, layout := range kind.layouts {
			if start, err := time.Parse(layout, text); err == nil {
				return periodOf(start, kind)
			}
		}
	}
	for _, layout := range yearless {
		// 2000 was a leap year; the year itself comes from newest.
		if day, err := time.Parse(layout+" 2006", text+" 2000"); err == nil {
			return lastDay(day.Month(), day.Day(), newest.UTC())
		}
	}
	return Period{}, false
}

// likeDate matches words that people write for a day, in any order of their numbers.
var likeDate = regexp.MustCompile(`(?i)^([0-9]{1,4}[/.-][0-9]{1,2}[/.-][0-9]{1,4}|[0-9]{1,2}/[0-9]{1,2}|[0-9]{1,2}(st|nd|rd|th)|today|yesterday)$`)

// LooksLikeDate reports whether a person may take a word for a date, understood or not.
func LooksLikeDate(word string) bool { return likeDate.MatchString(word) }

// tidy returns the one spelling of a text that the layouts have.
func tidy(text string) string {
	text = strings.ToUpper(strings.Join(strings.Fields(strings.ReplaceAll(text, ",", " ")), " "))
	text = strings.TrimSuffix(strings.TrimSuffix(text, " UTC"), " GMT")
	// RFC 3339 has a T between the date and the time.
	if date, clock, found := strings.Cut(text, "T"); found && strings.Trim(date, "0123456789-") == "" && date != "" {
		text = date + " " + clock
	}
	return text
}

func periodOf(start time.Time, kind kind) (Period, bool) {
	start = start.UTC()
	if year := start.Year(); year < 1 || year > 9998 {
		return Period{}, false
	}
	p := Period{Start: start, End: kind.next(start), Text: start.Format(kind.text)}
	if start.Nanosecond() > 0 { // an instant
		p.End, p.Text = start.Add(time.Microsecond), start.Format("2006-01-02 15:04:05.999999 UTC")
	}
	p.Phrase = kind.in + " " + p.Text
	return p, true
}

// lastDay returns the last such day that has begun at a time. 29 February is not in every year.
func lastDay(month time.Month, day int, now time.Time) (Period, bool) {
	const longest = 8 // years between two leap years
	for back := range longest + 1 {
		start := time.Date(now.Year()-back, month, day, 0, 0, 0, 0, time.UTC)
		if start.Day() == day && !start.After(now) {
			p, is := periodOf(start, kinds[0])
			p.IsYearAssumed = true
			return p, is
		}
	}
	return Period{}, false
}

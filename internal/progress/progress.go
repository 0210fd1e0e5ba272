// Package progress shows the progress of a run of the seeder: a bar on a terminal, lines in the log
// elsewhere, metrics, and a report at the end.
package progress

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/eventfeed/eventfeed/seed"
)

// sum is the progress of all feeds of a run together.
type sum struct {
	feeds       string // their names
	done, total int64  // number of events applied, and of all events
}

func sumOf(p seed.Progress) (s sum) {
	var names []string
	for i := range p.Feeds {
		f := &p.Feeds[i]
		s.done += f.Position
		s.total += f.Head
		names = append(names, f.Feed)
	}
	s.feeds = strings.Join(names, ", ")
	return s
}

// paceWindow is the time over which the pace is averaged: long enough to be stable, short enough to show
// that a run has become slow.
const paceWindow = 10 * time.Second

// pace computes how many events a second a run applies.
type pace struct {
	samples []sample
}

type sample struct {
	at   time.Time
	done int64
}

// add records the number of events done, and returns the recent number a second; 0 if it is unknown yet.
func (p *pace) add(done int64, now time.Time) float64 {
	p.samples = append(p.samples, sample{now, done})
	for len(p.samples) > 2 && now.Sub(p.samples[1].at) >= paceWindow {
		p.samples = p.samples[1:]
	}
	first := p.samples[0]
	took := now.Sub(first.at)
	if took < time.Second || done <= first.done {
		return 0
	}
	return float64(done-first.done) / took.Seconds()
}

// left returns how long a number of events takes; 0 if that is unknown.
func left(events int64, perSecond float64) time.Duration {
	const most = 1000 * time.Hour // a longer time would be a guess
	if perSecond <= 0 || events <= 0 || float64(events)/perSecond > most.Seconds() {
		return 0
	}
	return time.Duration(float64(events) / perSecond * float64(time.Second))
}

// duration formats a duration for people, with about three digits.
func duration(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return wholeSeconds(d)
}

// wholeSeconds formats a duration, rounded up to seconds.
func wholeSeconds(d time.Duration) string {
	d = (d + time.Second - 1).Truncate(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", d/time.Minute, d%time.Minute/time.Second)
	default:
		return fmt.Sprintf("%d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
	}
}

// ratio formats a number a second.
func ratio(perSecond float64) string {
	if perSecond < 1 {
		return fmt.Sprintf("%.0f/min", perSecond*60)
	}
	return count(int64(perSecond+0.5)) + "/s"
}

func size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

func count(n int64) string { return humanize.Comma(n) }

// number formats a number with its noun.
func number(n int64, singular string) string {
	if n == 1 {
		return "1 " + singular
	}
	return count(n) + " " + singular + "s"
}

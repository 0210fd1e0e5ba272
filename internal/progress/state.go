package progress

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/seed"
)

// shownRows is the maximum number of rows of a list of a state.
const shownRows = 50

// State returns the state of the run as its page shows it, from memory alone. errorText returns
// the text of an error as it may be shown. The caller adds what the run does not know of itself:
// consumer, target, sink, process, commands, and which parked events have failed; then the Sentence.
func (s *Health) State(errorText func(error) string) *html.Seeder {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, p := s.now(), &s.progress
	all := &html.Seeder{
		Started: s.started.UTC(), Now: now.UTC(), Running: wholeSeconds(now.Sub(s.started)),
		Troubles: s.troubles(now, errorText),
		Events: html.SeederEvents{
			Applied: p.Applied - p.Skipped, Skipped: p.Skipped, LeftOut: p.LeftOut, SameID: p.SameID, Parked: p.Parked, OldAnswers: p.Old, Unroutable: p.Unroutable,
		},
		Parked: html.SeederParked{Errors: []html.SeederError{}, Failed: []html.SeederParkedEvent{}, Steps: []html.SeederStep{}},
		Feeds:  []html.SeederFeed{}, Unmatched: []html.SeederUnmatched{},
	}
	for i := range p.Feeds {
		all.Feeds = append(all.Feeds, s.feedState(&p.Feeds[i], now))
		all.Parked.Events += p.Feeds[i].Waiting
	}
	for i := range p.Unmatched[:min(len(p.Unmatched), shownRows)] {
		u := &p.Unmatched[i]
		all.Unmatched = append(all.Unmatched, html.SeederUnmatched{Place: u.Place, Name: u.Name, Reason: unmatchedReason(p, u), Meant: u.Meant(p.SkippedTypes)})
	}
	all.Types, all.MoreTypes = typeStates(p)
	all.SkippedTypes = len(p.SkippedTypes)
	all.Took, all.InParallel = s.took(now)
	all.State = s.stateName(all)
	return all
}

// troubles returns what keeps the run from applying events: the target first, then servers, then
// feeds that lag more than they may.
func (s *Health) troubles(now time.Time, errorText func(error) string) []html.SeederTrouble {
	all := []html.SeederTrouble{}
	add := func(kind, about, what string, since time.Time, err error) {
		all = append(all, html.SeederTrouble{
			Kind: kind, About: about, What: what, Since: since.UTC(), Lasts: "for " + wholeSeconds(now.Sub(since)), Error: errorText(err),
		})
	}
	if t := s.progress.Target; errors.Is(t.Err, seed.ErrHeld) {
		add(html.SeederHeld, "", "another seeder holds the consumer", t.Away, t.Err)
	} else if t.Err != nil {
		add("target", "", "the target is unavailable", t.Away, t.Err)
	}
	for _, name := range sortedKeys(s.origins) {
		if o := s.origins[name]; !o.failing.IsZero() {
			add("server", name, name+" is unavailable", o.failing, o.err)
		}
	}
	for i := range s.progress.Feeds {
		f := &s.progress.Feeds[i]
		lag := s.feeds[f.FeedID].lag(now)
		if s.progress.Following && s.MaxLag > 0 && lag > s.MaxLag {
			add("lag", f.Feed, "feed "+f.Feed+" lags", now.Add(-lag), fmt.Errorf("%s; --max-lag allows %s", lagWords(f, lag), s.MaxLag))
		}
	}
	return all
}

func lagWords(f *seed.FeedProgress, lag time.Duration) string {
	if f.Head <= f.Position {
		return "0"
	}
	return number(f.Head-f.Position, "event") + ", " + wholeSeconds(lag)
}

func (s *Health) feedState(f *seed.FeedProgress, now time.Time) html.SeederFeed {
	speed, lag := s.speeds[f.FeedID], s.feeds[f.FeedID].lag(now)
	state := html.SeederFeed{
		Name: f.Feed, ID: f.FeedID, URL: f.URL, Epoch: f.Epoch, Position: f.Position, Head: f.Head,
		Applied: f.Applied - f.Skipped, Recent: rounded(speed.recent(f.Position, now)), Average: rounded(speed.average(now)),
		Lag: f.Head - f.Position, LagTime: rounded(lag.Seconds()), Parked: f.Waiting, Empty: f.Empty,
		Done: "–", LeftTime: "–", LagWords: lagWords(f, lag),
	}
	if f.Head > 0 {
		percent := math.Floor(1000*float64(f.Position)/float64(f.Head)) / 10 // 100 only at the end
		state.Percent, state.Done = &percent, fmt.Sprintf("%.0f %%", math.Floor(percent))
	}
	state.Rate, state.AverageRate = rateWords(state.Recent), "–"
	if state.Average > 0 {
		state.AverageRate = ratio(state.Average)
	}
	if d := left(state.Lag, state.Recent); d > 0 {
		seconds := rounded(d.Seconds())
		state.Left, state.LeftTime = &seconds, wholeSeconds(d)
	}
	return state
}

func rateWords(perSecond float64) string {
	if perSecond <= 0 {
		return "0/s"
	}
	return ratio(perSecond)
}

// rounded rounds to thousandths, for JSON.
func rounded(x float64) float64 { return math.Round(x*1000) / 1000 }

// typeStates returns the most frequent types, and how many there are besides.
func typeStates(p *seed.Progress) (shown []html.SeederType, more int) {
	all := map[string]int64{}
	for _, counts := range []map[string]int64{p.Types, p.ParkedTypes} {
		for name, n := range counts {
			all[name] += n
		}
	}
	names := slices.SortedFunc(maps.Keys(all), func(x, y string) int { return cmp.Or(cmp.Compare(all[y], all[x]), cmp.Compare(x, y)) })
	shown = []html.SeederType{}
	for _, name := range names[:min(len(names), shownRows)] {
		shown = append(shown, html.SeederType{
			Type: name, Applied: p.Types[name] - p.SkippedTypes[name], Skipped: p.SkippedTypes[name], Parked: p.ParkedTypes[name],
		})
	}
	return shown, len(names) - len(shown)
}

// took returns the parts of the time since the start, and what went on in parallel to them.
func (s *Health) took(now time.Time) (parts, parallel []html.SeederTime) {
	p, all, idle := &s.progress, now.Sub(s.started), s.idleUntil(now)
	part := func(on string, took time.Duration, meaning string) html.SeederTime {
		share := ""
		if all > 0 {
			share = fmt.Sprintf("%.0f %%", 100*took.Seconds()/all.Seconds())
		}
		return html.SeederTime{On: on, Seconds: rounded(took.Seconds()), Meaning: meaning, Time: duration(took), Share: share}
	}
	rest := max(0, all-p.WaitPages-p.Apply-p.Commit-idle)
	parts = []html.SeederTime{
		part("pages", p.WaitPages, "waiting for pages of events: the feeds' servers, the network, decoding"),
		part("apply", p.Apply, "applying events: the inbox, the SQL of the projection, or the program"),
		part("commit", p.Commit, "the target: storing how far the run is, and commits"),
		part("idle", idle, "waiting for new events"),
		part("other", rest, "the start, checks, and retries while a server or the target is unavailable"),
		part("all", all, ""),
	}
	parallel = []html.SeederTime{part("fetch", p.Fetch, "requests for pages"), part("decode", p.Decode, "decoding and checking pages")}
	return parts, parallel
}

func (s *Health) stateName(all *html.Seeder) string {
	kind := ""
	if len(all.Troubles) > 0 {
		kind = all.Troubles[0].Kind
	}
	switch {
	case kind == html.SeederHeld:
		return html.SeederHeld
	case kind == "target" || kind == "server":
		return html.SeederWaiting
	case len(all.Feeds) == 0:
		return html.SeederStarting
	case !s.progress.Following:
		return html.SeederSeeding
	default:
		return html.SeederFollowing
	}
}

// Sentence returns the state in words.
func Sentence(all *html.Seeder) string {
	parked, isAre := number(all.Parked.Events, "event"), " are"
	if all.Parked.Events == 1 {
		isAre = " is"
	}
	switch said := doing(all); {
	case all.Parked.Events == 0:
		return said
	case all.DryRun:
		return said + " " + parked + " would be parked."
	case said == atTheEnd:
		return fmt.Sprintf("Following, but %s%s parked, so the target is not up to date: %s.", parked, isAre, all.Parked.Split())
	default:
		return fmt.Sprintf("%s %s%s parked and missing in the target: %s.", said, parked, isAre, all.Parked.Split())
	}
}

// atTheEnd is what a run says that has nothing to apply.
const atTheEnd = "Following: the run has reached the end of its feeds."

// doing returns what the run does, in words.
func doing(all *html.Seeder) string {
	var position, head int64
	for i := range all.Feeds {
		position, head = position+all.Feeds[i].Position, head+all.Feeds[i].Head
	}
	switch all.State {
	case html.SeederStarting:
		return "Starting: nothing was read yet."
	case html.SeederSeeding:
		return fmt.Sprintf("Seeding: the run has reached event %s of %s%s.", count(position), count(head), longestLeft(all.Feeds))
	case html.SeederFollowing:
		if head > position {
			return fmt.Sprintf("Following: %s behind.", number(head-position, "event"))
		}
		return atTheEnd
	default:
		t := &all.Troubles[0]
		return fmt.Sprintf("Waiting: %s, since %s (%s).", t.What, t.Since.Format("2006-01-02 15:04:05")+" UTC", t.Lasts)
	}
}

// longestLeft returns the time of the feed that takes longest; empty if it is unknown.
func longestLeft(feeds []html.SeederFeed) string {
	longest := -1
	for i := range feeds {
		if feeds[i].Left != nil && (longest < 0 || *feeds[i].Left > *feeds[longest].Left) {
			longest = i
		}
	}
	if longest < 0 {
		return ""
	}
	return ", about " + feeds[longest].LeftTime + " left"
}

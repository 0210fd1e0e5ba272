package overview

import (
	"cmp"
	"slices"
	"time"

	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/readers"
	"github.com/eventfeed/eventfeed/internal/store"
)

// Known is what the database said last.
type Known struct {
	store.Stats
	Answered time.Time // zero if it has not answered yet
	Err      error     // of the last query; nil if it was answered
	TimedOut bool      // the last query took too long, which does not say that the database answers no other
	// Oldest and Unsealed are how long, at least, the feeds have had a pending event and a full page
	// that is not sealed, by their names.
	Oldest, Unsealed map[string]time.Duration
}

// Sources are where a report comes from. No function of theirs asks the database.
type Sources struct {
	Version  string
	Started  time.Time
	Profiles bool         // the listener serves profiles
	Ready    func() error // why the server should get no requests
	Live     *Live        // nil until the server has read its feeds
}

// Live are the sources of a server that serves.
type Live struct {
	Feeds    func() []*feedstate.State
	CutOff   func() (age time.Duration, is bool)
	Known    func() Known
	Failing  func() (sequencer, sealer map[string]string)
	Readers  *readers.List
	Progress *readers.Progress
}

// Gather makes a report of all feeds and readers.
func Gather(from Sources, now time.Time) *Report {
	r := &Report{Time: now, Server: Server{Version: from.Version, Started: from.Started, Ready: true, Profiles: from.Profiles}}
	if err := from.Ready(); err != nil {
		r.Server.Ready, r.Server.NotReady = false, clip(err.Error())
	}
	if from.Live == nil {
		r.Problems = []Problem{notServing(r.Server.NotReady)}
		return r
	}
	known := from.Live.Known()
	r.Server.Database = databaseOf(from.Live, &known)
	r.Problems = serverProblems(&r.Server, now)
	g := &gathering{Live: from.Live, known: &known, now: now, feeds: make(map[string]*feedstate.State), readers: make(map[string]int), late: make(map[string][]Problem)}
	for _, state := range from.Live.Feeds() {
		g.feeds[state.Name] = state
	}
	r.Readers = g.allReaders()
	r.Feeds = g.allFeeds()
	for i := range r.Feeds {
		r.Problems = append(r.Problems, r.Feeds[i].Problems...)
	}
	for i := range r.Readers {
		r.Problems = append(r.Problems, r.Readers[i].Problems...)
	}
	slices.SortStableFunc(r.Problems, func(a, b Problem) int { return levels[b.Level] - levels[a.Level] })
	return r
}

func databaseOf(from *Live, known *Known) Database {
	d := Database{Up: known.TimedOut || known.Err == nil && !known.Answered.IsZero(), Answered: known.Answered, DeadRows: known.DeadPending}
	if known.Err != nil {
		d.Error = clip(known.Err.Error())
	}
	if _, is := from.CutOff(); is {
		d.Up = false
	}
	return d
}

type gathering struct {
	*Live
	known   *Known
	now     time.Time
	feeds   map[string]*feedstate.State
	readers map[string]int       // how many, by feed
	late    map[string][]Problem // the worst of each of them that has any
}

func (g *gathering) allFeeds() []Feed {
	stats := make(map[string]*store.FeedStats, len(g.known.Feeds))
	for i := range g.known.Feeds {
		stats[g.known.Feeds[i].Name] = &g.known.Feeds[i]
	}
	sequencer, sealer := g.Failing()
	all := make([]Feed, 0, len(g.feeds))
	for name, state := range g.feeds {
		f := g.feed(state, stats[name])
		f.Problems = feedProblems(&f, g.known.Unsealed[name], sequencer[name], sealer[name])
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Feed) int {
		return cmp.Or(levels[b.Level()]-levels[a.Level()], worst(b.Problems)-worst(a.Problems), cmp.Compare(a.Name, b.Name))
	})
	return all
}

func (g *gathering) feed(state *feedstate.State, stats *store.FeedStats) Feed {
	epoch := state.Epochs[len(state.Epochs)-1]
	f := Feed{
		Name: state.Name, Position: state.Position, Published: state.Published, Archives: state.Archives,
		Unsealed: max(state.Open.Number-1-state.Archives, 0),
		Held:     state.Held, Moved: state.Moved, Rate: g.Progress.Rate(state.Name, g.now),
		Epochs: len(state.Epochs), Epoch: Epoch{ID: epoch.ID, First: epoch.FirstPosition}, Readers: g.readers[state.Name], Late: len(g.late[state.Name]), late: levelOf(g.late[state.Name]),
	}
	if stats != nil {
		f.Pending, f.Refused = stats.Pending, stats.Refused
		f.RefusedFirst, f.RefusedLast = stats.RefusedFirst.UTC(), stats.RefusedLast.UTC()
		f.RefusedReason = RefusedReason{Text: clip(stats.RefusedReason.Text), Rows: stats.RefusedReason.Rows, First: stats.RefusedReason.First}
		f.Epoch.Started, f.Epoch.Reason = stats.EpochStarted, stats.EpochReason
		f.Oldest = Seconds(g.known.Oldest[state.Name])
	}
	return f
}

func (g *gathering) allReaders() []Reader {
	list := g.Readers.All()
	all := make([]Reader, 0, len(list))
	for i := range list {
		if state := g.feeds[list[i].Feed]; state != nil {
			r := ReaderOf(&list[i], state, g.Progress, g.now)
			g.readers[r.Feed]++
			if r.Level() == Warning {
				g.late[r.Feed] = append(g.late[r.Feed], r.Problems[0])
			}
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Reader) int {
		return cmp.Or(worst(b.Problems)-worst(a.Problems), cmp.Compare(b.behind(), a.behind()),
			cmp.Compare(a.Feed, b.Feed), cmp.Compare(a.Name, b.Name), cmp.Compare(a.number, b.number))
	})
	return all
}

package lag

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/foreign"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// Reasons for a lag that nobody can tell.
var (
	// ErrNotAsked reports that no feed was asked.
	ErrNotAsked = errors.New("was not asked")

	errNoURL   = errors.New("its URL is not in the database: it comes with the next seeder run")
	errForeign = errors.New("is not served by eventfeed any more, and does not tell")
)

// patience is how long a feed may take to answer.
const patience = 5 * time.Second

// Target is the database whose consumers are behind.
type Target interface {
	// Kept returns the places that a consumer keeps of a feed, in the order of
	// positions.
	Kept(ctx context.Context, consumer, feedID string) ([]walk.Place, error)
	// Memory is what a consumer remembers of a feed that is not eventfeed's own.
	Memory(consumer, feedID string) checkpoint.Memory
}

// Asker asks feeds, and keeps what they have sent, so that the next time they send only
// what is new. It is for one goroutine.
type Asker struct {
	// Client makes what asks the feed with a URL, as the target holds it.
	Client func(url string) (*walk.Client, error)

	feeds  map[read]asked
	target Target
}

// asked is a feed that is asked.
type asked interface {
	// Look fetches what it shows now.
	Look(ctx context.Context) error
	// Lag tells how far a consumer is behind that.
	Lag(ctx context.Context, s *checkpoint.Status) (Lag, error)
}

// read is a feed's URL, as the target holds it, and how it was read.
type read struct {
	url     string
	foreign bool // not as a feed of eventfeed's own
}

// Ask asks all feeds at once, each for all of its readers in the target, and says in each
// reader what it has found.
func (a *Asker) Ask(ctx context.Context, all []Reader, target Target) {
	a.target = target
	readers := make(map[read][]*Reader)
	for i := range all {
		r := &all[i]
		switch {
		case r.isDone():
			r.Unknown = nil // nothing follows, whatever the feed has
		case r.URL == "":
			r.Unknown = errNoURL
		default:
			of := read{r.URL, foreign.IsForeign(&r.Checkpoint)}
			readers[of] = append(readers[of], r)
		}
	}
	var asking sync.WaitGroup
	for of, these := range readers {
		f, err := a.feed(of)
		if err != nil {
			for _, r := range these {
				r.Unknown = err
			}
			continue
		}
		asking.Go(func() { ask(ctx, f, these) })
	}
	asking.Wait()
}

// feed returns the feed that was read.
func (a *Asker) feed(of read) (asked, error) {
	if known := a.feeds[of]; known != nil {
		return known, nil
	}
	client, err := a.Client(of.url)
	if err != nil {
		return nil, err
	}
	if a.feeds == nil {
		a.feeds = make(map[read]asked)
	}
	if of.foreign {
		a.feeds[of] = &Foreign{
			Config: foreign.Config{Client: client.Client, URL: client.Feed},
			Memory: func(consumer, feedID string) checkpoint.Memory { return a.target.Memory(consumer, feedID) },
		}
	} else {
		a.feeds[of] = &Feed{
			URL: client.Feed, Client: client,
			Kept: func(ctx context.Context, consumer, feedID string) ([]walk.Place, error) {
				return a.target.Kept(ctx, consumer, feedID)
			},
		}
	}
	return a.feeds[of], nil
}

func ask(ctx context.Context, f asked, readers []*Reader) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := f.Look(ctx)
	if unanswered, is := errors.AsType[*fetch.Error](err); is {
		err = unanswered // it was not asked for long enough to give up
	}
	if errors.Is(err, feed.ErrNotOurs) {
		err = errForeign
	}
	for _, r := range readers {
		if r.Unknown = err; err == nil {
			r.Lag, r.Unknown = f.Lag(ctx, &r.Status)
		}
	}
}

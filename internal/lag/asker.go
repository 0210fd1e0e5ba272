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

// Reasons for an unknown lag.
var (
	// ErrNotAsked reports that the feed was not requested.
	ErrNotAsked = errors.New("was not asked")

	errNoURL   = errors.New("its URL is not in the database: it comes with the next seeder run")
	errForeign = errors.New("is not served by eventfeed any more, and does not tell")
)

// patience is the timeout of a feed.
const patience = 5 * time.Second

// Target is the database of the consumers.
type Target interface {
	// Kept returns the places of a feed that a consumer keeps, in the order of positions.
	Kept(ctx context.Context, consumer, feedID string) ([]walk.Place, error)
	// Memory returns what a consumer knows about a foreign feed.
	Memory(consumer, feedID string) checkpoint.Memory
}

// Asker requests feeds to compute lags. It keeps their documents, so that later requests return
// only what is new. Only one goroutine may use it.
type Asker struct {
	// Client creates the client for a feed's URL, as the target stores it.
	Client func(url string) (*walk.Client, error)

	feeds  map[read]asked
	target Target
}

// asked is a feed that is requested.
type asked interface {
	// Look fetches the feed's current document.
	Look(ctx context.Context) error
	// Lag returns the lag of a consumer behind that document.
	Lag(ctx context.Context, s *checkpoint.Status) (Lag, error)
}

// read is a feed's URL, as the target stores it, and how the feed was read.
type read struct {
	url     string
	foreign bool // as a foreign feed
}

// Ask requests all feeds at once, each once for all of its readers in the target, and sets Lag or
// Unknown of each reader.
func (a *Asker) Ask(ctx context.Context, all []Reader, target Target) {
	a.target = target
	readers := make(map[read][]*Reader)
	for i := range all {
		r := &all[i]
		switch {
		case r.isDone():
			r.Unknown = nil // the consumer is complete, whatever the feed has
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

// feed returns the cached feed of a URL, or creates it.
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
		err = unanswered // without the text about the retry timeout, which was not over
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

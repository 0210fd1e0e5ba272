package seed

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/foreign"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// foreignSource is a foreign feed: one that eventfeed does not serve.
type foreignSource struct {
	config foreign.Config
	memory func(feedID string) (checkpoint.Memory, error)
	reader *foreign.Reader
	reload bool // the target was read again since the last Check, and may be another one

	mu   sync.Mutex
	runs []foreign.Run // returned by Walk, and not known to be applied
}

// open reads the feed's first document. err is the error that showed that eventfeed does
// not serve the feed.
func (s *foreignSource) open(ctx context.Context, err error) error {
	if s.reader, err = foreign.Instead(ctx, s.config, err); err != nil {
		return err
	}
	return s.useMemory()
}

// useMemory gives the reader what the target stores about the feed.
func (s *foreignSource) useMemory() error {
	memory, err := s.memory(s.reader.ID)
	if err == nil {
		s.reader.Use(memory)
		s.reload = true
	}
	return err
}

// Look fetches the feed again; open has fetched it the first time.
func (s *foreignSource) Look(ctx context.Context) error { return s.reader.Fetch(ctx) }

func (s *foreignSource) Feed() (id, name string)        { return s.reader.ID, s.reader.Name }
func (s *foreignSource) SameID() int64                  { return s.reader.SameID() }
func (s *foreignSource) Start() walk.Place              { return s.reader.Start() }
func (s *foreignSource) Last() int64                    { return s.reader.Last() }
func (s *foreignSource) Empty() string                  { return "the feed has no entries" }
func (s *foreignSource) Next(ctx context.Context) error { return s.reader.Next(ctx) }

func (s *foreignSource) Recognize(ctx context.Context, found []checkpoint.Checkpoint) error {
	return errors.Join(s.reader.Recognize(ctx, found), s.useMemory())
}

// Check follows the links back from the feed's end to the place. This also finds out
// how many entries there are.
func (s *foreignSource) Check(ctx context.Context, from walk.Place, _ walk.Kept) error {
	if s.reload {
		s.reader.ForgetLook()
		s.reload = false
	}
	return s.reader.Look(ctx, from)
}

func (s *foreignSource) Served() (*walk.Client, *walk.Subscription) { return nil, nil }

func (s *foreignSource) Again(_ context.Context, after error) error { return after }

func (s *foreignSource) Close() {
	if s.reader != nil {
		s.reader.Close()
	}
}

func (s *foreignSource) Walk(ctx context.Context, from walk.Place) iter.Seq2[walk.Run, error] {
	return func(yield func(walk.Run, error) bool) {
		s.mu.Lock()
		s.runs = nil
		s.mu.Unlock()
		for run, err := range s.reader.Walk(ctx, from) {
			if err == nil {
				s.mu.Lock()
				marks := run
				marks.Events = nil // they may be freed before the marks
				s.runs = append(s.runs, marks)
				s.mu.Unlock()
			}
			if !yield(walk.Run{Events: run.Events, To: run.To, At: run.At, Release: run.Done}, err) || err != nil {
				return
			}
		}
	}
}

// Marks returns what Walk has returned between two positions. It drops what is before
// them, because it is applied.
func (s *foreignSource) Marks(from, to int64) (marks checkpoint.Marks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.runs) > 0 && s.runs[0].To.Position <= from {
		s.runs = s.runs[1:]
	}
	for i := range s.runs {
		run := &s.runs[i]
		before := run.To.Position - int64(len(run.Entries))
		first, last := max(from, before), min(to, run.To.Position)
		if first >= last {
			break
		}
		marks.Entries = append(marks.Entries, run.Entries[first-before:last-before]...)
		if last == run.To.Position {
			marks.Archives = append(marks.Archives, run.Archives...)
		}
	}
	return marks
}

// unknownSource is a feed that was not fetched yet. The first Look shows whether
// eventfeed serves it.
type unknownSource struct {
	source
	foreign *foreignSource
}

// Look fetches the feed as one of eventfeed's. If it is not, it opens it as a foreign feed.
func (s *unknownSource) Look(ctx context.Context) error {
	err := s.source.Look(ctx)
	if err == nil {
		return nil
	}
	if err = s.foreign.open(ctx, err); err == nil {
		s.source = s.foreign
	}
	return err
}

func (s *unknownSource) Close() { s.foreign.Close() }

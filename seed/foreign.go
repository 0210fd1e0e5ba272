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

// theirs is a feed that is not eventfeed's own.
type theirs struct {
	config foreign.Config
	memory func(feedID string) (checkpoint.Memory, error)
	reader *foreign.Reader

	mu   sync.Mutex
	runs []foreign.Run // handed out, and not known to be applied
}

// instead opens a feed that err says is not eventfeed's own.
func (s *theirs) instead(ctx context.Context, err error) error {
	if s.reader, err = foreign.Instead(ctx, s.config, err); err != nil {
		return err
	}
	return s.remember()
}

// remember has the reader use what the target remembers of the feed.
func (s *theirs) remember() error {
	memory, err := s.memory(s.reader.ID)
	if err == nil {
		s.reader.Use(memory)
	}
	return err
}

// Look is for every look but the first, which instead has taken.
func (s *theirs) Look(ctx context.Context) error { return s.reader.Fetch(ctx) }

func (s *theirs) Feed() (id, name string)        { return s.reader.ID, s.reader.Name }
func (s *theirs) SameID() int64                  { return s.reader.SameID() }
func (s *theirs) Start() walk.Place              { return s.reader.Start() }
func (s *theirs) Last() int64                    { return s.reader.Last() }
func (s *theirs) Empty() string                  { return "the feed has no entries" }
func (s *theirs) Next(ctx context.Context) error { return s.reader.Next(ctx) }

func (s *theirs) Recognize(ctx context.Context, found []checkpoint.Checkpoint) error {
	return errors.Join(s.reader.Recognize(ctx, found), s.remember())
}

// Check walks back from the feed's end to the place, which is what tells how
// long it is.
func (s *theirs) Check(ctx context.Context, from walk.Place, _ walk.Kept) error {
	return s.reader.Look(ctx, from)
}

func (s *theirs) Served() (*walk.Client, *walk.Subscription) { return nil, nil }

func (s *theirs) Again(_ context.Context, after error) error { return after }

func (s *theirs) Close() {
	if s.reader != nil {
		s.reader.Close()
	}
}

func (s *theirs) Walk(ctx context.Context, from walk.Place) iter.Seq2[walk.Run, error] {
	return func(yield func(walk.Run, error) bool) {
		s.mu.Lock()
		s.runs = nil
		s.mu.Unlock()
		for run, err := range s.reader.Walk(ctx, from) {
			if err == nil {
				s.mu.Lock()
				marks := run
				marks.Events = nil // which may be freed before the marks are
				s.runs = append(s.runs, marks)
				s.mu.Unlock()
			}
			if !yield(walk.Run{Events: run.Events, To: run.To, At: run.At, Release: run.Done}, err) || err != nil {
				return
			}
		}
	}
}

// Marks gives what was handed out between two positions. What lies before them
// is applied.
func (s *theirs) Marks(from, to int64) (marks checkpoint.Marks) {
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

// unknown is a feed that nobody has looked at yet: one of ours, or theirs.
type unknown struct {
	source
	theirs *theirs
}

// Look takes a feed for one of theirs if it is none of ours. What is no feed at
// all is an error in the words of ours.
func (s *unknown) Look(ctx context.Context) error {
	err := s.source.Look(ctx)
	if err == nil {
		return nil
	}
	if err = s.theirs.instead(ctx, err); err == nil {
		s.source = s.theirs
	}
	return err
}

func (s *unknown) Close() { s.theirs.Close() }

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/db/explain"
	"github.com/eventfeed/eventfeed/internal/lag"
	"github.com/eventfeed/eventfeed/internal/retry"
)

// lookInterval is the time between two attempts of --wait. A feed without new events answers without a
// document.
const lookInterval = 500 * time.Millisecond

// await reads the status until no consumer lags too much. It returns the last status, or only an
// error if there was none.
func (s *statusFlags) await(ctx context.Context, asker *asker) (all []lag.Reader, err error) {
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	var late error
	for {
		seen, err := s.look(ctx, asker)
		switch {
		case ctx.Err() != nil: // what was looked at is not all of it
		case err == nil:
			all = seen
			if late = s.late(all); late == nil {
				return all, nil
			}
		case comes(err):
			late = err
		default:
			return nil, err
		}
		if retry.Sleep(ctx, lookInterval) == nil {
			continue
		}
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return all, ctx.Err()
		}
		if late == nil {
			late = errors.New("no status was read in that time")
		}
		return all, &cli.StatusError{Status: cli.StatusFailed, Err: fmt.Errorf("waited for %s: %w", s.timeout, late),
			Next: "set the time limit with: --timeout DURATION (0: no limit)"}
	}
}

// comes reports whether a database that cannot be read may become available: a seeder may create
// the file, or the server may be starting.
func comes(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || explain.Transient(err)
}

// none returns the error for a missing consumer.
func (s *statusFlags) none() string {
	if s.consumer != "" {
		return fmt.Sprintf("consumer %s has not started", s.consumer)
	}
	if s.broker.url != "" {
		return "the feed was not published there"
	}
	return "no consumer has started in this database"
}

// late returns an error that names the consumers that lag too much; nil if there are none.
func (s *statusFlags) late(all []lag.Reader) error {
	if len(all) == 0 {
		return errors.New(s.none())
	}
	return lag.Late(all, s.maxLag)
}

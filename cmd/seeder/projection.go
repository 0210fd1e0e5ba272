package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/eventfeed/eventfeed/internal/cli"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/seed"
)

// aboutProjection adds the next step to an error about a projection as a whole, for the target's kind of
// database.
//
// A new copy is suggested first, because continuing never applies events that were skipped.
func aboutProjection(err error, config seed.Config, into string, sinks *sinkFlags) error {
	beside := "--schema NAME"
	if strings.HasPrefix(into, sqlitedb.Scheme) {
		beside = "--into sqlite:PATH, another file"
	}
	var next string
	var more []string
	switch {
	case errors.Is(err, projection.ErrExists):
		next = "the file creates a table or another object that exists already: drop it, or build beside it: " + beside
	case errors.Is(err, refused.ErrAtStart): // no event was applied, so reset needs no --undone
		next = "drop the tables that the file makes, then: " + resetLine(config, into, nil) +
			", and run again; --dry-run finds what fails without leaving any of your tables behind"
	case isUnmatched(err):
		next = "correct the names after -- on, and run again"
		more = append(meant(err), "if these events are to be skipped, as where others are still to come: --allow-unmatched")
	case errors.Is(err, seed.ErrProjection):
		anew := "build beside it, with: " + beside
		if len(config.From) > 0 && sinks != nil {
			anew = "build a new copy beside it, from the first event, with: " + rebuildLine(config, into, sinks)
		}
		next = anew
		more = []string{"or continue from here with the new file, with: --accept-projection" + leftOut(err)}
	default:
		return err
	}
	return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: next, More: more}
}

// leftOut returns the note that continuing never applies the skipped events, if there are any.
func leftOut(err error) string {
	changed, is := errors.AsType[*seed.ChangedError](err)
	if !is || len(changed.Missed) == 0 {
		return ""
	}
	return ", which leaves those events out for good"
}

func isUnmatched(err error) bool {
	_, is := errors.AsType[*seed.UnmatchedError](err)
	return is
}

// meant returns a line for each name that may be misspelt.
func meant(err error) (all []string) {
	nothing, is := errors.AsType[*seed.UnmatchedError](err)
	if !is {
		return nil
	}
	for _, u := range nothing.Unmatched {
		if name := u.Meant(nothing.Types); name != "" {
			all = append(all, fmt.Sprintf("%s: -- on %s: did you mean %s?", u.Place, u.Name, name))
		}
	}
	return all
}

package main

import (
	"errors"
	"strings"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/sqlitedb"
	"github.com/eventfeed/eventfeed/seed"
)

// aboutProjection says of an error about a projection as a whole what leads on,
// on the kind of database that it is about.
func aboutProjection(err error, config seed.Config, into string) error {
	beside := "--schema NAME"
	if strings.HasPrefix(into, sqlitedb.Scheme) {
		beside = "--into sqlite:PATH, another file"
	}
	var next string
	switch {
	case errors.Is(err, projection.ErrExists):
		next = "the set-up makes what is there already: drop it, or build apart from it: " + beside
	case errors.Is(err, seed.ErrAtStart):
		next = "drop the tables that the file makes, then: " + resetLine(config, into) +
			", and run again; --dry-run finds what fails without leaving any of your tables behind"
	case errors.Is(err, seed.ErrProjection):
		next = "to go on from here with the new text: --accept-projection; to build a fresh one beside it: " + beside
	default:
		return err
	}
	return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: next}
}

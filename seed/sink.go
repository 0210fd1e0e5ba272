package seed

import (
	"io"
	"log/slog"
	"time"
)

// Projection is a file of SQL statements that brings events into tables of the
// caller's: docs/projections.md says how it is written.
type Projection struct {
	Name string // the file's path, for messages; the target keeps its last element
	Text []byte
	// Strict refuses events of types that no block names. Else they are counted
	// and skipped.
	Strict bool
	// Schema is the PostgreSQL schema that names without one belong to, made if
	// it is missing. Empty leaves that to the connection's search_path.
	Schema string
}

// Program is a program that takes events: as CloudEvents, one a line, on its
// standard input, each of which it acknowledges by printing the position.
// docs/exec.md says how one is written. What it does cannot be undone, so its events are
// never parked, and there is no dry run.
type Program struct {
	// Command is for /bin/sh -c. It gets this process's environment, without
	// EVENTFEED_* and without PGPASSWORD, PGPASSFILE, PGSERVICE, PGSERVICEFILE,
	// PGSSLKEY and PGSSLPASSWORD.
	Command string
	// PassEnvironment names variables that it gets all the same.
	PassEnvironment []string
	// Patience is for how long a program that ends early is started again. Each
	// acknowledgement renews it. 0 means a minute, negative without end.
	Patience time.Duration

	Stderr io.Writer    // takes the program's standard error, of all runs at once; nil means discard
	Logger *slog.Logger // nil means discard
}

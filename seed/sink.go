package seed

import (
	"io"
	"log/slog"
	"time"
)

// Projection is a file of SQL that applies events to the caller's own tables. See
// docs/projections.md.
type Projection struct {
	Name string // the file's path, for messages; the target keeps its last element
	Text []byte
	// Strict refuses an event whose type has no block. Otherwise such events are counted and
	// skipped. It also refuses an event with a dataschema that its block does not name, if the
	// block has a line -- dataschema. Otherwise such events are applied like all others.
	Strict bool
	// Schema is the PostgreSQL schema of the projection's tables; it is created if it is
	// missing. Empty means the connection's search_path.
	Schema string
}

// Program is a program as sink. It reads events from its standard input, as CloudEvents, one
// a line, and acknowledges them by printing their positions. See docs/exec.md. What it does
// cannot be rolled back, so its events are never parked, and there is no dry run.
type Program struct {
	// Command is run with /bin/sh -c. It inherits this process's environment, except for
	// EVENTFEED_*, PGPASSWORD, PGPASSFILE, PGSERVICE, PGSERVICEFILE,
	// PGSSLKEY and PGSSLPASSWORD.
	Command string
	// PassEnvironment names variables of these that it inherits nevertheless.
	PassEnvironment []string
	// Patience is how long a program that exits early is started again. Each acknowledgement
	// starts it again. 0 means a minute, a negative value no limit.
	Patience time.Duration

	Stderr io.Writer    // receives the program's standard error; nil discards it. Runs may write at once.
	Logger *slog.Logger // nil discards the log
}

// Package explain translates common database errors into plain words, and reports which
// errors are transient. It is for code that works on either database; code that works on
// one of them imports explain/postgres or explain/sqlite, and so links no other driver.
package explain

import (
	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
	explainsqlite "github.com/eventfeed/eventfeed/internal/db/explain/sqlite"
)

// Meaning is what an error says to whoever runs a command.
type Meaning struct {
	What string // is wrong; empty where nobody knows better than the error itself
	Next string // what to do about it
}

// Of returns what an error of a database means.
func Of(err error) Meaning { return meaning(err, explainpostgres.Of) }

// At is Of for an error of the database at url: it tells a password that is missing
// from one that is wrong.
func At(err error, url string) Meaning {
	return meaning(err, func(err error) (what, next string) { return explainpostgres.At(err, url) })
}

func meaning(err error, postgres func(error) (what, next string)) Meaning {
	what, next := postgres(err)
	if what == "" {
		what, next = explainsqlite.Of(err)
	}
	return Meaning{what, next}
}

// Text returns the text of an error, with each reason that pgx gives named once.
func Text(err error) string { return explainpostgres.Text(err) }

// Transient reports whether an error of a database may be gone after a while, so
// that the same work is worth another try.
func Transient(err error) bool {
	if explainsqlite.Code(err) != 0 {
		return explainsqlite.Transient(err)
	}
	return explainpostgres.Transient(err) || explainsqlite.IsGone(err)
}

// IsAway reports whether a database has not answered at all: it cannot be reached,
// the connection was lost, an answer took longer than a limit of this program's, or
// the file is not at its path.
func IsAway(err error) bool { return explainpostgres.IsAway(err) || explainsqlite.IsGone(err) }

// IsBusy reports whether a lock was not free that another session holds.
func IsBusy(err error) bool { return explainpostgres.IsBusy(err) || explainsqlite.IsBusy(err) }

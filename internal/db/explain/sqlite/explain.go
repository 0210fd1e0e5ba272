// Package explainsqlite translates common errors of SQLite into plain words, and reports
// which errors are transient.
package explainsqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
	sqlitecodes "modernc.org/sqlite/lib"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

type meaning struct{ what, next string }

// By SQLite's primary codes.
var meanings = map[int]meaning{
	sqlitecodes.SQLITE_READONLY: {"the file may not be written", "let this user write the file and its folder"},
	sqlitecodes.SQLITE_FULL:     {"the disk is full", "free space on the disk of the file, then run the same command again"},
}

// Of returns what an error of SQLite means, and what to do about it. Both are empty
// for errors that need no explanation, and for those that are not SQLite's.
func Of(err error) (what, next string) {
	m := meanings[Code(err)]
	return m.what, m.next
}

// Code returns SQLite's primary code of an error, 0 for all other errors.
func Code(err error) int {
	lite, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return 0
	}
	return lite.Code() & 0xff
}

// Transient reports whether an error of SQLite may be gone after a while, so that
// the same work is worth another try: another process writes, the disk is full or
// fails, or the file is not at its path. What nobody mends without being told, such
// as a missing table, is permanent.
func Transient(err error) bool {
	switch Code(err) {
	case 0:
		return IsAway(err)
	case sqlitecodes.SQLITE_BUSY, sqlitecodes.SQLITE_LOCKED, sqlitecodes.SQLITE_FULL, sqlitecodes.SQLITE_IOERR,
		sqlitecodes.SQLITE_PROTOCOL, sqlitecodes.SQLITE_NOMEM:
		return true
	}
	return false
}

// IsAway reports whether the database could not be asked: its file is gone, the
// connection is closed, or an answer took longer than a limit of this program's.
func IsAway(err error) bool {
	return IsGone(err) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, context.DeadlineExceeded)
}

// IsGone reports whether the database file is no longer at its path, or is another
// file now.
func IsGone(err error) bool {
	return errors.Is(err, sqlitedb.ErrGone) || errors.Is(err, sqlitedb.ErrReplaced)
}

// IsBusy reports whether another connection holds the lock that was needed.
func IsBusy(err error) bool { return Code(err) == sqlitecodes.SQLITE_BUSY }

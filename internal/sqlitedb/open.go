// Package sqlitedb opens SQLite database files the one way that eventfeed
// uses them: WAL, durable, one writing connection a process.
package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite" // the driver: pure Go, no cgo
	sqlitecodes "modernc.org/sqlite/lib"
)

// pragmas: wait 10 s for another process's write; every commit is on disk; a
// cache of 64 MiB, since the ids that an index is kept of come in no order.
const pragmas = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-65536)"

// OpenWriter opens the file, and makes it if it is not there, for one
// connection whose transactions take the write lock when they begin.
func OpenWriter(ctx context.Context, path string) (*sql.DB, error) {
	return open(ctx, path, 1, pragmas+"&_txlock=immediate")
}

// OpenReader opens the file for reading on several connections.
func OpenReader(ctx context.Context, path string) (*sql.DB, error) {
	return open(ctx, path, 5, pragmas+"&_pragma=query_only(1)")
}

// OpenEmpty opens an empty database in memory for reading.
func OpenEmpty(ctx context.Context) (*sql.DB, error) {
	return openURI(ctx, inMemory, 1, "_pragma=query_only(1)")
}

func open(ctx context.Context, path string, connections int, options string) (*sql.DB, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	return openURI(ctx, path, connections, options)
}

func openURI(ctx context.Context, path string, connections int, options string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+escape(path)+"?"+options)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(connections)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open %s: %w", path, explained(path, err))
	}
	return db, nil
}

// explained says what is in the way of opening a file, which SQLite does not.
func explained(path string, err error) error {
	code, isSQLite := errors.AsType[*sqlite.Error](err)
	if !isSQLite {
		return err
	}
	info, missing := os.Stat(path)
	_, noFolder := os.Stat(filepath.Dir(path))
	switch code.Code() & 0xff {
	case sqlitecodes.SQLITE_NOTADB:
		return fmt.Errorf("not an SQLite database, name another file: %w", err)
	case sqlitecodes.SQLITE_CANTOPEN:
		switch {
		case missing == nil && info.IsDir():
			return fmt.Errorf("it is a directory, name a file: %w", err)
		case noFolder != nil:
			return fmt.Errorf("its folder is not there: %w", err)
		default:
			return fmt.Errorf("this user may not read or write it, or its folder: %w", err)
		}
	}
	return err
}

// escape makes a path fit for the file: URI that options can follow.
func escape(path string) string {
	return (&url.URL{Path: path}).EscapedPath()
}

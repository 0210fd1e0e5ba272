// Package sqlitedb opens SQLite database files the one way that eventfeed
// uses them: WAL, durable, one writing connection a process.
package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite" // the driver: pure Go, no cgo
	sqlitecodes "modernc.org/sqlite/lib"
)

// pragmas: wait 10 s for another process's write; every commit is on disk.
const pragmas = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"

// Caches, in KiB. One that writes alone has much, since the ids that an index is kept
// of come in no order. Readers leave it to the operating system: each connection has a
// cache of its own, and keeps it.
const (
	writing = pragmas + "&_txlock=immediate&_pragma=cache_size(-65536)"
	beside  = pragmas + "&_txlock=immediate&_pragma=cache_size(-16384)" // that writes beside readers
	reading = pragmas + "&_pragma=query_only(1)&_pragma=cache_size(-2048)"
)

// readers is how many connections of a process read a file at a time.
const readers = 5

// OpenWriter opens the file, and makes it if it is not there, for one
// connection whose transactions take the write lock when they begin.
//
// While the file is not at its path the pool returns ErrGone, wrapped. When another
// file is there it returns ErrReplaced, wrapped, once, and goes on with that one.
func OpenWriter(ctx context.Context, path string) (*sql.DB, error) {
	return open(ctx, &file{path: path}, 1, writing)
}

// OpenReader opens the file for reading on several connections; else it is as
// OpenWriter.
func OpenReader(ctx context.Context, path string) (*sql.DB, error) {
	return open(ctx, &file{path: path}, readers, reading)
}

// OpenBoth opens the file for one connection that writes, and does not wait for
// another process's transaction, and for several that read. Both go on with the
// file that takes its place; while there is none they return ErrGone, wrapped.
func OpenBoth(ctx context.Context, path string) (writer, reader *sql.DB, err error) {
	f := &file{path: path, follows: true}
	writer, err = open(ctx, f, 1, beside+"&_pragma=busy_timeout(0)")
	if err != nil {
		return nil, nil, err
	}
	if reader, err = open(ctx, f, readers, reading); err != nil {
		_ = writer.Close()
		return nil, nil, err
	}
	return writer, reader, nil
}

// OpenEmpty opens an empty database in memory for reading.
func OpenEmpty() (*sql.DB, error) {
	return sql.Open("sqlite", uri(inMemory, "_pragma=query_only(1)"))
}

func open(ctx context.Context, f *file, connections int, options string) (*sql.DB, error) {
	if err := CheckPath(f.path); err != nil {
		return nil, err
	}
	connector, err := newConnector(f, uri(f.path, options))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.path, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(maxIdle)
	if err := ping(ctx, db, f.path); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pools = append(f.pools, db)
	return db, nil
}

// ping opens the first connection, or closes the pool.
func ping(ctx context.Context, db *sql.DB, path string) error {
	err := db.PingContext(ctx)
	if err != nil {
		_ = db.Close()
		return fmt.Errorf("open %s: %w", path, explained(path, err))
	}
	return nil
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
		case isReadOnly(path):
			return fmt.Errorf("it is on a read-only file system, mount that for writing or name a file elsewhere: %w", err)
		default:
			return fmt.Errorf("this user may not read or write it, or its folder: %w", err)
		}
	}
	return err
}

// isReadOnly reports whether a file is, or would be, on a file system that is mounted
// for reading only, as it is after an error of its disk.
func isReadOnly(path string) bool {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if file, err = os.CreateTemp(filepath.Dir(path), "eventfeed-*"); err == nil {
			defer func() { _ = os.Remove(file.Name()) }()
		}
	}
	if err == nil {
		_ = file.Close()
	}
	return errors.Is(err, syscall.EROFS)
}

// uri is a path with options, as SQLite takes them.
func uri(path, options string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options
}

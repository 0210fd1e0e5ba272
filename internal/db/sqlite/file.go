package sqlitedb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Errors of a file that is not at its path any more; both are wrapped, and
// transient: the file can be put back.
var (
	// ErrGone reports that there is no file at the path now.
	ErrGone = errors.New("the database file is missing, it was moved or removed: put it back")
	// ErrReplaced reports that another file is at the path now.
	ErrReplaced = errors.New("the database file was replaced by another one")
)

// fileInterval is how often the path is looked at. Until then another process
// that opens the new file meets what the one before has left beside it.
const fileInterval = 10 * time.Millisecond

// file is a database file as the connections of this process know it. A file that
// is moved or removed lives on for whoever has it open, and takes what they write
// with it. So each connection is for the file that it was opened on, and file tells
// whether that is still the one at the path.
type file struct {
	path    string
	follows bool // goes on with a file that replaces another one without telling

	mu         sync.Mutex
	known      identity           // of the file that connections are open on; zero before the first
	stop       context.CancelFunc // ends watch; nil before the first connection
	anchor     *sql.DB            // one more connection, so that what is beside the file stays the same; nil if the file is not there
	beside     map[string]identity
	gone       bool
	generation int      // of connections: those before the last file was given up are not used again
	next       identity // of a file that is not settled yet
	nextSince  time.Time
	untold     bool          // someone is to be told that the file was replaced
	replaced   chan struct{} // closed when the file is replaced; nil if nobody waits for it
	pools      []*sql.DB
	users      int // pools that were not closed
}

// watch looks at the path until ctx is done.
func (f *file) watch(ctx context.Context) {
	tick := time.NewTicker(fileInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_, _ = f.check() // which does what there is to do
		}
	}
}

// check returns the identity of the file that is at the path, and gives up the one
// that was there. Once a connection was opened on one it returns ErrGone, wrapped,
// where there is none, or one that is still being written.
func (f *file) check() (now identity, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, err = identify(f.path)
	if f.known.info == nil {
		return now, err
	}
	same := err == nil && now.same(f.known)
	switch {
	case same:
		f.gone = false
		return now, nil
	case err == nil && f.isSettled(now):
		f.retire(true)
		f.known, f.gone, f.untold = now, false, !f.follows
		if f.replaced != nil {
			close(f.replaced)
			f.replaced = nil
		}
		return now, nil
	case err == nil || errors.Is(err, os.ErrNotExist):
		err = ErrGone
		f.gone = true
		f.retire(false)
	}
	return now, fmt.Errorf("%s: %w", f.path, err)
}

// whenReplaced returns a channel that is closed when the file is replaced next.
func (f *file) whenReplaced() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.replaced == nil {
		f.replaced = make(chan struct{})
	}
	return f.replaced
}

// settledAfter is for how long nothing is written to a file that is complete. What
// copies a file there has it grow.
const settledAfter = 200 * time.Millisecond

// isSettled reports whether another file is complete, as far as one can tell: a
// file that was moved there is at once.
func (f *file) isSettled(now identity) bool {
	if now.info.Size() == 0 {
		return false
	}
	if age := time.Since(now.info.ModTime()); age > settledAfter {
		return true
	}
	if !now.same(f.next) || now.info.Size() != f.next.info.Size() || now.info.ModTime() != f.next.info.ModTime() {
		f.next, f.nextSince = now, time.Now()
	}
	return time.Since(f.nextSince) > settledAfter // whatever the clock that the file's time is of
}

// isCurrent reports whether a connection of a generation is on the file at the
// path, and on what is beside it, as the last check saw it.
func (f *file) isCurrent(generation int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.gone && generation == f.generation
}

// enter returns the generation of the next connection, or ErrReplaced, wrapped, if
// that is to be told.
func (f *file) enter() (generation int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.untold {
		f.untold = false
		return 0, fmt.Errorf("%s: %w", f.path, ErrReplaced)
	}
	return f.generation, nil
}

// opened returns the generation of a connection, given the file that was at the
// path before it was opened. It returns driver.ErrBadConn if that changed meanwhile,
// so that nobody knows.
func (f *file) opened(ctx context.Context, before identity, generation int) (int, error) {
	on, err := f.check()
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if before.info != nil && !on.same(before) || generation != f.generation {
		return 0, driver.ErrBadConn
	}
	if f.known.info == nil {
		f.known = on
	}
	if f.anchor == nil {
		err = f.drop(ctx)
	}
	return f.generation, err
}

// drop opens the anchor, and remembers what is beside the file.
func (f *file) drop(ctx context.Context) error {
	anchor, err := sql.Open("sqlite", uri(f.path, "mode=rw&_pragma=busy_timeout(10000)&_pragma=query_only(1)"))
	if err != nil {
		return err
	}
	anchor.SetMaxOpenConns(1)
	var tables int // SQLite opens what is beside the file when it reads first
	if err := anchor.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return errors.Join(err, anchor.Close())
	}
	if _, err := anchor.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil { // for retire
		return errors.Join(err, anchor.Close())
	}
	if f.stop == nil {
		watching, stop := context.WithCancel(context.Background())
		f.stop = stop
		go f.watch(watching)
	}
	f.anchor, f.beside = anchor, make(map[string]identity)
	for _, path := range besides(f.path) {
		if found, err := identify(path); err == nil {
			f.beside[path] = found
		}
	}
	return nil
}

// retire gives up the file that was at the path: it closes the connections that
// nobody uses; the others are closed when they are given back. It moves into that
// file what is in its WAL, and removes WAL and index: SQLite would take them for
// those of a file that is put there, and mix the two. As long as someone still uses
// the WAL they stay, and the next call tries again, unless another file is there
// already. What came with that one stays, too.
func (f *file) retire(isReplaced bool) {
	for _, pool := range f.pools {
		pool.SetMaxIdleConns(0)
		pool.SetMaxIdleConns(maxIdle)
	}
	if f.anchor == nil {
		return
	}
	var busy, frames, moved int
	err := f.anchor.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved) //nolint:noctx // it waits for nobody
	if !isReplaced && (err != nil || busy != 0) {
		return
	}
	for path, stale := range f.beside {
		if found, err := identify(path); err == nil && found.same(stale) {
			_ = os.Remove(path) // else opening the file says what is wrong
		}
	}
	_ = f.anchor.Close()
	f.anchor = nil
	f.generation++
}

// maxIdle is how many connections of a pool are kept open.
const maxIdle = 2

// leave is called when a pool has been closed. With the last one the anchor is
// closed, and so the WAL moved into the file.
func (f *file) leave() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users--
	if f.users > 0 || f.stop == nil {
		return nil
	}
	f.stop()
	if f.anchor == nil {
		return nil
	}
	anchor := f.anchor
	f.anchor = nil
	return anchor.Close()
}

// besides are what SQLite keeps beside a database file.
func besides(path string) []string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil { // as SQLite does
		path = resolved
	}
	return []string{path + "-wal", path + "-shm"}
}

// identity tells one file from another, also where the second one has the inode
// of the first, which was removed.
type identity struct {
	info os.FileInfo
	born time.Time // zero where the system does not tell
}

func identify(path string) (identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return identity{}, err
	}
	return identity{info, born(path)}, nil
}

func (i identity) same(other identity) bool {
	return i.info != nil && other.info != nil && os.SameFile(i.info, other.info) && i.born.Equal(other.born)
}
